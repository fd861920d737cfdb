//! The directories of one queue, and where in them an entry is.

use std::path::Path;
use std::sync::Arc;

use listmill_queue_format::{EntryId, Queue};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::dir::Dir;
use super::line::Line;
use crate::lineup::Place;
use crate::{QueueError, State, clock};

/// The mark that stops claims, in the directory of the queue.
const PAUSED: &str = "paused";
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
        let name = format!("{:020}.{}", clock::next(), std::process::id());
        self.tmp.write_new(&name, bytes)?;
        Ok(name)
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

    /// Drops what the index says about entries that are gone: a foreign runner may not keep it.
    pub(super) fn sweep_index(&self) -> Result<(), QueueError> {
        let mut stale = Vec::new();
        self.ids.for_each(|name, _| {
            let id = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
            if let Some(id) = id
                && stale.len() < super::line::REMEMBERED
                && self.indexed(id).is_ok_and(|found| found.is_none())
            {
                stale.push(id);
            }
        })?;
        stale.into_iter().for_each(|id| self.forget(id));
        Ok(())
    }
}
