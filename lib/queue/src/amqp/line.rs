//! What the broker has handed to this process from one queue, and whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use lapin::Acker;
use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId, Priority, Queue};

use super::fault::Fault;
use super::names;
use crate::lineup::{Lineup, Place, Turn};
use crate::lock::{lock, wait};
use crate::shares::Shares;

/// The entries of one queue that this process holds unacknowledged: those that wait for a claim here, and those in hand.
pub(super) struct Line {
    pub(super) queue: Queue,
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    held: HashMap<Place, Held>,
    lineup: Lineup,
    shares: Shares,
    in_hand: HashMap<Place, u64>,
    claims: u64,
    /// Of which channel all of them are, counted by the task that consumes.
    session: u64,
    /// What the broker had for us when we began has arrived, so that the most urgent can be told.
    settled: bool,
    paused: bool,
    /// Changes with each decision of this process about `paused`.
    decisions: u64,
    wakes: u64,
    last_claim: Instant,
}

/// An entry that is unacknowledged.
pub(super) struct Held {
    pub(super) entry: Entry,
    pub(super) acker: Acker,
    pub(super) session: u64,
}

/// A claimed entry.
pub(crate) struct AmqpHold {
    pub(super) line: Arc<Line>,
    pub(super) place: Place,
    /// None when it is finished.
    pub(super) held: Option<Box<Held>>,
}

/// What came of looking for an entry until a certain moment.
pub(super) enum Got {
    Entry(Box<Entry>, AmqpHold),
    /// Woken, for shutdown.
    Woken,
    /// The time is over.
    Nothing,
}

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) held: u64,
    pub(super) in_hand: u64,
    /// When the oldest was written, in microseconds since 1970.
    pub(super) oldest: Option<u64>,
}

