//! The audit log.
//!
//! Each batch adds its record in its own transaction, and no batch waits for another's number: a record is numbered when somebody reads the
//! log. Numbers are without a gap, in the order in which the records were written, and a reader who goes on behind the last number
//! misses none: one that was committed late gets a later number.

use deadpool_postgres::Object;
use listmill_core::AuditRecord;
use tokio_postgres::types::Json;

use super::fault::Fault;
use super::presence::LOCKS;
use super::session::{change, page, row, rows, signed, unsigned};
use super::sql;

/// The second half of the lock of whoever gives out numbers: no process has this number.
const NUMBERS: i32 = -2;

/// A page of the log, oldest first.
pub(super) async fn audit(
    session: &mut Object,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, AuditRecord)>, Fault> {
    let waiting = row(&*session, sql::AUDIT_IS_WAITING, &[]).await?;
    if waiting.is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        give_numbers(session).await?;
    }
    let page = rows(&*session, sql::AUDIT, &[&signed(after.unwrap_or(0)), &page(limit)]).await?;
    page.into_iter()
        .map(|row| {
            let record: Json<AuditRecord> = row.try_get(1)?;
            Ok((unsigned(row.try_get(0)?), record.0))
        })
        .collect()
}

async fn give_numbers(session: &mut Object) -> Result<(), Fault> {
    let sent = session.transaction().await?;
    row(&sent, sql::LOCK_NUMBERS, &[&LOCKS, &NUMBERS]).await?;
    change(&sent, sql::AUDIT_NUMBER, &[]).await?;
    Ok(sent.commit().await?)
}
