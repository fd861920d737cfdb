//! Queues with something in front of them: what is written to such a queue waits elsewhere, until a runner of somebody else's carries it on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use listmill_queue_format::{Entry, EntryId, Queue};

use crate::error::Kind;
use crate::mixed::first;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State};

/// A backend, and for some of its queues the place in front: another backend, into whose queue of the same name everybody writes who is not
/// the queue's own reader (SPEC.md, chapter 14). Claims are made from the queue itself; looking and operators' hands reach both.
pub struct FrontedQueues {
    queues: Arc<dyn QueueBackend>,
    fronts: BTreeMap<Queue, Arc<dyn QueueBackend>>,
}

impl FrontedQueues {
    /// `fronts`: where the entries of these queues are written.
    pub fn new(queues: Arc<dyn QueueBackend>, fronts: BTreeMap<Queue, Arc<dyn QueueBackend>>) -> Self {
        FrontedQueues { queues, fronts }
    }

    /// Where this entry is written. The reader of a queue, who writes to it again (the next page, the next attempt), goes past the front:
    /// the last hop says who has written an entry.
    fn of(&self, entry: &Entry) -> &Arc<dyn QueueBackend> {
        let is_readers = entry.trace.last().is_some_and(|hop| hop.runner == entry.queue.name());
        self.fronts.get(&entry.queue).filter(|_| !is_readers).unwrap_or(&self.queues)
    }

    fn everywhere(&self) -> impl Iterator<Item = &Arc<dyn QueueBackend>> {
        std::iter::once(&self.queues).chain(self.fronts.values())
    }
}

