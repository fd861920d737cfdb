//! A batch of changes: recorded as applied, applied, written down, and its outgoing entries kept, in one transaction.
//!
//! Its id goes in first. Whoever comes with the same id waits for that, and then finds it applied: so the answer that was lost on the way is
//! had by asking again.

use std::sync::atomic::{AtomicU32, Ordering};

use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::SignedDuration;
use listmill_core::{AuditRecord, Commit, Committed, MessageFile};
use listmill_queue_format::EntryId;

use super::apply::Application;
use super::fault::Fault;
use super::session::{change, json, rows};
use super::sql;
use super::tidy::before;
use super::types::{Id, Moment};

/// For so long an id stays known: nobody commits a batch again that is a month old.
const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// One commit in so many looks for ids that are older.
const EVERY: u32 = 64;

/// How many commits this process has made.
#[derive(Debug, Default)]
pub(super) struct Commits(AtomicU32);

impl Commits {
    fn is_time_to_prune(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY)
    }
}

/// Commits a batch once; `owner` is the process that is to send its outgoing entries.
pub(super) async fn commit(
    session: &mut Object,
    owner: i32,
    commit: &Commit,
    commits: &Commits,
) -> Result<Committed, Fault> {
    let sent = session.transaction().await?;
    match apply(&sent, owner, commit, commits).await {
        Ok(true) => {
            sent.commit().await?;
            Ok(Committed::Now)
        }
        Ok(false) => {
            let left = applied(&sent, commit.id).await?;
            sent.rollback().await?;
            Ok(Committed::Before(left.unwrap_or_default()))
        }
        Err(fault) => {
            if matches!(fault, Fault::Refused(_) | Fault::Collided(_)) {
                sent.rollback().await?;
            }
            Err(fault)
        }
    }
}

/// What is still in the outbox of a batch, if it was applied.
pub(super) async fn applied(client: &impl GenericClient, id: EntryId) -> Result<Option<Vec<MessageFile>>, Fault> {
    let found = rows(client, sql::APPLIED, &[&Id(id)]).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut files = Vec::with_capacity(found.len());
    for row in &found {
        files.extend(row.try_get::<_, Option<Vec<u8>>>(0)?.map(MessageFile));
    }
    Ok(Some(files))
}

/// Applies a batch inside a transaction; false when it was applied before.
async fn apply(sent: &Transaction<'_>, owner: i32, commit: &Commit, commits: &Commits) -> Result<bool, Fault> {
    if change(sent, sql::APPLY, &[&Id(commit.id), &Moment(commit.at)]).await? == 0 {
        return Ok(false);
    }
    let mut application = Application::new(sent, commit.at);
    for change in &commit.changes {
        application.apply(change).await?;
    }
    application.finish().await?;
    keep_outgoing(sent, owner, commit.id, &commit.outgoing).await?;
    // What goes by itself is nobody's deed; where nothing changes there is nothing to record either.
    if commit.changes.iter().any(|change| !change.is_bookkeeping()) {
        change(sent, sql::AUDIT_ADD, &[&json(audit_record(commit))]).await?;
    }
    if commits.is_time_to_prune() {
        change(sent, sql::PRUNE, &[&before(commit.at, KEEP)]).await?;
    }
    Ok(true)
}

/// Keeps outgoing entries until `owner` has sent them.
pub(super) async fn keep_outgoing(
    sent: &Transaction<'_>,
    owner: i32,
    id: EntryId,
    outgoing: &[MessageFile],
) -> Result<(), Fault> {
    if outgoing.is_empty() {
        return Ok(());
    }
    change(sent, sql::OUTBOX_ADD, &[&Id(id), &owner]).await?;
    for (ordinal, file) in (0_i32..).zip(outgoing) {
        change(sent, sql::OUTBOX_ADD_FILE, &[&Id(id), &ordinal, &file.0]).await?;
    }
    Ok(())
}

fn audit_record(commit: &Commit) -> AuditRecord {
    AuditRecord {
        at: commit.at,
        by: commit.by.clone(),
        why: commit.why.clone(),
        entry: commit.id,
        what: commit.changes.iter().map(ToString::to_string).collect(),
    }
}
