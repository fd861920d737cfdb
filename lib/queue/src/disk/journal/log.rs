//! Writing the journal: who wants something durable at the same time shares one write and one sync.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use listmill_queue_format::{EntryId, Queue};
use rustix::io::Errno;

use super::record::Record;
use super::segment::{Directory, LONGEST, Segment};
use crate::lineup::Place;
use crate::lock::{Bell, lock};

/// So many segments at most: when entries cannot be filed, what comes goes past the journal.
const SEGMENTS: usize = 8;
/// Who writes removes none of the last so many.
const KEPT: usize = 2;

/// The journal of this process, as it is written.
#[derive(Debug)]
pub(in crate::disk) struct Log {
    /// Where the writers have their directories.
    root: PathBuf,
    /// Its own, once it has been made.
    own: OnceLock<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was put since somebody began to write, which entries that is, and how many wait for it.
    puts: Vec<u8>,
    entries: Vec<(Queue, EntryId)>,
    waiting: usize,
    round: Arc<Round>,
    /// What has gone since then. It is written with what comes next, or by whoever notes it when nobody writes.
    notes: Vec<u8>,
    /// Memory for the next write.
    spare: Vec<u8>,
    /// Somebody writes, with the writer in hand.
    busy: bool,
    writer: Option<Writer>,
    /// The segments that are there, the one that is written to as the last.
    segments: VecDeque<Live>,
    /// Something was written and not synced.
    dirty: bool,
    /// Nobody puts any more.
    closed: bool,
}

/// Whoever writes has it.
#[derive(Debug)]
struct Writer {
    directory: Directory,
    /// None when the last one has failed.
    segment: Option<Segment>,
    next: u64,
    batch: Vec<u8>,
}

/// A segment, and how many entries need it.
#[derive(Debug)]
struct Live {
    number: u64,
    entries: usize,
}

/// One write, and what came of it: the number of the segment.
#[derive(Debug, Default)]
struct Round {
    outcome: OnceLock<Result<u64, Errno>>,
    over: Bell,
}

impl Log {
    pub(in crate::disk) fn new(root: PathBuf) -> Self {
        Log { root, own: OnceLock::new(), state: Mutex::default() }
    }

    pub(in crate::disk) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the directory of this process.
    pub(in crate::disk) fn is_own(&self, path: &Path) -> bool {
        self.own.get().is_some_and(|own| own == path)
    }

