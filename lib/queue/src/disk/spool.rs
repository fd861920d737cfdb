//! The directories of one queue, and where in them an entry is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use listmill_queue_format::{EntryId, Queue};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::dir::Dir;
use super::line::{Line, REMEMBERED};
use crate::lineup::Place;
use crate::{QueueError, State, clock};

/// The mark that stops claims, in the directory of the queue.
const PAUSED: &str = "paused";
/// What nobody has touched for so long, and nobody holds, is a leftover of somebody who died.
const LEFTOVER: Duration = Duration::from_secs(3600);
/// The states in which an entry is still there, in the order in which entries move.
const PRESENT: [State; 4] = [State::Deferred, State::New, State::Claimed, State::Shunted];

/// One queue on the disk.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) queue: Queue,
    pub(super) root: Dir,
    pub(super) tmp: Dir,
    pub(super) new: Dir,
    pub(super) cur: Dir,
    pub(super) deferred: Dir,
    pub(super) shunt: Dir,
    pub(super) corrupt: Dir,
    /// From ids to places: `ids/ID` is a symbolic link whose target is the entry's name in `new`.
    ///
    /// An entry is looked up here before it is put, so a repeat costs no scan. What the link says is always verified:
    /// a link to an entry that is gone is as good as none, and without one a repeat puts a second copy, no worse.
    ids: Dir,
    pub(super) line: Arc<Line>,
}

impl Spool {
    pub(super) fn open(path: &Path, queue: Queue) -> Result<Self, QueueError> {
        let root = path.join(queue.name());
        let below = |name: &str| Dir::open(&root.join(name));
        Ok(Spool {
            queue,
            root: Dir::open(&root)?,
            tmp: below("tmp")?,
            new: below("new")?,
            cur: below("cur")?,
            deferred: below("deferred")?,
            shunt: below("shunt")?,
            corrupt: below("corrupt")?,
            ids: below("ids")?,
            line: Arc::new(Line::new()),
        })
    }

    pub(super) fn dir(&self, state: State) -> &Dir {
        match state {
            State::New => &self.new,
            State::Claimed => &self.cur,
            State::Deferred => &self.deferred,
            State::Shunted => &self.shunt,
            State::Corrupt => &self.corrupt,
        }
    }

    pub(super) fn is_paused(&self) -> Result<bool, QueueError> {
        self.root.has(PAUSED).map_err(|errno| self.root.failed("look for", PAUSED, errno))
    }

    pub(super) fn set_paused(&self, paused: bool) -> Result<(), QueueError> {
        let done = if paused { self.root.mark(PAUSED) } else { self.root.unlink(PAUSED) };
        match done {
            Ok(()) => {}
            Err(Errno::NOENT) if !paused => {}
            Err(errno) => return Err(self.root.failed(if paused { "create" } else { "unlink" }, PAUSED, errno)),
        }
        self.line.news();
        self.root.sync()
    }

    /// Writes a file into `tmp`, durably, and answers its name there.
    pub(super) fn write_tmp(&self, bytes: &[u8]) -> Result<String, QueueError> {
        loop {
            // Two processes may have one number when they run in two containers.
            let name = format!("{:020}.{}", clock::next(), std::process::id());
            if self.tmp.write_new(&name, bytes)? {
                return Ok(name);
            }
        }
    }

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

    /// Where the entry is, by the index, or by reading all directories when the index does not know it.
    pub(super) fn locate(&self, id: EntryId) -> Result<Option<(State, Place)>, QueueError> {
        if let Ok(Some(found)) = self.indexed(id) {
            return Ok(Some(found));
        }
        for state in PRESENT {
            let mut found = None;
            self.places(state, |place| {
                if place.id == id {
                    found = Some((state, place))
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Every place in the directory of this state; foreign files and reasons are left out.
    pub(super) fn places(&self, state: State, mut each: impl FnMut(Place)) -> Result<(), QueueError> {
        self.dir(state).for_each(|name, file_type| {
            if let (FileType::RegularFile, Some(place)) = (file_type, Place::parse_in(state, name)) {
                each(place);
            }
        })
    }

    /// Tells the index where the entry is about to be.
    pub(super) fn index(&self, place: Place) -> Result<(), QueueError> {
        let id = place.id.to_string();
        let target = place.name();
        let linked = match self.ids.symlink(&target, &id) {
            Err(Errno::EXIST) => self.replace_link(&target, &id),
            done => done,
        };
        linked.map_err(|errno| self.ids.failed("link", &id, errno))
    }

    fn replace_link(&self, target: &str, id: &str) -> Result<(), Errno> {
        match self.ids.unlink(id) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        match self.ids.symlink(target, id) {
            Err(Errno::EXIST) => Ok(()), // somebody else was as fast; an index may be wrong
            done => done,
        }
    }

    /// The entry is gone: so is its line in the index.
    pub(super) fn forget(&self, id: EntryId) {
        self.ids.discard(&id.to_string());
    }

    /// What the index says, unverified.
    pub(super) fn index_entry(&self, id: EntryId) -> Result<Option<Place>, Errno> {
        match self.ids.read_link(&id.to_string()) {
            Ok(target) => Ok(Place::parse(&target)),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None), // INVAL: no link
            Err(errno) => Err(errno),
        }
    }

    /// Drops what the index has long said about entries that are gone: a foreign runner may not keep it.
    pub(super) fn sweep_index(&self) -> Result<(), QueueError> {
        let mut stale = Vec::new();
        self.ids.for_each(|name, _| {
            let Some(id) = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()) else { return };
            // A young link may be ahead of its entry.
            let old = self.ids.stat(name).is_ok_and(|stat| is_leftover(stat.st_mtime));
            if old && stale.len() < REMEMBERED && self.indexed(id) == Ok(None) {
                stale.push(id);
            }
        })?;
        stale.into_iter().for_each(|id| self.forget(id));
        Ok(())
    }
}

/// Whether something of this age, in seconds since 1970, was left behind by somebody who died.
pub(super) fn is_leftover(modified_s: i64) -> bool {
    let modified_s = u64::try_from(modified_s).unwrap_or(0);
    (clock::now() / 1_000_000).saturating_sub(modified_s) >= LEFTOVER.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::Timestamp;
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

    #[test]
    fn the_index_is_swept_of_old_links_to_nothing() {
        let root = tempfile::tempdir().unwrap();
        let spool = Spool::open(root.path(), Queue::Auth).unwrap();
        let place = |chance| Place { micros: 1, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]) };
        let (gone, young, there) = (place(1), place(2), place(3));
        [gone, young, there].into_iter().for_each(|place| spool.index(place).unwrap());
        std::fs::write(spool.cur.path().join(there.name()), "").unwrap();
        let long_ago = Timespec { tv_sec: 1_000_000, tv_nsec: 0 };
        for old in [gone, there] {
            let link = root.path().join("auth/ids").join(old.id.to_string());
            let times = Timestamps { last_access: long_ago, last_modification: long_ago };
            rustix::fs::utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        spool.sweep_index().unwrap();
        assert_eq!(spool.index_entry(gone.id), Ok(None));
        assert_eq!(spool.index_entry(young.id), Ok(Some(young)));
        assert_eq!(spool.indexed(there.id), Ok(Some((State::Claimed, there))));
    }
}
