//! Each queue with a backend of its own: some on this host's disk, some at a broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use listmill_queue_format::{Entry, EntryId, Queue};

use crate::error::Kind;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State};

/// Queues of which each has its own backend.
pub struct MixedQueues {
    /// In the order of [`Queue::ALL`].
    backends: Vec<Arc<dyn QueueBackend>>,
}

impl MixedQueues {
    /// `choose` says which backend carries a queue; the same one for several is given as clones of one `Arc`.
    pub fn new(choose: impl FnMut(Queue) -> Arc<dyn QueueBackend>) -> Self {
        MixedQueues { backends: Queue::ALL.into_iter().map(choose).collect() }
    }

    fn of(&self, queue: Queue) -> &dyn QueueBackend {
        let at = Queue::ALL.iter().position(|other| *other == queue).expect("every queue is one of all");
        &*self.backends[at]
    }

    /// Each backend once.
    fn each(&self) -> impl Iterator<Item = &Arc<dyn QueueBackend>> {
        let is_first = |at: usize| !self.backends[..at].iter().any(|before| Arc::ptr_eq(before, &self.backends[at]));
        self.backends.iter().enumerate().filter(move |(at, _)| is_first(*at)).map(|(_, backend)| backend)
    }
}

/// The first of them that has something to say about an entry. One that cannot look everywhere is an answer only when nobody has a better one.
pub(crate) fn first<'a, T>(
    backends: impl Iterator<Item = &'a Arc<dyn QueueBackend>>,
    nothing: T,
    is_nothing: impl Fn(&T) -> bool,
    ask: impl Fn(&dyn QueueBackend) -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    let mut blind = None;
    for backend in backends {
        match ask(&**backend) {
            Ok(answer) if is_nothing(&answer) => {}
            Err(error) if matches!(error.kind(), Kind::Unsupported) => blind = Some(error),
            answer => return answer,
        }
    }
    blind.map_or(Ok(nothing), Err)
}

impl QueueBackend for MixedQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        // The ids make harmless what was stored before another backend failed.
        for backend in self.each() {
            let is_its = |entry: &&Entry| std::ptr::addr_eq(self.of(entry.queue), Arc::as_ptr(backend));
            let its: Vec<Entry> = entries.iter().filter(is_its).cloned().collect();
            if its.len() == entries.len() {
                return backend.put(entries);
            }
            if !its.is_empty() {
                backend.put(&its)?;
            }
        }
        Ok(())
    }

    fn knows_repeats(&self) -> bool {
        self.each().all(|backend| backend.knows_repeats())
    }

    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        self.of(queue).claim(queue, wait)
    }

    fn claim_another(&self, queue: Queue) -> Result<Option<Claimed>, QueueError> {
        self.of(queue).claim_another(queue)
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.of(claim.queue()).release(claim)
    }

    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        match claims.first().map(Claim::queue) {
            Some(queue) => self.of(queue).release_all(claims),
            None => Vec::new(),
        }
    }

    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.of(claim.queue()).give_back(claim)
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        self.of(claim.queue()).defer(claim, entry)
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.of(claim.queue()).shunt(claim, why)
    }

    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        self.of(queue).status(queue)
    }

    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        self.of(queue).list(queue, state, limit)
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        first(self.each(), None, Option::is_none, |backend| backend.find(id))
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        first(self.each(), false, |done| !done, |backend| backend.retry(id))
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        first(self.each(), false, |done| !done, |backend| backend.remove(id))
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.of(queue).set_paused(queue, paused)
    }

    fn wake(&self) {
        self.each().for_each(|backend| backend.wake());
    }

    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        self.of(queue).waiting(queue, ids)
    }

    fn share(&self, queue: Queue, places: usize) {
        self.of(queue).share(queue, places);
    }

    fn leave(&self, queue: Queue) -> Result<(), QueueError> {
        self.of(queue).leave(queue)
    }
}

impl fmt::Debug for MixedQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MixedQueues({} backends)", self.each().count())
    }
}