impl QueueBackend for FrontedQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        for place in self.everywhere() {
            let its: Vec<Entry> = entries.iter().filter(|entry| Arc::ptr_eq(self.of(entry), place)).cloned().collect();
            if !its.is_empty() {
                place.put(&its)?;
            }
        }
        Ok(())
    }

    fn knows_repeats(&self) -> bool {
        self.everywhere().all(|place| place.knows_repeats())
    }

    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        self.queues.claim(queue, wait)
    }

    fn claim_another(&self, queue: Queue) -> Result<Option<Claimed>, QueueError> {
        self.queues.claim_another(queue)
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.queues.release(claim)
    }

    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        self.queues.release_all(claims)
    }

    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.queues.give_back(claim)
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        self.queues.defer(claim, entry)
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.queues.shunt(claim, why)
    }

    /// What waits in front counts as waiting.
    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        let own = self.queues.status(queue)?;
        let Some(front) = self.fronts.get(&queue).map(|front| front.status(queue)).transpose()? else { return Ok(own) };
        Ok(QueueStatus {
            depth: own.depth + front.depth,
            claimed: own.claimed + front.claimed,
            deferred: own.deferred + front.deferred,
            shunted: own.shunted + front.shunted,
            corrupt: own.corrupt + front.corrupt,
            oldest_s: own.oldest_s.max(front.oldest_s),
            ..own
        })
    }

    /// What cannot be looked into is left out, unless it is all there is.
    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let own = self.queues.list(queue, state, limit);
        let Some(front) = self.fronts.get(&queue) else { return own };
        let mut listed = match own {
            Err(error) if matches!(error.kind(), Kind::Unsupported) => return front.list(queue, state, limit),
            own => own?,
        };
        match front.list(queue, state, limit.saturating_sub(listed.len())) {
            Err(error) if matches!(error.kind(), Kind::Unsupported) => {}
            front => listed.extend(front?),
        }
        Ok(listed)
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        first(self.everywhere(), None, Option::is_none, |place| place.find(id))
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        first(self.everywhere(), false, |done| !done, |place| place.retry(id))
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        first(self.everywhere(), false, |done| !done, |place| place.remove(id))
    }

    /// The queue itself: what stands in front of it is somebody else's, and goes on.
    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.queues.set_paused(queue, paused)
    }

    fn wake(&self) {
        self.queues.wake();
    }

    /// What has gone through a runner in front is not found: that one may have given it another id.
    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        if self.fronts.contains_key(&queue) { Ok(None) } else { self.queues.waiting(queue, ids) }
    }

    fn share(&self, queue: Queue, places: usize) {
        self.queues.share(queue, places);
    }

    fn leave(&self, queue: Queue) -> Result<(), QueueError> {
        self.queues.leave(queue)
    }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::{Envelope, Hop, Timestamp};

    use super::*;
    use crate::MemoryQueues;

    fn entry(chance: u8, last: &str) -> Entry {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]);
        let mut entry = Entry::arrived(id, Timestamp::UNIX_EPOCH, Envelope::default(), b"x".as_slice().into());
        entry.queue = Queue::Pending;
        let (host, at) = (String::new(), Timestamp::UNIX_EPOCH);
        let (runner, disposition) = (last.to_owned(), "forward".to_owned());
        entry.trace = vec![Hop { runner, host, at, disposition, reason: String::new(), other: Default::default() }];
        entry
    }

    #[test]
    fn all_but_the_reader_write_in_front_and_operators_see_both() {
        let (own, front) = (Arc::new(MemoryQueues::default()), Arc::new(MemoryQueues::default()));
        let fronts = BTreeMap::from([(Queue::Pending, Arc::clone(&front) as Arc<dyn QueueBackend>)]);
        let queues = FrontedQueues::new(Arc::clone(&own) as Arc<dyn QueueBackend>, fronts);
        let other = Entry { queue: Queue::Auth, ..entry(3, "inbound") };
        queues.put(&[entry(1, "moderation"), entry(2, "pending"), other.clone()]).unwrap();
        assert_eq!(front.status(Queue::Pending).unwrap().depth, 1);
        assert_eq!(own.status(Queue::Pending).unwrap().depth, 1);
        assert_eq!((own.status(Queue::Auth).unwrap().depth, front.status(Queue::Auth).unwrap().depth), (1, 0));
        assert_eq!(queues.status(Queue::Pending).unwrap().depth, 2);
        assert_eq!(queues.list(Queue::Pending, State::New, 9).unwrap().len(), 2);
        assert_eq!(queues.find(entry(1, "").id).unwrap().unwrap().queue, Queue::Pending);
        let claimed = queues.claim(Queue::Pending, Duration::ZERO).unwrap().unwrap();
        assert_eq!(claimed.entry.id, entry(2, "").id);
        assert!(
            queues.claim(Queue::Pending, Duration::ZERO).unwrap().is_none(),
            "what is in front is not its reader's"
        );
        assert!(queues.remove(entry(1, "").id).unwrap());
        assert_eq!(front.status(Queue::Pending).unwrap().depth, 0);
    }

    /// As a broker does: nobody looks into what waits there, and a repeat is not recognised.
    struct Blind(MemoryQueues);

    fn unsupported<T>() -> Result<T, QueueError> {
        Err(QueueError::new("look into", "a broker", Kind::Unsupported))
    }

    impl QueueBackend for Blind {
        fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
            self.0.put(entries)
        }
        fn knows_repeats(&self) -> bool {
            false
        }
        fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
            self.0.claim(queue, wait)
        }
        fn release(&self, claim: Claim) -> Result<(), QueueError> {
            self.0.release(claim)
        }
        fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
            self.0.give_back(claim)
        }
        fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
            self.0.defer(claim, entry)
        }
        fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
            self.0.shunt(claim, why)
        }
        fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
            self.0.status(queue)
        }
        fn list(&self, _: Queue, _: State, _: usize) -> Result<Vec<Listed>, QueueError> {
            unsupported()
        }
        fn find(&self, _: EntryId) -> Result<Option<Found>, QueueError> {
            unsupported()
        }
        fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
            self.0.retry(id)
        }
        fn remove(&self, _: EntryId) -> Result<bool, QueueError> {
            unsupported()
        }
        fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
            self.0.set_paused(queue, paused)
        }
        fn wake(&self) {
            self.0.wake();
        }
    }

    #[test]
    fn what_is_in_front_of_a_broker_is_found() {
        let front = Arc::new(MemoryQueues::default());
        let fronts = BTreeMap::from([(Queue::Pending, Arc::clone(&front) as Arc<dyn QueueBackend>)]);
        let queues = FrontedQueues::new(Arc::new(Blind(MemoryQueues::default())), fronts);
        queues.put(&[entry(1, "moderation"), entry(2, "pending")]).unwrap();
        assert!(!queues.knows_repeats());
        let listed = queues.list(Queue::Pending, State::New, 9).unwrap();
        assert_eq!(listed.len(), 1);
        assert!(queues.list(Queue::Auth, State::New, 9).is_err(), "nothing is in front of this one");
        assert!(queues.find(entry(1, "").id).unwrap().is_some());
        let error = queues.find(entry(2, "").id).unwrap_err();
        assert!(matches!(error.kind(), Kind::Unsupported), "nobody can say that it is not there: {error}");
        assert!(queues.remove(entry(1, "").id).unwrap());
        assert_eq!(front.status(Queue::Pending).unwrap().depth, 0);
    }
}
