//! The queue backend over the spool: each method of the trait, and where it is done.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_queue_format::{Entry, EntryId, Queue};

use super::journal::filer;
use super::journal::shelf::Which;
use super::shared::Shared;
use super::spool::Spool;
use super::watch::Watch;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State};

/// All queues as directories of message files below one path. Several processes may have them open.
pub struct DiskQueues {
    pub(super) shared: Arc<Shared>,
    /// The thread that makes files of what is in the journal, from the first entry there on.
    filer: OnceLock<Option<JoinHandle<()>>>,
    watch: OnceLock<Option<Watch>>,
    wakes: AtomicU64,
}

impl DiskQueues {
    /// Opens the spool; makes the directories that are missing, for the user of this process alone.
    ///
    /// # Errors
    /// A directory cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, QueueError> {
        let shared = Arc::new(Shared::open(path)?);
        Ok(DiskQueues { shared, filer: OnceLock::new(), watch: OnceLock::new(), wakes: AtomicU64::new(0) })
    }

    /// Where the spool is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    pub(super) fn spool(&self, queue: Queue) -> &Spool {
        self.shared.spool(queue)
    }

    /// Who claims, hears of what other processes put. Before the first scan, so that nothing falls in between.
    pub(super) fn watch(&self) {
        self.watch.get_or_init(|| Watch::begin(&self.shared.spools));
    }

    /// Somebody files what stays in the journal; `false` when the system gives no thread, and then nothing goes in.
    pub(super) fn has_filer(&self) -> bool {
        let start = || {
            filer::start(&self.shared)
                .inspect_err(|error| tracing::warn!(%error, "there is no thread for the journal: it is not used"))
                .ok()
        };
        self.filer.get_or_init(start).is_some()
    }

    /// How often [`wake`](QueueBackend::wake) was called.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Acquire)
    }

    fn first<T>(&self, look: impl Fn(&Spool) -> Result<Option<T>, QueueError>) -> Result<Option<T>, QueueError> {
        self.shared.spools.iter().find_map(|spool| look(spool).transpose()).transpose()
    }

    fn any(&self, act: impl Fn(&Spool) -> Result<bool, QueueError>) -> Result<bool, QueueError> {
        self.first(|spool| Ok(act(spool)?.then_some(()))).map(|done| done.is_some())
    }
}

impl QueueBackend for DiskQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        self.put_all(entries)
    }

    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        self.claim_within(queue, wait)
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.release_claims(vec![claim]).pop().unwrap_or(Ok(()))
    }

    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        self.release_claims(claims)
    }

    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.give_back_claim(claim)
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        self.defer_claim(claim, entry)
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.shunt_claim(claim, why)
    }

    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        self.spool(queue).status(&self.shared)
    }

    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        self.spool(queue).list(state, limit)
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        self.first(|spool| spool.find(id))
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        self.any(|spool| spool.retry(id))
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        self.any(|spool| self.remove_from(spool, id))
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.spool(queue).set_paused(paused)
    }

    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        let spool = self.spool(queue);
        let mut waiting = Vec::new();
        for id in ids {
            if spool.waits(*id)? {
                waiting.push(*id);
            }
        }
        Ok(Some(waiting))
    }

    fn share(&self, queue: Queue, places: usize) {
        self.spool(queue).line.share(places);
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.shared.spools.iter().for_each(|spool| spool.line.news());
    }
}

impl Drop for DiskQueues {
    /// Whatever is in the journal becomes files.
    fn drop(&mut self) {
        self.shared.rouser.end();
        if let Some(Some(filer)) = self.filer.take()
            && filer.join().is_err()
        {
            tracing::error!("the thread of the journal ended by a panic");
        }
        self.shared.file(Which::All);
        if let Err(error) = self.shared.log.close() {
            tracing::error!(%error, "the journal cannot be removed: who opens the spool next reads it");
        }
    }
}

impl fmt::Debug for DiskQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskQueues({})", self.path().display())
    }
}
