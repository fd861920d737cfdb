//! Outgoing entries that are kept until they are written to their queues.
//!
//! A batch's entries belong to the process that committed it, which is about to send them. Only when that process is gone, as the lock
//! of its [presence](super::presence) says, another takes them over, and one other alone: so no two send the same at the same moment.

use deadpool_postgres::Object;
use listmill_core::MessageFile;
use listmill_queue_format::EntryId;
use tokio_postgres::Row;

use super::fault::Fault;
use super::presence::LOCKS;
use super::session::{change, page, row, rows};
use super::sql;
use super::types::Id;

/// Batches that are this process's to send, with those of processes that are gone; oldest first.
pub(super) async fn outbox(
    session: &mut Object,
    owner: i32,
    limit: usize,
) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Fault> {
    take_over(session, owner).await?;
    batches(&rows(&*session, sql::OUTBOX, &[&owner, &page(limit)]).await?)
}

/// The batches of rows that have an id and a file each, those of one batch behind one another.
pub(super) fn batches(rows: &[Row]) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Fault> {
    let mut found: Vec<(EntryId, Vec<MessageFile>)> = Vec::new();
    for row in rows {
        let Id(id) = row.try_get(0)?;
        if found.last().is_none_or(|(last, _)| *last != id) {
            found.push((id, Vec::new()));
        }
        let file: Option<Vec<u8>> = row.try_get(1)?;
        found.last_mut().expect("it was put there").1.extend(file.map(MessageFile));
    }
    Ok(found)
}

async fn take_over(session: &mut Object, owner: i32) -> Result<(), Fault> {
    for other in rows(&*session, sql::OUTBOX_OWNERS, &[&owner]).await? {
        let other: i32 = other.try_get(0)?;
        let sent = session.transaction().await?;
        let gone = row(&sent, sql::LOCK_OWNER, &[&LOCKS, &other]).await?;
        if gone.is_some_and(|row| row.try_get(0).unwrap_or(false)) {
            let taken = change(&sent, sql::OUTBOX_TAKE, &[&other, &owner]).await?;
            if taken > 0 {
                tracing::info!(batches = taken, "a process is gone that had entries to send; they are sent from here");
            }
        }
        sent.commit().await?;
    }
    Ok(())
}
