//! The schema: made, brought up to date, and refused where a newer release has made it.
//!
//! Each version is a file of `migrations/`; which are applied stands in the table `refinery_schema_history`.

use tokio_postgres::Client;

use super::fault::Fault;
use super::presence::LOCKS;

mod embedded {
    refinery::embed_migrations!("src/postgres/migrations");
}

/// The second half of the lock of whoever changes the schema: no process has this number.
const MIGRATOR: i32 = -1;

/// The newest schema that this release knows.
pub(super) fn known() -> u32 {
    let versions = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(|step| u32::try_from(step.version()).unwrap_or(0))
        .max();
    versions.unwrap_or(0)
}

/// The schema that the database has; 0: none of ours.
pub(super) async fn found(client: &Client) -> Result<u32, Fault> {
    let there = client.query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let version =
        client.query_one("SELECT coalesce(max(version), 0)::bigint FROM refinery_schema_history", &[]).await?;
    Ok(u32::try_from(version.try_get::<_, i64>(0)?).unwrap_or(u32::MAX))
}

/// Makes the schema, or brings it to this release's; of several processes one does it, and the others wait.
pub(super) async fn bring_up_to_date(client: &mut Client) -> Result<(), Fault> {
    if found(client).await? == known() {
        return Ok(());
    }
    client.execute("SELECT pg_advisory_lock($1, $2)", &[&LOCKS, &MIGRATOR]).await?;
    let done = migrate(client).await;
    client.execute("SELECT pg_advisory_unlock($1, $2)", &[&LOCKS, &MIGRATOR]).await?;
    done
}

async fn migrate(client: &mut Client) -> Result<(), Fault> {
    let (found, known) = (found(client).await?, known());
    if found > known {
        return Err(Fault::Unavailable(newer(found)));
    }
    let report = embedded::migrations::runner().set_grouped(true).run_async(client).await;
    let report =
        report.map_err(|error| Fault::Unavailable(format!("its schema cannot be brought to {known}: {error}")))?;
    if !report.applied_migrations().is_empty() {
        tracing::info!(from = found, to = known, "the schema of the store is brought up to date");
    }
    Ok(())
}

/// What is said of a schema that this release does not know.
pub(super) fn newer(found: u32) -> String {
    format!("it has schema {found}, this release knows {}: use the newer release", known())
}
