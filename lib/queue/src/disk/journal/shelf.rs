//! The entries of one queue that are in the journal and in memory, and in no file yet.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId, decode};

use crate::disk::line::{Line, LineState};
use crate::lineup::{Lineup, Place};
use crate::lock::lock;
use crate::{State, clock};

/// An entry for which nobody of this process has time is filed after so long.
const STALLED: Duration = Duration::from_millis(100);
/// One that only waits its turn, while others of its queue are claimed all the time, after so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that somebody works on, after so long.
const LONG_WORK: Duration = Duration::from_secs(1);
/// Who has claimed so lately, or waits, serves the queue.
const LATELY: Duration = Duration::from_secs(5);
/// So many are filed at once.
const AT_ONCE: usize = 256;

/// The entries themselves. It is locked with the [`Line`] that it is a part of.
#[derive(Debug)]
pub(in crate::disk) struct Shelf {
    entries: HashMap<EntryId, Kept>,
    pub(in crate::disk) lineup: Lineup,
    claimed: HashSet<EntryId>,
    /// Were claimed before and given back: what followed from them may be on other shelves.
    returned: HashSet<EntryId>,
    /// Octets on all shelves of this process.
    octets: Arc<AtomicUsize>,
    /// When an entry of the queue was claimed last, and when somebody began to wait for one.
    claimed_at: Option<Instant>,
    asked_at: Option<Instant>,
}

#[derive(Debug)]
struct Kept {
    place: Place,
    /// Which segment it is in.
    segment: u64,
    /// Its message file.
    bytes: Arc<Vec<u8>>,
    /// The same, until somebody claims it.
    entry: Option<Box<Entry>>,
    party: Party,
    at: At,
}

#[derive(Debug)]
enum At {
    /// On its way into the journal: nobody was told that it is stored.
    Arriving,
    Waiting,
    Claimed(Instant),
    /// Somebody writes its message file, and has its bytes; what it was before.
    Filing(State),
    /// In `cur`, in this file, locked; whoever claimed it does not know yet.
    InCur(File),
}

/// An entry that is about to become a file.
#[derive(Debug)]
pub(in crate::disk) struct Leaving {
    pub(in crate::disk) place: Place,
    pub(in crate::disk) segment: u64,
    pub(in crate::disk) bytes: Arc<Vec<u8>>,
    /// Somebody works on it.
    pub(in crate::disk) claimed: Option<Instant>,
}

/// Which entries are to become files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::disk) enum Which {
    /// Those that have waited, or been worked on, for too long.
    Due,
    /// All but those.
    All,
    /// What was claimed before and given back, and nothing else.
    Returned,
}

/// What a finished claim leaves to be done.
#[derive(Debug)]
pub(in crate::disk) enum Finished {
    /// The journal must be told: it is in this segment.
    Kept(u64),
    /// It has become a file meanwhile.
    InCur(File),
}

impl Shelf {
    pub(in crate::disk) fn new(octets: Arc<AtomicUsize>) -> Self {
        Shelf {
            entries: HashMap::new(),
            lineup: Lineup::new(usize::MAX),
            claimed: HashSet::new(),
            returned: HashSet::new(),
            octets,
            claimed_at: None,
            asked_at: None,
        }
    }

    /// Somebody claims it whose turn it is.
    pub(in crate::disk) fn claim(&mut self, place: Place) -> Option<Box<Entry>> {
        let kept = self.entries.get_mut(&place.id)?;
        let now = Instant::now();
        kept.at = At::Claimed(now);
        self.claimed_at = Some(now);
        self.claimed.insert(place.id);
        self.returned.remove(&place.id);
        Some(kept.entry.take().unwrap_or_else(|| Box::new(decode(&kept.bytes).expect("it was encoded here"))))
    }

    pub(in crate::disk) fn was_claimed(&mut self) {
        self.claimed_at = Some(Instant::now());
    }

    /// How long an entry may wait before it becomes a file.
    fn patience(&self) -> Duration {
        let stalled = self.claimed_at.is_none_or(|claimed| claimed.elapsed() >= STALLED);
        if stalled { STALLED } else { PATIENCE }
    }

    fn remove(&mut self, id: EntryId) -> Option<Kept> {
        let kept = self.entries.remove(&id)?;
        self.claimed.remove(&id);
        self.returned.remove(&id);
        self.lineup.remove(&kept.place);
        self.octets.fetch_sub(weight(&kept.bytes), Ordering::Relaxed);
        Some(kept)
    }

