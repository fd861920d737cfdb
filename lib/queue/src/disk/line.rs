//! What a process remembers of one queue on the disk between two claims. All of it can be read again from the disk.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId};

use super::journal::shelf::Shelf;
use crate::clock;
use crate::lineup::{Lineup, Place, Turn};
use crate::lock::{Bell, lock};
use crate::oldest::Oldest;
use crate::shares::Shares;

/// So many places of each class (and so many deferred ones) are remembered; the rest waits for the next scan. Of a class more, while all of those
/// are of parties that have their share: whoever is behind them must be found.
pub(super) const REMEMBERED: usize = 4096;
/// So many files that are left where they are, are remembered so as not to open them again.
const SKIPPED: usize = 100_000;
/// The slow poll: whatever inotify does not tell is found after so long.
const POLL: Duration = Duration::from_secs(1);
/// An empty lineup is believed for so long.
const EMPTY: Duration = Duration::from_millis(20);
/// A claimer waits at least so long for what is due: another thread may be about to move it.
const DUE: Duration = Duration::from_millis(1);
/// Orphans are looked for so often.
const ORPHANS: Duration = Duration::from_secs(1);
/// When a claim ends there may be room for one more of its party, and for one of another.
const CALLED: usize = 2;
/// So many finished places are known, to tell late news of them from news.
const FINISHED: usize = 64;
/// `tmp` and the index are swept so often.
const SWEEP: Duration = Duration::from_secs(3600);
/// Of its time, a process spends at most one part in so many on scanning one directory for news.
const SCAN_SHARE: u32 = 50;

/// The memory of one queue, and where its claimers wait.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) state: Mutex<LineState>,
    /// Here wait claimers for something to claim: one is woken for each entry, because a crowd that wakes for one entry does nothing
    /// else.
    changed: Bell,
    /// Of those who wait there, one looks around now and then whether there is something of which nobody was told.
    looking_around: AtomicBool,
    /// Here wait claimers for another's scan.
    scanned: Bell,
    /// Here waits who needs to know what becomes of an entry that is on its way into the journal or out of it.
    pub(super) moved: Bell,
}

#[derive(Debug)]
pub(super) struct LineState {
    /// The message files in `new`.
    pub(super) lineup: Lineup,
    /// What is in the journal.
    pub(super) shelf: Shelf,
    /// It was, when a claimer looked last.
    pub(super) paused: bool,
    deferred: Oldest,
    /// Files that stay where they are: written by a newer version, or unreadable.
    skipped: Arc<BTreeSet<Place>>,
    /// Whose are those that this process has claimed.
    pub(super) shares: Shares,
    /// What this process has claimed.
    pub(super) held: HashSet<Place>,
    /// What it was done with lately: the file system tells of an entry late, when it may be gone.
    finished: VecDeque<Place>,
    /// Successful claims.
    claims: u64,
    /// Grows with everything a waiting claimer might be waiting for.
    news: u64,
    /// After so much news somebody looked and found nothing, and when.
    nothing: Option<(u64, Instant)>,
    new_scan: Scan,
    deferred_scan: Scan,
    /// Something in `new` was passed over and should be looked at again soon.
    unsure: bool,
    /// A claim of this process was dropped.
    dropped: bool,
    /// Those that could not be put back at once: nobody has died.
    dropped_places: HashSet<Place>,
    orphans: Option<Instant>,
    tmp_sweep: Option<Instant>,
    /// The index may be large, so its first sweep is not at the start.
    index_sweep: Instant,
    /// Some thread is doing the chores.
    chores: bool,
}

/// The last scan of a directory.
#[derive(Debug, Default)]
struct Scan {
    running: bool,
    ended: Option<Instant>,
    took: Duration,
}

impl Scan {
    fn is_older_than(&self, age: Duration) -> bool {
        let age = age.max(self.took * SCAN_SHARE);
        !self.running && self.ended.is_none_or(|ended| ended.elapsed() >= age)
    }
}

/// What to do next for a claim.
#[derive(Debug)]
pub(super) enum Step {
    /// Try to claim this one.
    Try(Place),
    /// This one is claimed: it was in memory.
    Have(Place, Box<Entry>),
    /// Scan `new` into this lineup, without what is skipped, and say what was [found](Line::scanned).
    Scan(Box<Lineup>, Arc<BTreeSet<Place>>),
    /// Another thread is scanning `new`: nobody knows before it has [ended](Line::wait_for_scan).
    Unknown,
    /// There is nothing.
    Nothing,
}

