//! The index of a queue: from an entry's id to its place, so that a repeat costs no scan.
//!
//! `ids/ID` is a second name (a hard link) of the entry's message file, and the time of last modification of that file tells the
//! place: it is `MICROSECONDS`, and in the digits below the microsecond `RANK`, and [tries](Place::tries) times ten. So the index needs no file of its own, whose making
//! and unmaking would cost as much as the entry's. Other programs, and file systems that have no hard links or no such times, have
//! a symbolic link there whose target is the entry's name in `new`.
//!
//! What the index says is always verified by looking whether the name is there: a line that is wrong is as good as none, and without
//! one a repeat puts a second copy, no worse. That a file has two names proves nothing: one of them may be in `tmp`.

use std::sync::atomic::Ordering;

use listmill_queue_format::EntryId;
use rustix::fs::{FileType, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::dir::Dir;
use super::line::REMEMBERED;
use super::spool::{Spool, is_leftover};
use crate::lineup::Place;
use crate::{QueueError, State};

/// The states in which an entry is still there, in the order in which entries move.
pub(super) const PRESENT: [State; 4] = [State::Deferred, State::New, State::Claimed, State::Shunted];

/// As many as the digits can tell.
const MOST_TRIES: u8 = 99;

impl Place {
    /// The time of last modification that tells this place, and so many tries.
    pub(super) fn times(self, tries: u8) -> Timestamps {
        let seconds = i64::try_from(self.micros / 1_000_000).unwrap_or(i64::MAX);
        let below = i64::from(tries.min(MOST_TRIES)) * 10 + i64::from(self.rank);
        let nanos = i64::try_from(self.micros % 1_000_000 * 1000).unwrap_or(0) + below;
        let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
        Timestamps { last_access: time, last_modification: time }
    }

    /// The place that a file's time of last modification tells; of a file without one, some place where nothing is.
    fn told_by(stat: &Stat, id: EntryId) -> Option<Self> {
        let nanos = u64::try_from(i128::from(stat.st_mtime_nsec)).ok()?; // its type differs between systems
        let micros = u64::try_from(stat.st_mtime).ok()?.checked_mul(1_000_000)?.checked_add(nanos / 1000)?;
        let rank = u8::try_from(nanos % 10).ok()?;
        Some(Place { micros, rank, id })
    }

    /// How often the process that had it in hand has died, or may have, as far as this file tells.
    pub(super) fn tries(self, stat: &Stat) -> u8 {
        let is_told = Place::told_by(stat, self.id) == Some(self);
        let nanos = u64::try_from(i128::from(stat.st_mtime_nsec)).unwrap_or(0);
        if is_told { u8::try_from(nanos % 1000 / 10).unwrap_or(0) } else { 0 }
    }
}

impl Spool {
    /// Where the entry is, by the index alone; `None` may mean that the index does not know it.
    pub(super) fn indexed(&self, id: EntryId) -> Result<Option<(State, Place)>, Errno> {
        // Twice, because an entry may move behind the back of the look-up: given back, or deferred to another place.
        for _ in 0..2 {
            let Some(place) = self.index_entry(id)? else { return Ok(None) };
            for state in PRESENT {
                if self.dir(state).has(&place.name_in(state))? {
                    return Ok(Some((state, place)));
                }
            }
        }
        Ok(None)
    }

    /// Tells the index where the entry is about to be whose message file has this name in this directory.
    pub(super) fn index(&self, dir: &Dir, name: &str, place: Place) -> Result<(), QueueError> {
        self.index_tried(dir, name, place, 0)
    }

    /// The same, and how many tries have ended, or may have ended, with the death of the process: a file system without exact times does not keep that.
    pub(super) fn index_tried(&self, dir: &Dir, name: &str, place: Place, tries: u8) -> Result<(), QueueError> {
        let id = place.id.to_string();
        let linked = match self.link(dir, name, place, tries, &id) {
            // What was there is of an earlier place, or of an earlier file.
            Err(Errno::EXIST) => self.unindex(&id).and_then(|()| self.link(dir, name, place, tries, &id)),
            done => done,
        };
        match linked {
            Ok(()) | Err(Errno::EXIST) => Ok(()), // somebody else was as fast; an index may be wrong
            Err(errno) => Err(self.ids.failed("link", &id, errno)),
        }
    }

    fn link(&self, dir: &Dir, name: &str, place: Place, tries: u8, id: &str) -> Result<(), Errno> {
        if !self.has_links.load(Ordering::Relaxed) {
            return self.ids.symlink(&place.name(), id);
        }
        let linked = dir.set_times(name, &place.times(tries)).and_then(|()| dir.link(name, &self.ids, id));
        let kept = match linked {
            Ok(()) if self.has_proven_links.load(Ordering::Relaxed) => return Ok(()),
            // Not every file system keeps times so exactly. Once is proof enough.
            Ok(()) => self.index_entry(place.id)? == Some(place),
            Err(errno @ (Errno::EXIST | Errno::NOENT | Errno::NOSPC | Errno::DQUOT | Errno::IO)) => return Err(errno),
            Err(_) => false,
        };
        if kept {
            self.has_proven_links.store(true, Ordering::Relaxed);
            return Ok(());
        }
        tracing::info!(queue = %self.queue, "the file system has no hard links or no exact times: the index has symbolic links");
        self.has_links.store(false, Ordering::Relaxed);
        self.unindex(id)?;
        self.ids.symlink(&place.name(), id)
    }

    fn unindex(&self, id: &str) -> Result<(), Errno> {
        match self.ids.unlink(id) {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }

    /// The entry is gone, or about to be: so is its line in the index.
    pub(super) fn forget(&self, id: EntryId) {
        self.ids.discard(&id.to_string());
    }

    /// What the index says, unverified.
    pub(super) fn index_entry(&self, id: EntryId) -> Result<Option<Place>, Errno> {
        let name = id.to_string();
        let told = match self.ids.stat(&name) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => return Ok(Place::told_by(&stat, id)),
                FileType::Symlink => self.ids.read_link(&name),
                _ => return Ok(None),
            },
            Err(errno) => Err(errno),
        };
        match told {
            Ok(target) => Ok(Place::parse(&target)),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None), // INVAL: no longer a link
            Err(errno) => Err(errno),
        }
    }

    /// Drops what the index says about entries that are gone: their claimer died, or does not keep the index.
    ///
    /// Until then the bytes of such an entry are still on the disk, for that line is the last name of its file.
    pub(super) fn sweep_index(&self) -> Result<(), QueueError> {
        loop {
            let mut stale = Vec::new();
            self.ids.for_each(|name, _| {
                let Some(id) = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()) else { return };
                if stale.len() < REMEMBERED && self.may_be_stale(name) && self.indexed(id) == Ok(None) {
                    stale.push(id);
                }
            })?;
            let dropped = stale.iter().filter(|id| self.ids.unlink(&id.to_string()).is_ok()).count();
            if stale.len() < REMEMBERED || dropped == 0 {
                return Ok(());
            }
        }
    }

    /// A symbolic link may be ahead of its entry while it is young. A file's only name is ahead of nothing.
    fn may_be_stale(&self, name: &[u8]) -> bool {
        self.ids.stat(name).is_ok_and(|stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => stat.st_nlink == 1,
            _ => is_leftover(&stat),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::{Queue, Timestamp};
    use rustix::fs::{AtFlags, CWD};
    use tempfile::TempDir;

    fn spool() -> (TempDir, Spool) {
        let root = tempfile::tempdir().unwrap();
        let spool =
            Spool::open(root.path(), Queue::Auth, &std::sync::Arc::default(), &std::sync::Arc::default()).unwrap();
        (root, spool)
    }

    fn place(chance: u8) -> Place {
        Place { micros: 1_790_000_000_000_001, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]) }
    }

    /// As `put` does up to the rename; answers the name in `tmp`.
    fn written(spool: &Spool, place: Place) -> String {
        spool.write_entry(place, b"bytes").unwrap()
    }

    fn stored(spool: &Spool, place: Place) {
        let tmp = written(spool, place);
        spool.tmp.rename(&tmp, &spool.new, &place.name()).unwrap();
    }

    #[test]
    fn the_message_file_itself_tells_where_it_is_named() {
        let (_root, spool) = spool();
        for (chance, micros, rank) in [(1, 1, 1), (2, 1_790_000_000_999_999, 9), (3, 4_102_444_800_000_000, 5)] {
            let place = Place { micros, rank, ..place(chance) };
            let tmp = written(&spool, place);
            assert_eq!(spool.index_entry(place.id), Ok(Some(place)));
            assert_eq!(spool.indexed(place.id), Ok(None), "what is in tmp is not there, although it has two names");
            spool.tmp.rename(&tmp, &spool.new, &place.name()).unwrap();
            assert_eq!(spool.indexed(place.id), Ok(Some((State::New, place))));
            let (file, line) = (spool.new.stat(place.name().as_str()), spool.ids.stat(place.id.to_string().as_str()));
            assert_eq!(file.unwrap().st_ino, line.unwrap().st_ino, "the index has no file of its own");
        }
        let foreign = place(4);
        std::fs::write(spool.ids.path().join(foreign.id.to_string()), "not even a link").unwrap();
        assert_eq!(spool.indexed(foreign.id), Ok(None));
    }

    #[test]
    fn without_hard_links_it_is_symbolic_ones() {
        let (_root, spool) = spool();
        let (before, place) = (place(1), place(2));
        stored(&spool, before);
        spool.has_links.store(false, Ordering::Relaxed);
        stored(&spool, place);
        assert_eq!(spool.ids.read_link(&place.id.to_string()), Ok(place.name().into_bytes()));
        assert_eq!(spool.indexed(place.id), Ok(Some((State::New, place))));
        // Either kind replaces the other.
        spool.index(&spool.new, &before.name(), before).unwrap();
        assert_eq!(spool.ids.read_link(&before.id.to_string()), Ok(before.name().into_bytes()));
        spool.has_links.store(true, Ordering::Relaxed);
        let later = Place { micros: place.micros + 7, ..place };
        spool.index(&spool.new, &place.name(), later).unwrap();
        assert_eq!(spool.index_entry(place.id), Ok(Some(later)));
    }

    #[test]
    fn it_is_swept_of_what_leads_to_nothing() {
        let (_root, spool) = spool();
        let (gone, in_tmp, there) = (place(1), place(2), place(3));
        stored(&spool, gone);
        spool.new.unlink(&gone.name()).unwrap(); // by a runner that does not keep the index
        written(&spool, in_tmp);
        stored(&spool, there);
        spool.has_links.store(false, Ordering::Relaxed);
        let (old, young, old_there) = (place(4), place(5), place(6));
        [old, young, old_there].into_iter().for_each(|place| stored(&spool, place));
        [old, young].into_iter().for_each(|place| spool.new.unlink(&place.name()).unwrap());
        let long_ago = Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
        for old in [old, old_there] {
            let link = spool.ids.path().join(old.id.to_string());
            let times = Timestamps { last_access: long_ago, last_modification: long_ago };
            rustix::fs::utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        spool.sweep_index().unwrap();
        for place in [gone, old] {
            assert_eq!(spool.index_entry(place.id), Ok(None));
        }
        for place in [in_tmp, there, young, old_there] {
            assert_eq!(spool.index_entry(place.id), Ok(Some(place)));
        }
    }
}
