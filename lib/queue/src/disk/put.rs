//! Storing entries: all of a call, or none that the caller may count on.

use std::collections::HashSet;
use std::sync::Arc;

use listmill_queue_format::{Entry, encode};

use super::dir::Dir;
use super::queues::DiskQueues;
use super::shared::Shared;
use super::spool::Spool;
use crate::lineup::Place;
use crate::{QueueError, State};

/// An entry that is to be stored, encoded.
struct Parcel<'a> {
    spool: &'a Spool,
    entry: &'a Entry,
    place: Place,
    state: State,
    bytes: Arc<Vec<u8>>,
}

/// The entries of one call that become files, on their way to the disk.
#[derive(Default)]
struct Batch<'a> {
    entries: Vec<Written<'a>>,
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
        let parcels = self.parcels(entries)?;
        let (kept, filed): (Vec<_>, Vec<_>) = parcels.into_iter().partition(|parcel| {
            parcel.state == State::New && self.shared.takes(parcel.spool, parcel.bytes.len()) && self.has_filer()
        });
        let mut batch = Batch::default();
        let stored = batch.store(filed).and_then(|()| batch.store(self.shared.keep(kept)));
        match &stored {
            Ok(()) => batch.announce(),
            Err(_) => batch.undo(),
        }
        stored
    }

    /// The entries as they are to be stored, each once.
    fn parcels<'a>(&'a self, entries: &'a [Entry]) -> Result<Vec<Parcel<'a>>, QueueError> {
        let mut ids = HashSet::new();
        let mut parcels = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| ids.insert((entry.queue, entry.id))) {
            let bytes = encode(entry).map_err(|error| QueueError::new("encode", entry.id, error))?;
            let (state, place) = Place::of(entry);
            parcels.push(Parcel { spool: self.spool(entry.queue), entry, place, state, bytes: Arc::new(bytes) });
        }
        Ok(parcels)
    }
}

impl Shared {
    /// Puts these into the journal, durably, and onto the shelves. Those that must become files instead are returned.
    fn keep<'a>(&self, parcels: Vec<Parcel<'a>>) -> Vec<Parcel<'a>> {
        let (mut kept, mut rest) = (Vec::new(), Vec::new());
        for parcel in parcels {
            let (spool, place) = (parcel.spool, parcel.place);
            // On the shelf first, then a look at the disk: what leaves the shelf is a file before.
            if !spool.line.reserve(place, parcel.entry, &parcel.bytes) {
                continue; // a repeat, of what is durable
            }
            match spool.indexed(place.id) {
                Ok(None) => kept.push(parcel),
                _ => {
                    spool.line.unreserve(place.id);
                    rest.push(parcel);
                }
            }
        }
        if !kept.is_empty() && !self.write_down(&kept) {
            kept.iter().for_each(|parcel| parcel.spool.line.unreserve(parcel.place.id));
            rest.append(&mut kept);
        }
        rest
    }

    fn write_down(&self, kept: &[Parcel<'_>]) -> bool {
        let records = kept.iter().map(|parcel| (parcel.spool.queue, parcel.place, &parcel.bytes[..]));
        let Ok(segment) = self.log.put(&records.collect::<Vec<_>>()) else {
            // Somebody must say in the journal that they do not count, though nothing else may ever be put.
            self.rouser.rouse();
            return false;
        };
        for spool in &self.spools {
            let here = kept.iter().filter(|parcel| std::ptr::eq(parcel.spool, spool));
            let places: Vec<Place> = here.map(|parcel| parcel.place).collect();
            if !places.is_empty() {
                spool.line.shelved(&places, segment);
            }
        }
        self.rouser.rouse();
        true
    }
}

impl<'a> Batch<'a> {
    /// Stores these as files, durably.
    fn store(&mut self, parcels: Vec<Parcel<'a>>) -> Result<(), QueueError> {
        let from = self.entries.len();
        for parcel in parcels {
            self.write(parcel)?;
        }
        for entry in &mut self.entries[from..] {
            entry.rename()?;
        }
        // One sync for each directory, shared with whoever else waits for it at this moment.
        std::mem::take(&mut self.dirs).into_iter().try_for_each(Dir::sync)
    }

    fn write(&mut self, parcel: Parcel<'a>) -> Result<(), QueueError> {
        let Parcel { spool, place, state, bytes, .. } = parcel;
        let failed =
            |errno| QueueError::os("look up", format_args!("{} in {}", place.id, spool.root.path().display()), errno);
        if spool.line.keeps(place.id) {
            return Ok(()); // a repeat, of what is in the journal
        }
        if let Some((state, _)) = spool.indexed(place.id).map_err(|errno| failed(errno.into()))? {
            // A repeat. Who put it first may have died before its sync.
            self.sync_later(spool.dir(state));
            return Ok(());
        }
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