/// What is to be done besides claiming, by one thread at a time: by whoever has this. They count as done when it is
/// dropped, and are tried again when their time has come again.
#[derive(Debug)]
pub(super) struct Chores<'a> {
    line: &'a Line,
    pub(super) orphans: bool,
    pub(super) deferred: bool,
    pub(super) tmp: bool,
    pub(super) index: bool,
}

impl Line {
    pub(super) fn new(octets: Arc<AtomicUsize>) -> Self {
        Line {
            state: Mutex::new(LineState {
                lineup: Lineup::new(REMEMBERED),
                shelf: Shelf::new(octets),
                paused: false,
                deferred: Oldest::new(REMEMBERED),
                skipped: Arc::default(),
                shares: Shares::default(),
                held: HashSet::new(),
                finished: VecDeque::with_capacity(FINISHED),
                claims: 0,
                news: 0,
                nothing: None,
                new_scan: Scan::default(),
                deferred_scan: Scan::default(),
                unsure: false,
                dropped: false,
                dropped_places: HashSet::new(),
                orphans: None,
                tmp_sweep: None,
                index_sweep: Instant::now(),
                chores: false,
            }),
            changed: Bell::default(),
            looking_around: AtomicBool::new(false),
            scanned: Bell::default(),
            moved: Bell::default(),
        }
    }

    /// An entry can be claimed.
    pub(super) fn arrived(&self, places: impl IntoIterator<Item = Place>) {
        let mut state = lock(&self.state);
        let mut arrived = 0;
        for place in places {
            let old = state.skipped.contains(&place) || state.held.contains(&place) || state.finished.contains(&place);
            arrived += usize::from(!old && state.lineup.insert(place, None));
        }
        self.wake(state, arrived);
    }

    /// An entry that this process has claimed can be claimed again.
    pub(super) fn returned(&self, place: Place) {
        let mut state = lock(&self.state);
        state.finished.retain(|finished| *finished != place);
        state.lineup.insert(place, None);
        self.wake(state, 1);
    }

    /// An entry waits for a clock.
    pub(super) fn deferred(&self, places: impl IntoIterator<Item = Place>) {
        let mut state = lock(&self.state);
        let first = state.deferred.first();
        for place in places {
            state.deferred.insert(place, None);
        }
        // Somebody has to look at the clock again when there is a new first one.
        let is_other = state.deferred.first() != first;
        self.wake(state, usize::from(is_other));
    }

    /// Whether the queue is paused, as seen just now.
    pub(super) fn saw_paused(&self, paused: bool) {
        let mut state = lock(&self.state);
        let goes_on = std::mem::replace(&mut state.paused, paused) && !paused;
        drop(state);
        if goes_on {
            self.news();
        }
    }

    /// Something is different; look again.
    pub(super) fn news(&self) {
        self.change(|_| {});
    }

    /// Something in `new` may have been missed.
    pub(super) fn unsure(&self) {
        self.change(|state| state.unsure = true);
    }

    /// After what was heard until `heard`, there is nothing to claim.
    pub(super) fn found_nothing(&self, heard: u64) {
        lock(&self.state).nothing = Some((heard, Instant::now()));
    }

    /// Whether somebody has just found that there is nothing, or waits for what there will be and has heard of nothing since; and nothing is due.
    pub(super) fn is_known_to_have_nothing(&self, heard: u64) -> bool {
        let somebody_looks_around = self.looking_around.load(Ordering::Relaxed);
        let state = lock(&self.state);
        let is_due = state.deferred.first().is_some_and(|first| first.micros <= clock::now());
        let nothing = state.nothing.filter(|(after, _)| *after == heard && !is_due);
        nothing.is_some_and(|(_, at)| somebody_looks_around || at.elapsed() < EMPTY)
    }

    /// What has been heard so far, for [`wait`](Self::wait).
    pub(super) fn heard(&self) -> u64 {
        lock(&self.state).news
    }

