//! The queue backend over the spool: each method of the trait, and where it is done.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use listmill_queue_format::{Entry, EntryId, Queue};

use super::spool::Spool;
use super::watch::Watch;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State};

/// All queues as directories of message files below one path. Several processes may have them open.
pub struct DiskQueues {
    path: PathBuf,
    spools: Vec<Spool>,
    watch: OnceLock<Option<Watch>>,
    wakes: AtomicU64,
}

impl DiskQueues {
    /// Opens the spool; makes the directories that are missing, for the user of this process alone.
    ///
    /// # Errors
    /// A directory cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, QueueError> {
        let spools = Queue::ALL.into_iter().map(|queue| Spool::open(path, queue)).collect::<Result<_, _>>()?;
        Ok(DiskQueues { path: path.to_owned(), spools, watch: OnceLock::new(), wakes: AtomicU64::new(0) })
    }

    /// Where the spool is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn spool(&self, queue: Queue) -> &Spool {
        self.spools.iter().find(|spool| spool.queue == queue).expect("every queue has its directories")
    }

    /// Who claims, hears of what other processes put. Before the first scan, so that nothing falls in between.
    pub(super) fn watch(&self) {
        self.watch.get_or_init(|| Watch::begin(&self.spools));
    }

    /// How often [`wake`](QueueBackend::wake) was called.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Acquire)
    }

    fn first<T>(&self, look: impl Fn(&Spool) -> Result<Option<T>, QueueError>) -> Result<Option<T>, QueueError> {
        self.spools.iter().find_map(|spool| look(spool).transpose()).transpose()
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
        self.release_claim(claim)
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
        self.spool(queue).status()
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
        self.any(|spool| spool.remove(id))
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.spool(queue).set_paused(paused)
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.spools.iter().for_each(|spool| spool.line.news());
    }
}

impl fmt::Debug for DiskQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiskQueues({})", self.path.display())
    }
}
