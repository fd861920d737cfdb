//! The directories of one queue, and where in them an entry is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use listmill_queue_format::{EntryId, Queue};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::dir::Dir;
use super::index::PRESENT;
use super::lane::Lane;
use super::line::Line;
use crate::lineup::Place;
use crate::{QueueError, State, clock};

/// The mark that stops claims, in the directory of the queue.
const PAUSED: &str = "paused";
/// What nobody has touched for so long, and nobody holds, is a leftover of somebody who died.
const LEFTOVER: Duration = Duration::from_secs(3600);
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
    /// From ids to places: see [`index`](super::index).
    pub(super) ids: Dir,
    /// Whether this file system has what the index wants, as far as is known.
    pub(super) has_links: AtomicBool,
    /// Whether that was tried.
    pub(super) has_proven_links: AtomicBool,
    pub(super) line: Arc<Line>,
    /// Of all queues of this spool, in this process.
    pub(super) lane: Arc<Lane>,
}

impl Spool {
    pub(super) fn open(
        path: &Path,
        queue: Queue,
        octets: &Arc<AtomicUsize>,
        lane: &Arc<Lane>,
    ) -> Result<Self, QueueError> {
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
            has_links: AtomicBool::new(true),
            has_proven_links: AtomicBool::new(false),
            line: Arc::new(Line::new(Arc::clone(octets))),
            lane: Arc::clone(lane),
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
        let paused = self.root.has(PAUSED).map_err(|errno| self.root.failed("look for", PAUSED, errno))?;
        self.line.saw_paused(paused);
        Ok(paused)
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

    /// Writes the message file of an entry into `tmp`, durably, tells the index, and answers its name in `tmp`.
    ///
    /// The index before the sync, so that no file system ever has fewer names on record than the file has.
    pub(super) fn write_entry(&self, place: Place, bytes: &[u8]) -> Result<String, QueueError> {
        self.write_tried(place, bytes, 0)
    }

    /// The same for an entry that somebody who died may have had in hand.
    pub(super) fn write_tried(&self, place: Place, bytes: &[u8], tries: u8) -> Result<String, QueueError> {
        let written = self.write(bytes, |name| self.index_tried(&self.tmp, name, place, tries));
        written.inspect_err(|_| self.forget(place.id))
    }

    /// Writes a file that is no entry into `tmp`, durably, and answers its name there.
    pub(super) fn write_tmp(&self, bytes: &[u8]) -> Result<String, QueueError> {
        self.write(bytes, |_| Ok(()))
    }

    fn write(&self, bytes: &[u8], before_sync: impl Fn(&str) -> Result<(), QueueError>) -> Result<String, QueueError> {
        loop {
            // Two processes may have one number when they run in two containers.
            let name = format!("{:020}.{}", clock::next(), std::process::id());
            if self.tmp.write_new(&name, bytes, || before_sync(&name))? {
                return Ok(name);
            }
        }
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
}

/// Whether a file is so old that somebody who died left it behind.
///
/// The time of modification may be one that is to come, see [`index`](super::index): the time of the last change is not.
pub(super) fn is_leftover(stat: &Stat) -> bool {
    let changed_s = u64::try_from(stat.st_mtime.min(stat.st_ctime)).unwrap_or(0);
    (clock::now() / 1_000_000).saturating_sub(changed_s) >= LEFTOVER.as_secs()
}