    fn let_go(&mut self, id: EntryId) -> Option<Leaving> {
        let kept = self.entries.get_mut(&id)?;
        let claimed = match kept.at {
            At::Waiting => None,
            At::Claimed(since) => Some(since),
            _ => return None,
        };
        kept.at = At::Filing(if claimed.is_some() { State::Claimed } else { State::New });
        self.lineup.remove(&kept.place);
        Some(Leaving { place: kept.place, segment: kept.segment, bytes: Arc::clone(&kept.bytes), claimed })
    }
}

/// The bytes, and about as much for the entry.
fn weight(bytes: &[u8]) -> usize {
    bytes.len() * 2
}

impl Line {
    /// Somebody of this process waits for entries of this queue.
    pub(in crate::disk) fn asked(&self) {
        lock(&self.state).shelf.asked_at = Some(Instant::now());
    }

    /// Whether this process serves the queue.
    pub(in crate::disk) fn is_served(&self) -> bool {
        let state = lock(&self.state);
        !state.paused && state.shelf.asked_at.is_some_and(|asked| asked.elapsed() < LATELY)
    }

    /// Makes a place for an entry that is about to be put; `false` when it is there, durably.
    pub(in crate::disk) fn reserve(&self, place: Place, entry: &Entry, bytes: &Arc<Vec<u8>>) -> bool {
        let mut state = self.settled(place.id);
        if state.shelf.entries.contains_key(&place.id) {
            return false;
        }
        state.shelf.octets.fetch_add(weight(bytes), Ordering::Relaxed);
        let (entry, party, bytes) = (Some(Box::new(entry.clone())), Party::of(entry), Arc::clone(bytes));
        state.shelf.entries.insert(place.id, Kept { place, segment: 0, bytes, entry, party, at: At::Arriving });
        true
    }

    /// Whether it is here, durably.
    pub(in crate::disk) fn keeps(&self, id: EntryId) -> bool {
        self.settled(id).shelf.entries.contains_key(&id)
    }