    /// Whether entries may be put here now.
    pub(in crate::disk) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        !state.closed && state.segments.len() < SEGMENTS
    }

    /// Writes these entries; they are durable when this returns, in the segment with this number.
    pub(in crate::disk) fn put(&self, entries: &[(Queue, Place, &[u8])]) -> Result<u64, Errno> {
        let mut state = lock(&self.state);
        for (queue, place, bytes) in entries {
            Record::Put(queue.name(), *place, bytes).append(&mut state.puts);
            state.entries.push((*queue, place.id));
        }
        let round = Arc::clone(&state.round);
        loop {
            if let Some(outcome) = round.outcome.get() {
                return *outcome;
            }
            if !state.busy {
                state = self.lead(state, true);
                continue;
            }
            // While it gathers, somebody must be there to write it when its turn has come.
            state.waiting += usize::from(Arc::ptr_eq(&round, &state.round));
            state = round.over.wait(state, None);
            state.waiting -= usize::from(Arc::ptr_eq(&round, &state.round));
        }
    }

    /// These entries of a segment are the journal's no more. Known to the system when this returns, so that it outlives the process; durable
    /// with the next put, or when the journal is [tidied](Self::tidy).
    pub(in crate::disk) fn gone(&self, entries: impl IntoIterator<Item = (u64, Queue, EntryId)>) {
        let mut state = lock(&self.state);
        for (segment, queue, id) in entries {
            Record::Gone(queue.name(), id).append(&mut state.notes);
            if let Some(live) = state.segments.iter_mut().find(|live| live.number == segment) {
                live.entries -= 1;
            }
        }
        if !state.busy {
            drop(self.lead(state, false));
        }
    }

    /// Writes for all who wait, and goes on until there is nothing that nobody else will write.
    ///
    /// What is put is synced, whoever leads: somebody who only notes something may come before the one who was woken to lead.
    fn lead<'a>(&'a self, mut state: MutexGuard<'a, State>, mut sync: bool) -> MutexGuard<'a, State> {
        loop {
            state.busy = true;
            sync |= !state.puts.is_empty();
            let spare = std::mem::take(&mut state.spare);
            let (puts, notes) = (std::mem::replace(&mut state.puts, spare), std::mem::take(&mut state.notes));
            let (round, entries) = (std::mem::take(&mut state.round), std::mem::take(&mut state.entries));
            state.waiting = 0;
            let mut writer = state.writer.take();
            drop(state);
            let written = self.write(&mut writer, &notes, &puts, sync);
            state = lock(&self.state);
            state.writer = writer;
            state.busy = false;
            self.written(&mut state, &written, &entries, notes, sync);
            state.spare = puts;
            state.spare.clear();
            // Each round has its own answer: after a failed sync the next one may succeed although pages were dropped.
            let failed = written.is_err();
            let _ = round.outcome.set(written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)));
            round.over.ring_all();
            if !failed {
                state = self.remove_oldest(state);
            }
            if state.waiting > 0 {
                state.round.over.ring(1);
                return state;
            }
            if state.notes.is_empty() || failed {
                return state;
            }
            sync = false;
        }
    }

    /// The directory of this process: one, for nothing but the end of the process closes it.
    fn make(&self) -> io::Result<Directory> {
        let directory = Directory::make(&self.root)?;
        // It is made once.
        let _ = self.own.set(directory.path.clone());
        Ok(directory)
    }

    fn write(&self, writer: &mut Option<Writer>, notes: &[u8], puts: &[u8], sync: bool) -> io::Result<u64> {
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(Writer { directory: self.make()?, segment: None, next: 1, batch: Vec::new() }),
        };
        let more = (notes.len() + puts.len()) as u64;
        let segment = match writer.segment.take() {
            Some(segment) if segment.at + more <= LONGEST => segment,
            full => {
                // Nobody comes back to it to sync what was noted in it last.
                full.map_or(Ok(()), |mut full| full.write(&mut [], true))?;
                let segment = writer.directory.begin(writer.next);
                writer.next += 1;
                segment?
            }
        };
        // Back in its place only when all is well: after an error nobody knows what is in it.
        let mut segment = segment;
        writer.batch.clear();
        segment.mark().append(&mut writer.batch);
        writer.batch.extend_from_slice(notes);
        writer.batch.extend_from_slice(puts);
        segment.write(&mut writer.batch, sync)?;
        let number = segment.number;
        writer.segment = Some(segment);
        Ok(number)
    }

    fn written(
        &self,
        state: &mut State,
        written: &io::Result<u64>,
        entries: &[(Queue, EntryId)],
        notes: Vec<u8>,
        sync: bool,
    ) {
        match written {
            Ok(number) => {
                match state.segments.back_mut().filter(|live| live.number == *number) {
                    Some(live) => live.entries += entries.len(),
                    None => state.segments.push_back(Live { number: *number, entries: entries.len() }),
                }
                state.dirty = !sync;
            }
            Err(error) => {
                tracing::error!(journal = %self.root.display(), %error, "the journal cannot be written");
                let later = std::mem::replace(&mut state.notes, notes);
                state.notes.extend_from_slice(&later);
                self.broken(state, entries);
            }
        }
    }

    /// A segment could not be written, and is written to no more. Maybe these entries are in it all the same: they do not count, for they become
    /// files now, or whoever put them is told that they are not stored.
    fn broken(&self, state: &mut State, entries: &[(Queue, EntryId)]) {
        for (queue, id) in entries {
            Record::Gone(queue.name(), *id).append(&mut state.notes);
        }
        let number = state.writer.as_ref().map(|writer| writer.next - 1);
        if let Some(number) = number.filter(|number| state.segments.back().is_none_or(|live| live.number != *number)) {
            state.segments.push_back(Live { number, entries: 0 });
        }
    }

    /// Makes durable what has been written, and removes the oldest segments that nobody needs. `false` when there is more to do later.
    pub(in crate::disk) fn tidy(&self) -> io::Result<bool> {
        let mut state = lock(&self.state);
        if state.busy {
            return Ok(false);
        }
        if state.dirty || !state.notes.is_empty() {
            state = self.lead(state, true);
        }
        while state.segments.len() > 1 && state.segments[0].entries == 0 && !state.busy {
            let number = state.segments[0].number;
            state = self.remove(state, number)?;
        }
        Ok(!state.dirty && state.notes.is_empty() && state.segments.len() <= 1)
    }

    /// Removes the oldest segment if nobody needs it, and there are several: where somebody always writes, [`tidy`](Self::tidy) has no turn.
    ///
    /// What went from it need not be durable yet. If the segment comes back after a power cut, then so do they, as they may in any case.
    fn remove_oldest<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        match state.segments.front() {
            Some(oldest) if oldest.entries == 0 && state.segments.len() > KEPT => {
                let number = oldest.number;
                self.remove(state, number).unwrap_or_else(|error| {
                    tracing::warn!(journal = %self.root.display(), %error, "a segment cannot be removed now");
                    lock(&self.state)
                })
            }
            _ => state,
        }
    }

    fn remove<'a>(&'a self, mut state: MutexGuard<'a, State>, number: u64) -> io::Result<MutexGuard<'a, State>> {
        if let Some(writer) = state.writer.as_ref() {
            writer.directory.remove(number)?;
        }
        state.segments.pop_front();
        Ok(state)
    }

    /// Nothing is put any more. When no entry needs the journal, nothing is left of it; else whoever opens the spool next finds it.
    pub(in crate::disk) fn close(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.closed = true;
        if state.dirty || !state.notes.is_empty() {
            state = self.lead(state, true);
        }
        if state.busy || state.segments.iter().any(|live| live.entries > 0) {
            return Ok(());
        }
        while let Some(live) = state.segments.front() {
            let number = live.number;
            state = self.remove(state, number)?;
        }
        state.writer.take().map_or(Ok(()), |writer| writer.directory.dissolve())
    }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::Timestamp;

    use super::super::record::scan;
    use super::super::segment::{FIRST, Title};
    use super::*;

    fn place(number: u8) -> Place {
        Place { micros: 1, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [number; 10]) }
    }

    /// Numbers of the segments, and the ids that they say have gone.
    fn there(log: &Log) -> (Vec<u64>, Vec<EntryId>) {
        let directory = Directory::look(log.own.get().unwrap()).unwrap().unwrap();
        let (numbers, mut gone) = (directory.segments().unwrap(), Vec::new());
        for number in &numbers {
            let bytes = directory.read(*number).unwrap();
            let Title::Salt(salt) = Title::of(&bytes) else { continue };
            for record in scan(&bytes, FIRST, salt).records {
                if let Record::Gone(_, id) = record {
                    gone.push(id);
                }
            }
        }
        (numbers, gone)
    }

    #[test]
    fn what_a_failed_sync_has_left_in_a_segment_counts_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path().to_owned());
        let (kept, failed) = (place(1), place(2));
        assert_eq!(log.put(&[(Queue::Auth, kept, b"kept")]), Ok(1));
        lock(&log.state).writer.as_mut().unwrap().segment.as_mut().unwrap().breaks();
        log.put(&[(Queue::Auth, failed, b"failed")]).unwrap_err();
        log.tidy().unwrap();
        assert_eq!(there(&log), (vec![1, 2], vec![failed.id]), "and the segment stays as long as it is needed");
        log.gone([(1, Queue::Auth, kept.id)]);
        assert!(log.tidy().unwrap());
        assert_eq!(there(&log).0, [2]);
    }

    #[test]
    fn whoever_writes_removes_what_nobody_needs_from_the_front_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path().to_owned());
        let large = vec![b'x'; 9 << 20];
        let mut needed = Vec::new();
        for number in 1..=5 {
            let segment = log.put(&[(Queue::Auth, place(number), &large)]).unwrap();
            assert_eq!(segment, u64::from(number), "each fills a segment");
            needed.push((segment, Queue::Auth, place(number).id));
        }
        assert_eq!(there(&log).0, [1, 2, 3, 4, 5]);
        log.gone(needed.drain(1..3));
        assert_eq!(there(&log).0, [1, 2, 3, 4, 5], "the first is needed");
        log.gone(needed.drain(..1));
        assert_eq!(there(&log).0, [2, 3, 4, 5]);
        log.put(&[(Queue::Auth, place(6), b"small")]).unwrap();
        assert_eq!(there(&log).0, [3, 4, 5]);
    }

    #[test]
    fn whoever_notes_something_syncs_what_somebody_waits_for() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path().to_owned());
        assert_eq!(log.put(&[(Queue::Auth, place(1), b"first")]), Ok(1));
        // Somebody whose turn has come, and who is not awake yet.
        let mut state = lock(&log.state);
        Record::Put(Queue::Auth.name(), place(2), b"second").append(&mut state.puts);
        state.entries.push((Queue::Auth, place(2).id));
        let round = Arc::clone(&state.round);
        drop(state);
        log.gone([(1, Queue::Auth, place(1).id)]);
        assert_eq!(round.outcome.get(), Some(&Ok(1)), "it is told that this is durable");
        assert!(!lock(&log.state).dirty, "and so it is");
        log.gone([(1, Queue::Auth, place(2).id)]);
        assert!(lock(&log.state).dirty, "notes alone wait for the next sync");
    }

    #[test]
    fn a_segment_that_was_never_written_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path().to_owned());
        assert_eq!(log.put(&[(Queue::Auth, place(1), b"kept")]), Ok(1));
        log.gone([(1, Queue::Auth, place(1).id)]);
        let mut state = lock(&log.state);
        let writer = state.writer.as_mut().unwrap();
        let mut second = writer.directory.begin(2).unwrap();
        second.breaks();
        (writer.segment, writer.next) = (Some(second), 3);
        drop(state);
        log.put(&[(Queue::Auth, place(2), b"failed")]).unwrap_err();
        log.tidy().unwrap();
        assert_eq!(there(&log), (vec![3], vec![place(2).id]));
    }
}
