//! The memory backend, for tests: what the others promise, without a disk, and nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId, Queue, decode, decode_head, encode};

use crate::backend::Hold;
use crate::error::Kind;
use crate::lineup::{Lineup, Place, Turn};
use crate::lock::{lock, wait};
use crate::shares::Shares;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State, clock};

/// All queues in the memory of this process.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueues {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    shelves: Mutex<Shelves>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shelves {
    queues: BTreeMap<Queue, Shelf>,
    wakes: u64,
}

/// One queue.
#[derive(Debug)]
struct Shelf {
    entries: HashMap<EntryId, Stored>,
    lineup: Lineup,
    shares: Shares,
    claims: u64,
    paused: bool,
}

/// One entry: its message file, so that what a reader gets has been through the format as with any other backend.
#[derive(Debug)]
struct Stored {
    place: Place,
    party: Party,
    state: State,
    bytes: Vec<u8>,
    why: Option<ShuntReason>,
}

/// A claimed entry.
pub(crate) struct MemoryHold {
    shared: Arc<Shared>,
    queue: Queue,
    id: EntryId,
    finished: bool,
}

impl Drop for MemoryHold {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.change(|shelves| {
                let shelf = shelves.queue(self.queue);
                shelf.shares.ended(self.id);
                shelf.make_claimable(self.id, None);
            });
        }
    }
}

impl MemoryQueues {
    /// Empty queues.
    pub fn new() -> Self {
        MemoryQueues::default()
    }

    fn shelves<T>(&self, look: impl FnOnce(&mut Shelves) -> T) -> T {
        look(&mut lock(&self.shared.shelves))
    }

    /// Ends a claim and does the rest under the same lock.
    fn finish(&self, claim: Claim, finish: impl FnOnce(&mut Shelf, EntryId)) -> Result<(), QueueError> {
        match claim.hold {
            Hold::Memory(mut hold) if Arc::ptr_eq(&hold.shared, &self.shared) => {
                hold.finished = true;
                self.shared.change(|shelves| {
                    let shelf = shelves.queue(hold.queue);
                    shelf.shares.ended(hold.id);
                    finish(shelf, hold.id);
                });
                Ok(())
            }
            _ => Err(QueueError::new("finish", claim.id, Kind::Misuse("the claim is of another queue backend"))),
        }
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Shelves) -> T) -> T {
        let changed = change(&mut lock(&self.shelves));
        self.changed.notify_all();
        changed
    }
}

impl Shelves {
    fn queue(&mut self, queue: Queue) -> &mut Shelf {
        self.queues.entry(queue).or_insert_with(|| Shelf {
            entries: HashMap::new(),
            lineup: Lineup::new(usize::MAX),
            shares: Shares::default(),
            claims: 0,
            paused: false,
        })
    }

    fn shelf_with(&mut self, id: EntryId) -> Option<(Queue, &mut Shelf)> {
        let (queue, shelf) = self.queues.iter_mut().find(|(_, shelf)| shelf.entries.contains_key(&id))?;
        Some((*queue, shelf))
    }
}

impl Shelf {
    fn store(&mut self, entry: &Entry, bytes: Vec<u8>) {
        let (state, place) = Place::of(entry);
        let party = Party::of(entry);
        if state == State::New {
            self.lineup.insert(place, Some(party.clone()));
        }
        self.entries.insert(entry.id, Stored { place, party, state, bytes, why: None });
    }

    /// At its old place, or at that of `micros`.
    fn make_claimable(&mut self, id: EntryId, micros: Option<u64>) {
        if let Some(stored) = self.entries.get_mut(&id) {
            stored.state = State::New;
            stored.why = None;
            stored.place.micros = micros.unwrap_or(stored.place.micros);
            self.lineup.insert(stored.place, Some(stored.party.clone()));
        }
    }

    fn move_due(&mut self) {
        let now = clock::now();
        let is_due = |stored: &&Stored| stored.state == State::Deferred && stored.place.micros <= now;
        let due: Vec<EntryId> = self.entries.values().filter(is_due).map(|stored| stored.place.id).collect();
        due.into_iter().for_each(|id| self.make_claimable(id, None));
    }

    /// For how long there is nothing to move.
    fn next_due(&self) -> Option<Duration> {
        let deferred = self.entries.values().filter(|stored| stored.state == State::Deferred);
        let first = deferred.map(|stored| stored.place.micros).min()?;
        Some(Duration::from_micros(first.saturating_sub(clock::now()) + 1))
    }

    fn claim(&mut self) -> Option<(EntryId, Entry)> {
        self.move_due();
        let Turn::Of(place) = self.lineup.next(self.claims, &self.shares) else { return None };
        self.claims += 1;
        let stored = self.entries.get_mut(&place.id).expect("who has a place in the lineup is stored");
        stored.state = State::Claimed;
        self.shares.took(place.id, stored.party.clone());
        Some((place.id, decode(&stored.bytes).expect("it was encoded here")))
    }

    fn in_state(&self, state: State) -> Vec<&Stored> {
        let mut stored: Vec<&Stored> = self.entries.values().filter(|stored| stored.state == state).collect();
        stored.sort_by_key(|stored| (if state == State::Deferred { 0 } else { stored.place.rank }, stored.place));
        stored
    }