    /// Waits for news since `heard`, for something to become due, or until `until`; one of those who wait, for the slow poll as well.
    pub(super) fn wait(&self, heard: u64, until: Option<Instant>) {
        let state = lock(&self.state);
        if state.news != heard {
            return;
        }
        let looks_around = !self.looking_around.swap(true, Ordering::Relaxed);
        let poll = looks_around.then_some(if state.unsure { EMPTY } else { POLL });
        let due = state.deferred.first().map(|first| {
            let due = Duration::from_micros(first.micros.saturating_sub(clock::now()));
            due.max(DUE)
        });
        let look = poll.into_iter().chain(due).min().map(|wait| Instant::now() + wait);
        drop(self.changed.wait(state, look.into_iter().chain(until).min()));
        if looks_around {
            self.looking_around.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn next(&self) -> Step {
        let mut state = lock(&self.state);
        let state = &mut *state;
        let is_empty = state.lineup.is_empty() && state.shelf.lineup.is_empty();
        let believed = if is_empty || state.unsure { EMPTY } else { POLL };
        let scan = state.new_scan.is_older_than(believed);
        let (turn, here) = match scan {
            true => (Turn::Unknown, false),
            false => Lineup::next_of(&mut state.lineup, &mut state.shelf.lineup, state.claims, &state.shares),
        };
        match turn {
            Turn::Of(place) if here => {
                state.claims += 1;
                let entry = state.shelf.claim(place).expect("who has a place in its lineup is on the shelf");
                state.shares.took(place.id, Party::of(&entry));
                Step::Have(place, entry)
            }
            Turn::Of(place) => Step::Try(place),
            Turn::Unknown if !state.new_scan.running => {
                state.new_scan.running = true;
                state.unsure = false;
                Step::Scan(Box::new(state.lineup.as_large()), Arc::clone(&state.skipped))
            }
            Turn::Nobody if !state.new_scan.running => Step::Nothing,
            Turn::Unknown | Turn::Nobody => Step::Unknown,
        }
    }

    /// Waits for the scan of another thread.
    pub(super) fn wait_for_scan(&self) {
        let mut state = lock(&self.state);
        while state.new_scan.running {
            state = self.scanned.wait(state, None);
        }
    }

    /// A scan of `new` has ended: what there is, and which of the skipped files are still there. `None`: it failed.
    pub(super) fn scanned(&self, began: Instant, found: Option<(Lineup, BTreeSet<Place>)>) {
        let mut state = lock(&self.state);
        state.new_scan = Scan { running: false, ended: Some(Instant::now()), took: began.elapsed() };
        let mut news = 0;
        if let Some((lineup, still_skipped)) = found {
            let known = state.lineup.len();
            // What came during the scan may be missing in it.
            let before = std::mem::replace(&mut state.lineup, Lineup::new(REMEMBERED));
            state.lineup = before.into_newer(lineup);
            // One of them is for who has looked.
            news = state.lineup.len().saturating_sub(known + 1);
            state.skipped = Arc::new(still_skipped);
        }
        self.wake(state, news);
        self.scanned.ring_all();
    }

    /// This file stays where it is. `true` the first time, when somebody should be told.
    pub(super) fn skip(&self, place: Place) -> bool {
        let mut state = lock(&self.state);
        state.skipped.len() < SKIPPED && Arc::make_mut(&mut state.skipped).insert(place)
    }

    /// This one of this party is claimed; `false` when the party has its share in hand, and this one must wait where it is.
    pub(super) fn claimed(&self, place: Place, party: Party) -> bool {
        let mut state = lock(&self.state);
        if !state.shares.allow(Some(&party)) {
            state.lineup.insert(place, Some(party));
            return false;
        }
        state.claims += 1;
        state.shelf.was_claimed();
        state.held.insert(place);
        state.shares.took(place.id, party);
        true
    }

    /// So many entries can be in hand at once.
    pub(super) fn share(&self, places: usize) {
        self.change(|state| state.shares.set_places(places));
    }

    /// A claim has ended: who was passed over for it may have its turn.
    pub(super) fn ended(&self, mut state: MutexGuard<'_, LineState>, id: EntryId) {
        let woken = if state.shares.ended(id) { CALLED } else { 0 };
        self.wake(state, woken);
    }

    /// A claim of this process has ended, and the entry is no longer there.
    pub(super) fn finished(&self, place: &Place) {
        let mut state = lock(&self.state);
        state.held.remove(place);
        if state.finished.len() == FINISHED {
            state.finished.pop_front();
        }
        state.finished.push_back(*place);
        self.ended(state, place.id);
    }

    /// It was no claim after all.
    pub(super) fn not_claimed(&self, place: &Place) {
        let mut state = lock(&self.state);
        state.held.remove(place);
        self.ended(state, place.id);
    }

    /// A claim of this process was dropped: it is an orphan now, to be taken over at once.
    pub(super) fn dropped(&self, place: &Place) {
        self.change(|state| {
            state.held.remove(place);
            state.shares.ended(place.id);
            state.dropped_places.insert(*place);
            state.dropped = true;
        });
    }

    /// Whether a claim to it was dropped in this process; asked once.
    pub(super) fn was_dropped(&self, place: &Place) -> bool {
        lock(&self.state).dropped_places.remove(place)
    }

    pub(super) fn holds(&self, place: &Place) -> bool {
        lock(&self.state).held.contains(place)
    }

    /// What is to be done now besides claiming; `None` when nothing is, or another thread is at it.
    pub(super) fn chores(&self) -> Option<Chores<'_>> {
        let mut state = lock(&self.state);
        if state.chores {
            return None;
        }
        let older = |last: Option<Instant>, than| last.is_none_or(|last| last.elapsed() >= than);
        let orphans = state.dropped || older(state.orphans, ORPHANS);
        let deferred = state.deferred.is_used_up() || state.deferred_scan.is_older_than(POLL);
        let due = state.deferred.first().is_some_and(|first| first.micros <= clock::now());
        let tmp = older(state.tmp_sweep, SWEEP);
        let index = older(Some(state.index_sweep), SWEEP);
        if !(orphans || deferred || due || tmp || index) {
            return None;
        }
        state.chores = true;
        state.dropped &= !orphans;
        Some(Chores { line: self, orphans, deferred, tmp, index })
    }

    /// The index is to be swept now, by the caller: a queue that is only written to here may have a foreign reader.
    pub(super) fn index_sweep_is_due(&self) -> bool {
        let mut state = lock(&self.state);
        let due = state.index_sweep.elapsed() >= SWEEP;
        if due {
            state.index_sweep = Instant::now();
        }
        due
    }

    /// A scan of `deferred` has ended.
    pub(super) fn scanned_deferred(&self, began: Instant, found: Option<Oldest>) {
        let mut state = lock(&self.state);
        state.deferred_scan = Scan { running: false, ended: Some(Instant::now()), took: began.elapsed() };
        let first = state.deferred.first();
        if let Some(mut found) = found {
            for place in state.deferred.iter() {
                found.insert(place, None);
            }
            state.deferred = found;
        }
        let is_other = state.deferred.first() != first;
        self.wake(state, usize::from(is_other));
    }

    /// The deferred entries whose time has come; each is answered once.
    pub(super) fn take_due(&self) -> Vec<Place> {
        lock(&self.state).deferred.take_until(clock::now())
    }

    /// Wakes so many claimers as there are entries for.
    pub(super) fn wake(&self, mut state: MutexGuard<'_, LineState>, entries: usize) {
        state.news += u64::from(entries > 0);
        drop(state);
        self.changed.ring(entries);
    }

    fn change(&self, change: impl FnOnce(&mut LineState)) {
        let mut state = lock(&self.state);
        change(&mut state);
        state.news += 1;
        drop(state);
        self.changed.ring_all();
    }
}

impl Drop for Chores<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.line.state);
        state.chores = false;
        let now = Instant::now();
        if self.orphans {
            state.orphans = Some(now);
        }
        if self.tmp {
            state.tmp_sweep = Some(now);
        }
        if self.index {
            state.index_sweep = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::Timestamp;

    use super::*;

    #[test]
    fn there_is_not_nothing_while_something_is_due_or_was_heard_of() {
        let line = Line::new(Arc::default());
        let has_nothing = || line.is_known_to_have_nothing(line.heard());
        assert!(!has_nothing(), "nobody has looked");
        line.found_nothing(line.heard());
        assert!(has_nothing());
        line.deferred([Place { micros: 1, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]) }]);
        assert!(!has_nothing(), "something waits for the clock");
        line.found_nothing(line.heard());
        assert!(!has_nothing(), "and is due");
    }
}
