//! What `listmill check` says of the database.

use listmill_core::settings::Cascade;

use super::fault::{Fault, described};
use super::presence::Way;
use super::store::PostgresStore;
use super::{schema, sql};
use crate::{OpenError, PostgresConfig};

/// A database that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresCheck {
    /// Where it is; no password.
    pub location: String,
    /// The version of the server.
    pub server: String,
    /// The schema of the store.
    pub schema: u32,
    /// What ought to be otherwise, a sentence each.
    pub warnings: Vec<String>,
}

/// Settings of the server without which an answered commit may be lost.
const DURABLE: [(&str, &str); 2] = [
    ("fsync", "the server's fsync is off: a power cut loses what was committed, or everything"),
    ("full_page_writes", "the server's full_page_writes is off: a power cut may damage the database"),
];

/// Connects to the database, brings its schema up to date, and has it prepare every statement that this release sends.
///
/// # Errors
/// What is wrong with the configuration, or why the database cannot be used.
pub fn check(config: &PostgresConfig) -> Result<PostgresCheck, OpenError> {
    let store = PostgresStore::enter(config, Cascade::default(), Way::Shared)?;
    let database = &store.database;
    let mut found = database
        .ask(async |session, _| {
            for statement in sql::ALL {
                session.prepare(statement).await.map_err(|error| {
                    let start: String = statement.chars().take(60).collect();
                    Fault::Unavailable(format!("a statement does not fit the schema: {}: {start}…", described(&error)))
                })?;
            }
            let server: String = session.query_one("SHOW server_version", &[]).await?.try_get(0)?;
            let mut warnings = Vec::new();
            for (setting, warning) in DURABLE {
                let value = session.query_one("SELECT current_setting($1)", &[&setting]).await?;
                if value.try_get::<_, &str>(0)? == "off" {
                    warnings.push(warning.to_owned());
                }
            }
            let schema = schema::found(session).await?;
            Ok(PostgresCheck { location: String::new(), server, schema, warnings })
        })
        .map_err(|error| OpenError::Database { reason: error.reason })?;
    found.location.clone_from(&database.location);
    if database.is_readable() {
        found
            .warnings
            .push("what is said to the database can be read on the way: add ?sslmode=require to its URL".to_owned());
    }
    Ok(found)
}
