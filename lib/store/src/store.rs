//! What every store can do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use listmill_core::{Commit, CommitError, Committed, Directory, MessageFile, NoStore, StoreView, Unavailable};
use listmill_queue_format::EntryId;
use serde::{Deserialize, Serialize};

/// A store that lets one of several batches wait for so long, in vain, is not asked for the others.
const PATIENCE: Duration = Duration::from_secs(1);

/// The store, as the shell and the administration commands use it: a [`StoreView`] that can be written.
pub trait Store: StoreView + Send + Sync {
    /// Applies a batch of changes, whole or not at all; it is durable when this returns.
    ///
    /// With the changes the batch's id is recorded as applied, its outgoing entries are kept in the outbox, and one record
    /// is added to the audit log. The same id again changes nothing: [`Committed::Before`] has what is still in the outbox.
    ///
    /// # Errors
    /// [`CommitError::Refused`] when a precondition fails, [`CommitError::Unavailable`] when the store cannot be written now.
    /// Nothing was applied then. (After a lost connection or a failed disk it may have been: the same id again tells.)
    fn commit(&self, commit: &Commit) -> Result<Committed, CommitError>;

    /// Applies these batches one after the other, each whole or not at all and for itself: what came of each, in their order. Where that is
    /// cheaper they become durable together.
    fn commit_all(&self, commits: &[Commit]) -> Vec<Result<Committed, CommitError>> {
        let mut away = None;
        let commit = |commit: &Commit| {
            if let Some(reason) = &away {
                return Err(CommitError::Unavailable(String::clone(reason)));
            }
            let asked = Instant::now();
            self.commit(commit).inspect_err(|error| {
                // Each would wait as long as this one has.
                if let (CommitError::Unavailable(reason), true) = (error, asked.elapsed() > PATIENCE) {
                    away = Some(reason.clone());
                }
            })
        };
        commits.iter().map(commit).collect()
    }

    /// Was the batch of this id applied once? Then it is durable, and this is what is still in the outbox: who decides again about an
    /// entry that was carried out, and now finds nothing to change, must not act upon that.
    ///
    /// # Errors
    /// The store cannot be read now.
    fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable>;

    /// Forgets the outgoing entries of a batch, because they are written elsewhere. The id stays known as applied. It need not be
    /// durable when this returns: what comes back after a power cut is sent again under the same ids.
    ///
    /// # Errors
    /// The store cannot be written now; calling it again is harmless.
    fn outbox_done(&self, id: EntryId) -> Result<(), Unavailable>;

    /// What a crash left in the outbox, oldest first: the ids of at most `limit` batches with their outgoing entries.
    ///
    /// # Errors
    /// The store cannot be read now.
    fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable>;

    /// Which lists there are, and how large a post each takes, as of now: from memory. None where it is not kept there; then the view
    /// has it.
    fn directory(&self) -> Option<Arc<Directory>> {
        None
    }

    /// The same, where it can be said without waiting for anything.
    fn directory_at_once(&self) -> Option<Arc<Directory>> {
        None
    }

    /// What the store holds, for `status` and `check`.
    ///
    /// # Errors
    /// The store cannot be read now.
    fn figures(&self) -> Result<StoreFigures, Unavailable>;
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFigures {
    /// Which backend: `sled`.
    pub backend: String,
    /// Where it lies.
    pub location: String,
    /// Lists.
    pub lists: u64,
    /// People on rosters, counted once for each list that they are on.
    pub people: u64,
    /// Held posts.
    pub held: u64,
    /// Requests that wait for a confirmation.
    pub requests: u64,
    /// Batches whose outgoing entries are still in the outbox.
    pub outbox: u64,
    /// Octets on disk.
    pub disk_bytes: u64,
    /// Octets of memory that the store's cache may take.
    pub cache_bytes: u64,
}

/// For a process that works without a store.
impl Store for NoStore {
    fn commit(&self, _: &Commit) -> Result<Committed, CommitError> {
        Err(NoStore.unavailable().into())
    }

    fn applied(&self, _: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        Err(NoStore.unavailable())
    }

    fn outbox_done(&self, _: EntryId) -> Result<(), Unavailable> {
        Err(NoStore.unavailable())
    }

    fn outbox(&self, _: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        Err(NoStore.unavailable())
    }

    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        Err(NoStore.unavailable())
    }
}