impl Line {
    pub(super) fn new(queue: Queue) -> Self {
        let inner = Inner {
            held: HashMap::new(),
            lineup: Lineup::new(usize::MAX),
            shares: Shares::default(),
            in_hand: HashMap::new(),
            claims: 0,
            session: 0,
            settled: false,
            paused: false,
            decisions: 0,
            wakes: 0,
            last_claim: Instant::now(),
        };
        Line { queue, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// A mark of this moment: a wake after it ends a [`next`](Self::next) that was given it.
    pub(super) fn wakes(&self) -> u64 {
        self.lock().wakes
    }

    /// The entry whose turn it is; waits for one until `until`.
    pub(super) fn next(self: &Arc<Self>, wakes: u64, until: Option<Instant>) -> Got {
        let mut inner = self.lock();
        inner.last_claim = Instant::now();
        loop {
            if let Some((place, held)) = inner.take() {
                let entry = Box::new(held.entry.clone());
                return Got::Entry(entry, AmqpHold { line: Arc::clone(self), place, held: Some(Box::new(held)) });
            }
            if inner.wakes != wakes {
                return Got::Woken;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Got::Nothing;
            }
            inner = wait(&self.changed, inner, until);
        }
    }

    /// Ends every wait.
    pub(super) fn wake(&self) {
        self.lock().wakes += 1;
        self.changed.notify_all();
    }

    /// A new channel: what was held went back to the broker with the old one.
    pub(super) fn begin(&self, session: u64) {
        let mut inner = self.lock();
        inner.session = session;
        inner.settled = false;
        inner.held.clear();
        inner.in_hand.clear();
        inner.shares.clear();
        inner.lineup = Lineup::new(usize::MAX);
    }

    /// From now on entries are handed out.
    pub(super) fn settled(&self, settled: bool) {
        self.lock().settled = settled;
        self.changed.notify_all();
    }

    pub(super) fn is_settled(&self) -> bool {
        self.lock().settled
    }

    pub(super) fn arrived(&self, mut place: Place, held: Held) {
        let mut inner = self.lock();
        // A repeat may have the very same place.
        while inner.held.contains_key(&place) || inner.in_hand.contains_key(&place) {
            place.micros += 1;
        }
        inner.hold(place, held);
        self.changed.notify_one();
    }

    /// A claim ends without the entry having gone anywhere: here it waits for the next claim, unless the broker has it again.
    fn put_back(&self, place: Place, held: Held) {
        let mut inner = self.lock();
        if inner.session == held.session && inner.in_hand.remove(&place).is_some() {
            inner.shares.ended(place.id);
            if !held.acker.poisoned() {
                inner.hold(place, held);
            }
            self.changed.notify_all();
        }
    }

    /// A claim has ended, and the entry with it.
    fn gone(&self, place: &Place) {
        let mut inner = self.lock();
        inner.in_hand.remove(place);
        if inner.shares.ended(place.id) {
            self.changed.notify_all();
        }
    }

    /// So many can be in hand at once.
    pub(super) fn share(&self, places: usize) {
        self.lock().shares.set_places(places);
        self.changed.notify_all();
    }

    pub(super) fn count(&self) -> Count {
        let inner = self.lock();
        let oldest = inner.held.keys().chain(inner.in_hand.keys()).map(|place| place.micros).min();
        Count { held: inner.held.len() as u64, in_hand: inner.in_hand.len() as u64, oldest }
    }

    /// Takes out what waits here: the entry with this id, or all.
    pub(super) fn take_out(&self, id: Option<EntryId>) -> Vec<(Place, Held)> {
        let mut inner = self.lock();
        let wanted = |place: &&Place| id.is_none_or(|id| place.id == id);
        let mut places: Vec<Place> = inner.held.keys().filter(wanted).copied().collect();
        places.sort_unstable();
        let out = |place: Place| inner.take_at(place).map(|held| (place, held));
        places.into_iter().filter_map(out).collect()
    }

    /// The classes of which this process holds as many entries as it may, while each that waits here is of a party that has its share in hand:
    /// whoever is behind them at the broker is kept out.
    pub(super) fn clogged(&self, prefetch: usize) -> Vec<Priority> {
        let inner = self.lock();
        let is_clogged = |class: &Priority| {
            let mut waiting = inner.held.iter().filter(|(place, _)| place.rank == class.rank()).peekable();
            let in_hand = inner.in_hand.keys().filter(|place| place.rank == class.rank()).count();
            let is_full = in_hand + waiting.clone().count() >= prefetch;
            waiting.peek().is_some() && is_full && waiting.all(|(_, held)| inner.has_share(&held.entry))
        };
        names::CLASSES.into_iter().filter(is_clogged).collect()
    }

    /// Takes out the oldest of this class that wait here, until `enough` octets of messages.
    pub(super) fn take_out_of(&self, class: Priority, enough: usize) -> Vec<(Place, Held)> {
        let mut inner = self.lock();
        let mut waiting: Vec<Place> = inner.held.keys().filter(|place| place.rank == class.rank()).copied().collect();
        waiting.sort_unstable();
        let (mut out, mut octets) = (Vec::new(), 0);
        for place in waiting {
            if octets >= enough {
                break;
            }
            let Some(held) = inner.take_at(place) else { continue };
            octets += held.entry.message.len();
            out.push((place, held));
        }
        out
    }

    /// Whether somebody in this process works on it.
    pub(super) fn is_in_hand(&self, id: EntryId) -> bool {
        self.lock().in_hand.keys().any(|place| place.id == id)
    }

    /// An entry that waits here.
    pub(super) fn look(&self, id: EntryId) -> Option<Entry> {
        let inner = self.lock();
        inner.held.iter().find(|(place, _)| place.id == id).map(|(_, held)| held.entry.clone())
    }

    pub(super) fn last_claim(&self) -> Instant {
        self.lock().last_claim
    }

    pub(super) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    /// How often this process has decided about the pause: what is read at the broker while it decides is old.
    pub(super) fn decisions(&self) -> u64 {
        self.lock().decisions
    }

    /// This process has paused the queue, or resumed it.
    pub(super) fn decide(&self, paused: bool) {
        let mut inner = self.lock();
        inner.decisions += 1;
        inner.paused = paused;
        self.changed.notify_all();
    }

    /// The broker said so; `decisions` is the number before it was asked.
    pub(super) fn heard(&self, paused: bool, decisions: u64) {
        let mut inner = self.lock();
        if inner.decisions == decisions {
            inner.paused = paused;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn has_share(&self, entry: &Entry) -> bool {
        !self.shares.allow(Some(&Party::of(entry)))
    }

    fn hold(&mut self, place: Place, held: Held) {
        self.lineup.insert(place, Some(Party::of(&held.entry)));
        self.held.insert(place, held);
    }

    fn take(&mut self) -> Option<(Place, Held)> {
        if self.paused || !self.settled {
            return None;
        }
        let Turn::Of(place) = self.lineup.next(self.claims, &self.shares) else { return None };
        self.claims += 1;
        let held = self.held.remove(&place).expect("who has a place in the lineup is held");
        self.in_hand.insert(place, held.session);
        self.shares.took(place.id, Party::of(&held.entry));
        Some((place, held))
    }

    fn take_at(&mut self, place: Place) -> Option<Held> {
        self.lineup.remove(&place);
        self.held.remove(&place)
    }
}

impl AmqpHold {
    /// What is held; an error when its connection is lost.
    pub(super) fn held(&self) -> Result<&Held, Fault> {
        self.held.as_deref().filter(|held| !held.acker.poisoned()).ok_or(Fault::Lost)
    }

    /// The entry has been acknowledged, or is lost to this process.
    pub(super) fn finish(mut self) {
        self.held = None;
        self.line.gone(&self.place);
    }
}

impl Drop for AmqpHold {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.line.put_back(self.place, *held);
        }
    }
}