    fn status(&self, queue: Queue) -> QueueStatus {
        let count = |state| self.entries.values().filter(|stored| stored.state == state).count() as u64;
        let here = self.entries.values().filter(|stored| matches!(stored.state, State::New | State::Claimed));
        let oldest = here.map(|stored| stored.place.micros).min();
        QueueStatus {
            queue,
            depth: count(State::New) + count(State::Claimed),
            claimed: count(State::Claimed),
            deferred: count(State::Deferred),
            shunted: count(State::Shunted),
            corrupt: 0,
            oldest_s: oldest.map(|oldest| clock::now().saturating_sub(oldest) / 1_000_000),
            unsent: 0,
            paused: self.paused,
        }
    }
}

impl QueueBackend for MemoryQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        let encoded = |entry| encode(entry).map_err(|error| QueueError::new("encode", entry.id, error));
        let encoded: Vec<Vec<u8>> = entries.iter().map(encoded).collect::<Result<_, _>>()?;
        self.shared.change(|shelves| {
            for (entry, bytes) in entries.iter().zip(encoded) {
                let shelf = shelves.queue(entry.queue);
                if !shelf.entries.contains_key(&entry.id) {
                    shelf.store(entry, bytes);
                }
            }
        });
        Ok(())
    }

    fn claim(&self, queue: Queue, within: Duration) -> Result<Option<Claimed>, QueueError> {
        let until = Instant::now().checked_add(within);
        let mut shelves = lock(&self.shared.shelves);
        let wakes = shelves.wakes;
        loop {
            let shelf = shelves.queue(queue);
            if !shelf.paused
                && let Some((id, entry)) = shelf.claim()
            {
                let hold = MemoryHold { shared: Arc::clone(&self.shared), queue, id, finished: false };
                return Ok(Some(Claimed { entry, claim: Claim { queue, id, hold: Hold::Memory(hold) } }));
            }
            let due = if shelf.paused { None } else { shelf.next_due().map(|due| Instant::now() + due) };
            if shelves.wakes != wakes || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
            shelves = wait(&self.shared.changed, shelves, due.into_iter().chain(until).min());
        }
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.finish(claim, |shelf, id| {
            shelf.entries.remove(&id);
        })
    }

    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.finish(claim, |shelf, id| shelf.make_claimable(id, None))
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        if entry.id != claim.id || entry.queue != claim.queue {
            let what = "the entry that replaces a claimed one must have its id and queue";
            return Err(QueueError::new("defer", claim.id, Kind::Misuse(what)));
        }
        let bytes = encode(entry).map_err(|error| QueueError::new("encode", entry.id, error))?;
        self.finish(claim, |shelf, _| shelf.store(entry, bytes))
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.finish(claim, |shelf, id| {
            if let Some(stored) = shelf.entries.get_mut(&id) {
                stored.state = State::Shunted;
                stored.why = Some(why.clone());
            }
        })
    }

    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        Ok(self.shelves(|shelves| shelves.queue(queue).status(queue)))
    }

    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let listed = |stored: &Stored| Listed {
            entry: decode_head(&stored.bytes).ok().map(Box::new),
            name: stored.place.id.to_string(),
            bytes: stored.bytes.len() as u64,
            at: clock::timestamp(stored.place.micros),
            why: stored.why.as_ref().map(|why| why.reason.clone()),
        };
        Ok(self.shelves(|shelves| shelves.queue(queue).in_state(state).into_iter().take(limit).map(listed).collect()))
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        let found = |(queue, shelf): (Queue, &mut Shelf)| {
            let stored = &shelf.entries[&id];
            Found { queue, state: stored.state, bytes: stored.bytes.clone(), why: stored.why.clone() }
        };
        Ok(self.shelves(|shelves| shelves.shelf_with(id).map(found)))
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        Ok(self.shared.change(|shelves| {
            let Some((_, shelf)) = shelves.shelf_with(id) else { return false };
            let stands_aside = matches!(shelf.entries[&id].state, State::Shunted | State::Deferred);
            if stands_aside {
                shelf.make_claimable(id, Some(clock::next()));
            }
            stands_aside
        }))
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        Ok(self.shared.change(|shelves| {
            let Some((_, shelf)) = shelves.shelf_with(id) else { return false };
            if shelf.entries[&id].state == State::Claimed {
                return false;
            }
            let stored = shelf.entries.remove(&id);
            stored.inspect(|stored| shelf.lineup.remove(&stored.place)).is_some()
        }))
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.shared.change(|shelves| shelves.queue(queue).paused = paused);
        Ok(())
    }

    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        Ok(Some(self.shelves(|shelves| {
            let shelf = shelves.queue(queue);
            let waits = |stored: &Stored| matches!(stored.state, State::New | State::Claimed);
            ids.iter().copied().filter(|id| shelf.entries.get(id).is_some_and(waits)).collect()
        })))
    }

    fn share(&self, queue: Queue, places: usize) {
        self.shared.change(|shelves| shelves.queue(queue).shares.set_places(places));
    }

    fn wake(&self) {
        self.shared.change(|shelves| shelves.wakes += 1);
    }
}
