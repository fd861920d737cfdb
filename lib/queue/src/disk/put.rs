//! Storing entries: all of a call, or none that the caller may count on.

use std::collections::HashSet;

use listmill_queue_format::{Entry, EntryId, Queue, encode};

use super::dir::Dir;
use super::queues::DiskQueues;
use super::spool::Spool;
use crate::lineup::Place;
use crate::{QueueError, State};

/// The entries of one call on their way to the disk.
#[derive(Default)]
struct Batch<'a> {
    entries: Vec<Written<'a>>,
    ids: HashSet<(Queue, EntryId)>,
    /// The directories whose sync makes the batch durable.
    dirs: Vec<&'a Dir>,
}

/// One entry whose message file is on the disk, though not yet where a reader finds it.
struct Written<'a> {
    spool: &'a Spool,
    place: Place,
    state: State,
    tmp: String,
    renamed: bool,
}

impl DiskQueues {
    pub(super) fn put_all(&self, entries: &[Entry]) -> Result<(), QueueError> {
        let mut batch = Batch::default();
        let stored = batch.store(self, entries);
        match &stored {
            Ok(()) => batch.announce(),
            Err(_) => batch.undo(),
        }
        stored
    }
}

impl<'a> Batch<'a> {
    fn store(&mut self, queues: &'a DiskQueues, entries: &[Entry]) -> Result<(), QueueError> {
        for entry in entries {
            self.write(queues.spool(entry.queue), entry)?;
        }
        for entry in &mut self.entries {
            entry.rename()?;
        }
        // One sync for each directory, shared with whoever else waits for it at this moment.
        self.dirs.iter().try_for_each(|dir| dir.sync())
    }

    fn write(&mut self, spool: &'a Spool, entry: &Entry) -> Result<(), QueueError> {
        let failed =
            |errno| QueueError::os("look up", format_args!("{} in {}", entry.id, spool.root.path().display()), errno);
        if !self.ids.insert((entry.queue, entry.id)) {
            return Ok(());
        }
        if let Some((state, _)) = spool.indexed(entry.id).map_err(|errno| failed(errno.into()))? {
            // A repeat. Who put it first may have died before its sync.
            self.sync_later(spool.dir(state));
            return Ok(());
        }
        let bytes = encode(entry).map_err(|error| QueueError::new("encode", entry.id, error))?;
        let (state, place) = Place::of(entry);
        // The index first: what it says too early is found to be untrue, what it does not say would be put twice.
        let tmp = spool.write_entry(place, &bytes)?;
        self.sync_later(spool.dir(state));
        self.entries.push(Written { spool, place, state, tmp, renamed: false });
        Ok(())
    }

    fn sync_later(&mut self, dir: &'a Dir) {
        if !self.dirs.iter().any(|known| std::ptr::eq(*known, dir)) {
            self.dirs.push(dir);
        }
    }

    /// Wakes the claimers.
    fn announce(&self) {
        for spool in self.spools() {
            let of = |state| self.entries.iter().filter(move |entry| entry.state == state);
            let here = |entry: &&Written<'_>| std::ptr::eq(entry.spool, spool);
            spool.line.arrived(of(State::New).filter(here).map(|entry| entry.place));
            spool.line.deferred(of(State::Deferred).filter(here).map(|entry| entry.place));
            spool.sweep_index_when_due();
        }
    }

    fn spools(&self) -> Vec<&'a Spool> {
        let mut spools: Vec<&Spool> = Vec::new();
        for entry in &self.entries {
            if !spools.iter().any(|known| std::ptr::eq(*known, entry.spool)) {
                spools.push(entry.spool);
            }
        }
        spools
    }

    /// Removes what can be removed. A reader may have been faster; then the caller's repeat is the second copy.
    fn undo(&self) {
        for entry in &self.entries {
            if entry.renamed {
                entry.spool.dir(entry.state).discard(&entry.place.name_in(entry.state));
            } else {
                entry.spool.tmp.discard(&entry.tmp);
            }
            entry.spool.forget(entry.place.id);
        }
    }
}

impl Written<'_> {
    fn rename(&mut self) -> Result<(), QueueError> {
        let name = self.place.name_in(self.state);
        let dir = self.spool.dir(self.state);
        self.spool.tmp.rename(&self.tmp, dir, &name).map_err(|errno| dir.failed("rename to", &name, errno))?;
        self.renamed = true;
        Ok(())
    }
}
