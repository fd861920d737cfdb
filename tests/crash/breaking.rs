//! Backends around the real ones, which fail or die at one call that is counted across both.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Commit, CommitError, Committed, Decision, HeldId,
    HeldPost, List, ListAddress, Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, StoreView,
    Timestamp, Trust, Unavailable,
};
use listmill_queue::{
    Claim, Claimed, DiskQueues, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State,
};
use listmill_queue_format::{Entry, EntryId, Queue};
use listmill_store::{Store, StoreFigures};

/// What happens at the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing is done, and the caller is told so.
    FailsBefore,
    /// It is done, and the caller is told that it is not: the connection was lost.
    FailsAfter,
    /// The process is killed before the call.
    DiesBefore,
    /// The process is killed right after the call.
    DiesAfter,
    /// The backend has a fault of its own.
    Panics,
    /// It is only slow: something else comes before it.
    IsLate,
}

impl Fate {
    /// What must do no harm.
    pub(crate) const ALL: [Fate; 4] = [Fate::FailsBefore, Fate::FailsAfter, Fate::DiesBefore, Fate::DiesAfter];
}

/// The process was killed: what unwinds drops its claims and does nothing else.
pub(crate) struct Killed;

/// One call that goes wrong.
pub(crate) struct Hazard {
    at: usize,
    fate: Fate,
    meanwhile: Box<dyn Fn() + Send + Sync>,
    calls: AtomicUsize,
    dead: AtomicBool,
    struck: Mutex<Option<&'static str>>,
}

impl Hazard {
    /// At the call of this number, counting from 0.
    pub(crate) fn new(fate: Fate, at: usize) -> Arc<Hazard> {
        Hazard::with(fate, at, || ())
    }

    /// This comes before the call of this number.
    pub(crate) fn late(at: usize, meanwhile: impl Fn() + Send + Sync + 'static) -> Arc<Hazard> {
        Hazard::with(Fate::IsLate, at, meanwhile)
    }

    fn with(fate: Fate, at: usize, meanwhile: impl Fn() + Send + Sync + 'static) -> Arc<Hazard> {
        let (calls, dead, struck) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::default());
        Arc::new(Hazard { at, fate, meanwhile: Box::new(meanwhile), calls, dead, struck })
    }

    /// Which call went wrong; none when there were not as many.
    pub(crate) fn struck(&self) -> Option<&'static str> {
        *self.struck.lock().unwrap()
    }

    fn call<T, E>(
        &self,
        name: &'static str,
        error: impl FnOnce() -> E,
        act: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.dead.load(Ordering::SeqCst) {
            self.die();
        }
        if self.calls.fetch_add(1, Ordering::SeqCst) != self.at {
            return act();
        }
        *self.struck.lock().unwrap() = Some(name);
        match self.fate {
            Fate::FailsBefore => Err(error()),
            Fate::FailsAfter => act().and_then(|_| Err(error())),
            Fate::DiesBefore => self.die(),
            Fate::DiesAfter => act().and_then(|_| self.die()),
            Fate::Panics => panic!("a fault in {name}"),
            Fate::IsLate => {
                (self.meanwhile)();
                act()
            }
        }
    }

    fn die(&self) -> ! {
        self.dead.store(true, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new(Killed));
    }
}

/// A backend that meets a hazard.
pub(crate) struct Breaking<T> {
    pub(crate) inner: T,
    pub(crate) hazard: Arc<Hazard>,
}

/// An error as a disk gives it: there is a file where a directory should be.
pub(crate) fn no_disk() -> QueueError {
    let file = tempfile::NamedTempFile::new().unwrap();
    DiskQueues::open(file.path()).expect_err("a file is no spool")
}

impl QueueBackend for Breaking<Arc<dyn QueueBackend>> {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        self.hazard.call("put", no_disk, || self.inner.put(entries))
    }
    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        self.inner.claim(queue, wait)
    }
    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.hazard.call("release", no_disk, || self.inner.release(claim))
    }
    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        let count = claims.len();
        let released = self.hazard.call("release", no_disk, || Ok(self.inner.release_all(claims)));
        released.unwrap_or_else(|_| (0..count).map(|_| Err(no_disk())).collect())
    }
    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.hazard.call("give_back", no_disk, || self.inner.give_back(claim))
    }
    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        self.hazard.call("defer", no_disk, || self.inner.defer(claim, entry))
    }
    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.hazard.call("shunt", no_disk, || self.inner.shunt(claim, why))
    }
    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        self.inner.status(queue)
    }
    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        self.inner.list(queue, state, limit)
    }
    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        self.inner.find(id)
    }
    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        self.inner.retry(id)
    }
    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        self.inner.remove(id)
    }
    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.inner.set_paused(queue, paused)
    }
    fn wake(&self) {
        self.inner.wake();
    }
}

fn unavailable() -> Unavailable {
    Unavailable { reason: "a test says so".to_owned() }
}

impl Store for Breaking<Arc<dyn Store>> {
    fn commit(&self, commit: &Commit) -> Result<Committed, CommitError> {
        self.hazard.call("commit", || unavailable().into(), || self.inner.commit(commit))
    }
    fn commit_all(&self, commits: &[Commit]) -> Vec<Result<Committed, CommitError>> {
        let committed = self.hazard.call("commit", || (), || Ok(self.inner.commit_all(commits)));
        committed.unwrap_or_else(|()| commits.iter().map(|_| Err(unavailable().into())).collect())
    }
    fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        self.inner.applied(id)
    }
    fn outbox_done(&self, id: EntryId) -> Result<(), Unavailable> {
        self.hazard.call("outbox_done", unavailable, || self.inner.outbox_done(id))
    }
    fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        self.inner.outbox(limit)
    }
    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        self.inner.figures()
    }
}

impl StoreView for Breaking<Arc<dyn Store>> {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        self.inner.list(list)
    }
    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        self.inner.lists(after, limit)
    }
    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        self.inner.member(list, address)
    }
    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        self.inner.roster(list, after, limit)
    }
    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        self.inner.member_count(list)
    }
    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        self.inner.staff(list, role)
    }
    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.inner.held(list, after, limit)
    }
    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        self.inner.held_entry(list, id)
    }
    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        self.inner.held_by_entry(list, entry)
    }
    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.inner.lapsed(at, limit)
    }
    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        self.inner.decision(list, id)
    }
    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable> {
        self.inner.decisions(list, after, limit)
    }
    fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        self.inner.request(list, kind, address)
    }
    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        self.inner.request_by_handle(list, handle)
    }
    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        self.inner.spent(address, trust, at)
    }
    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        self.inner.bounces(list, address)
    }

    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        self.inner.bounces_due(at, limit)
    }

    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        self.inner.bounce_tally(list, name)
    }

    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        self.inner.bounce_tallies(list, after, limit)
    }

    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        self.inner.banned(list, address)
    }
    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        self.inner.bans(scope)
    }
    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        self.inner.signing_keys()
    }
    fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        self.inner.audit(after, limit)
    }
}