    /// Waits while this entry is on its way in or out.
    fn settled(&self, id: EntryId) -> MutexGuard<'_, LineState> {
        let mut state = lock(&self.state);
        while state.shelf.entries.get(&id).is_some_and(|kept| matches!(kept.at, At::Arriving | At::Filing(_))) {
            state = self.moved.wait(state, None);
        }
        state
    }

    /// It was not stored after all.
    pub(in crate::disk) fn unreserve(&self, id: EntryId) {
        lock(&self.state).shelf.remove(id);
        self.moved.ring_all();
    }

    /// These are in the journal, durably, in that segment, and can be claimed.
    pub(in crate::disk) fn shelved(&self, places: &[Place], segment: u64) {
        let mut state = lock(&self.state);
        for place in places {
            if let Some(kept) = state.shelf.entries.get_mut(&place.id) {
                (kept.at, kept.segment) = (At::Waiting, segment);
                let party = kept.party.clone();
                state.shelf.lineup.insert(*place, Some(party));
            }
        }
        self.wake(state, places.len());
        self.moved.ring_all();
    }

    /// A claim has ended, and the entry is done with.
    pub(in crate::disk) fn finish_kept(&self, id: EntryId) -> Option<Finished> {
        let mut state = self.settled(id);
        let kept = state.shelf.remove(id)?;
        let finished = match kept.at {
            At::InCur(file) => Finished::InCur(file),
            _ => Finished::Kept(kept.segment),
        };
        self.ended(state, id);
        Some(finished)
    }

    /// A claim has ended, and the entry can be claimed again; the file when it has become one meanwhile.
    pub(in crate::disk) fn put_back(&self, id: EntryId) -> Option<File> {
        let mut state = self.settled(id);
        state.shares.ended(id);
        let kept = state.shelf.entries.get_mut(&id)?;
        match std::mem::replace(&mut kept.at, At::Waiting) {
            At::InCur(file) => {
                state.shelf.remove(id);
                Some(file)
            }
            _ => {
                let (place, party) = (kept.place, kept.party.clone());
                state.shelf.claimed.remove(&id);
                state.shelf.returned.insert(id);
                state.shelf.lineup.insert(place, Some(party));
                self.wake(state, 2);
                None
            }
        }
    }

    /// Takes an entry that nobody has claimed away for good; its segment.
    pub(in crate::disk) fn take_away(&self, id: EntryId) -> Option<u64> {
        let mut state = lock(&self.state);
        let waits = state.shelf.entries.get(&id).is_some_and(|kept| matches!(kept.at, At::Waiting));
        if waits { state.shelf.remove(id).map(|kept| kept.segment) } else { None }
    }

    /// This claimed entry is about to become a file; `None` when it is no longer here, or a file already.
    pub(in crate::disk) fn leave_claimed(&self, id: EntryId) -> Option<Leaving> {
        let mut state = self.settled(id);
        state.shelf.let_go(id)
    }

    /// Some of those that are to become files now.
    ///
    /// What was claimed before and given back goes last: another process may claim it, and must find what had followed from it.
    pub(in crate::disk) fn leave(&self, which: Which) -> Vec<Leaving> {
        let mut state = lock(&self.state);
        let now = clock::now();
        let shelf = &mut state.shelf;
        let patience = shelf.patience().as_micros();
        let old = |place: &Place| u128::from(now.saturating_sub(place.micros)) >= patience;
        let mut leaving: Vec<EntryId> = Vec::new();
        for place in shelf.lineup.iter().filter(|place| which != Which::Due || old(place)) {
            if leaving.len() == AT_ONCE {
                break;
            }
            if shelf.returned.contains(&place.id) == (which == Which::Returned) {
                leaving.push(place.id);
            }
        }
        if which != Which::Returned {
            leaving.extend(shelf.claimed.iter().filter(|id| match shelf.entries.get(id).map(|kept| &kept.at) {
                Some(At::Claimed(since)) => which == Which::All || since.elapsed() >= LONG_WORK,
                _ => false,
            }));
        }
        leaving.into_iter().filter_map(|id| shelf.let_go(id)).collect()
    }

    /// Whether something waits here that was given back, and is to become a file.
    pub(in crate::disk) fn has_returned(&self, which: Which) -> bool {
        let state = lock(&self.state);
        let patience = state.shelf.patience().as_micros();
        let waited = |id| state.shelf.entries.get(id).map_or(0, |kept| clock::now().saturating_sub(kept.place.micros));
        state.shelf.returned.iter().any(|id| which != Which::Due || u128::from(waited(id)) >= patience)
    }

    /// It has become a file: in `new`, or in `cur`, with its lock.
    pub(in crate::disk) fn filed(&self, left: &Leaving, file: Option<File>) {
        let mut state = lock(&self.state);
        match file {
            Some(file) => {
                if let Some(kept) = state.shelf.entries.get_mut(&left.place.id) {
                    kept.at = At::InCur(file);
                }
                state.held.insert(left.place);
            }
            None => {
                let party = state.shelf.remove(left.place.id).map(|kept| kept.party);
                state.lineup.insert(left.place, party);
                self.wake(state, 1);
            }
        }
        self.moved.ring_all();
    }

    /// It could not become one.
    pub(in crate::disk) fn not_filed(&self, left: Leaving) {
        let mut state = lock(&self.state);
        if let Some(kept) = state.shelf.entries.get_mut(&left.place.id) {
            kept.at = left.claimed.map_or(At::Waiting, At::Claimed);
            if left.claimed.is_none() {
                let party = kept.party.clone();
                state.shelf.lineup.insert(left.place, Some(party));
            }
        }
        drop(state);
        self.moved.ring_all();
    }

    /// Nothing is here.
    pub(in crate::disk) fn is_bare(&self) -> bool {
        lock(&self.state).shelf.entries.is_empty()
    }

    /// The places of what is here in this state; what has become a file is not.
    pub(in crate::disk) fn kept(&self, state: State) -> Vec<Place> {
        let line = lock(&self.state);
        let here = line.shelf.entries.values().filter(|kept| kept.state() == Some(state));
        here.map(|kept| kept.place).collect()
    }

    /// Where it is, and its message file.
    pub(in crate::disk) fn find_kept(&self, id: EntryId) -> Option<(State, Arc<Vec<u8>>)> {
        let line = self.settled(id);
        let kept = line.shelf.entries.get(&id)?;
        Some((kept.state()?, Arc::clone(&kept.bytes)))
    }
}

impl Kept {
    fn state(&self) -> Option<State> {
        match self.at {
            At::Waiting => Some(State::New),
            At::Claimed(_) => Some(State::Claimed),
            At::Filing(was) => Some(was),
            At::Arriving | At::InCur(_) => None,
        }
    }
}
