//! Claiming: the lock that the kernel drops when the process dies, then the rename into `cur`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use listmill_core::Party;
use listmill_queue_format::{DecodeError, Entry, Queue, decode};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::dir::Opened;
use super::journal::shelf::Which;
use super::lane::Way;
use super::line::{Line, REMEMBERED, Step};
use super::queues::DiskQueues;
use super::shared::Shared;
use super::spool::Spool;
use crate::backend::Hold;
use crate::lineup::{Lineup, Place};
use crate::{Claim, Claimed, QueueError, State};

/// No message file is larger (SPEC.md, limits: line 1, message, distribution list); what is, is not even read.
const LARGEST: u64 = (1 << 20) + (1 << 30) + (1 << 26);

/// A claimed entry.
pub(crate) struct DiskHold {
    pub(super) grip: Grip,
    pub(super) place: Place,
    pub(super) queue: Queue,
    pub(super) shared: Arc<Shared>,
    /// Tries that ended, or may have ended, with the death of the process.
    tries: AtomicU8,
    /// What others may have to wait for.
    way: Mutex<Option<Way>>,
}

/// By what it is held.
pub(super) enum Grip {
    /// Its message file in `cur`, open and locked.
    File(File),
    /// It is in the journal and in memory; it may have become a file meanwhile.
    Kept,
    /// The claim is finished.
    Gone,
}

impl DiskHold {
    /// The claim is finished: the entry is no longer in `cur`, at least not as ours.
    pub(super) fn finish(mut self) {
        self.grip = Grip::Gone;
        self.line().finished(&self.place);
    }

    /// As [`finish`](Self::finish), for an entry that is now in `new`, at its old place.
    pub(super) fn hand_on(self) {
        let (shared, queue, place) = (Arc::clone(&self.shared), self.queue, self.place);
        self.finish();
        shared.spool(queue).line.returned(place);
    }

    pub(super) fn line(&self) -> &Line {
        &self.shared.spool(self.queue).line
    }

    pub(crate) fn tries(&self) -> u8 {
        self.tries.load(Ordering::Relaxed)
    }

    /// It does not stand still: what was before counts no more, and nobody has to wait for it.
    pub(crate) fn got_on(&self) {
        drop(self.way.lock().unwrap_or_else(PoisonError::into_inner).take());
        if self.tries.swap(0, Ordering::Relaxed) > 0
            && let Grip::File(file) = &self.grip
            && let Err(errno) = rustix::fs::futimens(file, &self.place.times(0))
        {
            tracing::warn!(id = %self.place.id, %errno, "its tries cannot be forgotten");
        }
    }
}

impl Drop for DiskHold {
    fn drop(&mut self) {
        let file = match std::mem::replace(&mut self.grip, Grip::Gone) {
            Grip::File(file) => Some(file),
            Grip::Kept => self.line().put_back(self.place.id),
            Grip::Gone => None,
        };
        if let Some(file) = file {
            // Another process may claim it, and must find what had followed from it.
            self.shared.file(Which::All);
            let back = self.shared.spool(self.queue).back_to_new(self.place, self.tries());
            drop(file); // and with it the lock, before somebody is told
            match back {
                Ok(true) => {
                    self.line().finished(&self.place);
                    self.line().returned(self.place);
                }
                Ok(false) => self.line().finished(&self.place),
                // It is an orphan now, as if the process had died.
                Err(_) => self.line().dropped(&self.place),
            }
        }
    }
}

/// A scan of `new` that others wait for; they are told when this is dropped, whatever has come of it.
struct Scanning<'a> {
    line: &'a Line,
    began: Instant,
    found: Option<(Lineup, BTreeSet<Place>)>,
}

impl Drop for Scanning<'_> {
    fn drop(&mut self) {
        self.line.scanned(self.began, self.found.take());
    }
}

/// A file that has been claimed.
struct Taken {
    file: File,
    entry: Entry,
    tries: u8,
    way: Option<Way>,
}

/// Why a file is not claimed.
enum Refused {
    /// Somebody else has it, or has had it.
    Taken,
    /// Its party has its share in hand.
    Later,
    /// It is claimed or written right now: look again soon.
    Locked,
    /// It stays where it is, for somebody who understands it.
    Skip(String),
    /// It is no entry.
    Corrupt(String),
    /// This process can open nothing now.
    Failed(QueueError),
}

impl DiskQueues {
    pub(super) fn claim_within(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        let spool = self.spool(queue);
        self.watch();
        if wait > Duration::ZERO {
            spool.line.asked();
        }
        let wakes = self.wakes();
        let until = Instant::now().checked_add(wait);
        loop {
            let heard = spool.line.heard();
            if !spool.line.is_known_to_have_nothing(heard) {
                self.shared.recover_when_due();
                spool.do_chores();
                if !spool.is_paused()? {
                    if let Some(claimed) = self.claim_now(spool)? {
                        return Ok(Some(claimed));
                    }
                    spool.line.found_nothing(heard);
                }
            }
            if self.wakes() != wakes || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(None);
            }
            spool.line.wait(heard, until);
            if wait > Duration::ZERO {
                spool.line.asked();
            }
        }
    }

    fn claim_now(&self, spool: &Spool) -> Result<Option<Claimed>, QueueError> {
        loop {
            let (place, entry, grip, tries, way) = match spool.line.next() {
                Step::Nothing => return Ok(None),
                Step::Unknown => {
                    spool.line.wait_for_scan();
                    continue;
                }
                Step::Scan(lineup, skipped) => {
                    let mut scanning = Scanning { line: &spool.line, began: Instant::now(), found: None };
                    scanning.found = Some(spool.scan_new(*lineup, &skipped)?);
                    continue;
                }
                Step::Have(place, entry) => (place, *entry, Grip::Kept, 0, None),
                Step::Try(place) => match spool.try_claim(place)? {
                    Some(taken) => (place, taken.entry, Grip::File(taken.file), taken.tries, taken.way),
                    None => continue,
                },
            };
            let (shared, tries, way) = (Arc::clone(&self.shared), AtomicU8::new(tries), Mutex::new(way));
            let hold = DiskHold { grip, place, queue: spool.queue, shared, tries, way };
            return Ok(Some(Claimed {
                entry,
                claim: Claim { queue: spool.queue, id: place.id, hold: Hold::Disk(hold) },
            }));
        }
    }
}

impl Spool {
    /// Reads `new`: what can be claimed, and which of the skipped files are still there. The rest is set aside.
    fn scan_new(&self, mut lineup: Lineup, skipped: &BTreeSet<Place>) -> Result<(Lineup, BTreeSet<Place>), QueueError> {
        let mut still_skipped = BTreeSet::new();
        self.scan(State::New, |place| {
            if skipped.contains(&place) {
                still_skipped.insert(place);
            } else {
                lineup.insert(place, None);
            }
        })?;
        Ok((lineup, still_skipped))
    }

    /// Reads a directory that runners write to, and sets aside whatever has no business there.
    pub(super) fn scan(&self, state: State, mut each: impl FnMut(Place)) -> Result<(), QueueError> {
        let mut foreign: Vec<(Vec<u8>, &str)> = Vec::new();
        self.dir(state).for_each(|name, file_type| match Place::parse_in(state, name) {
            Some(place) if file_type == FileType::RegularFile => each(place),
            _ if foreign.len() >= REMEMBERED => {} // the next scan finds it
            Some(_) => foreign.push((name.to_owned(), "it is not a regular file")),
            None => foreign.push((name.to_owned(), "it does not have the name of an entry")),
        })?;
        for (name, reason) in foreign {
            self.set_aside(state, &name, reason);
        }
        Ok(())
    }

    fn try_claim(&self, place: Place) -> Result<Option<Taken>, QueueError> {
        let name = place.name();
        match self.open_and_lock(place, &name) {
            Ok(claimed) => return Ok(Some(claimed)),
            Err(Refused::Taken | Refused::Later) => {}
            Err(Refused::Locked) => self.line.unsure(),
            Err(Refused::Skip(reason)) => {
                if self.line.skip(place) {
                    tracing::error!(file = self.new.at(name.as_bytes()), reason, "an entry is left where it is");
                }
            }
            Err(Refused::Corrupt(reason)) => self.set_aside(State::New, name.as_bytes(), &reason),
            Err(Refused::Failed(error)) => {
                self.line.unsure();
                return Err(error);
            }
        }
        Ok(None)
    }

    fn open_and_lock(&self, place: Place, name: &str) -> Result<Taken, Refused> {
        let opened = self.new.open_entry(name).map_err(|errno| self.why_not_opened(name, errno))?;
        if !opened.is_regular() {
            return Err(Refused::Corrupt("it is not a regular file".to_owned()));
        }
        let failed = |doing| move |errno: Errno| Refused::Failed(self.new.failed(doing, name, errno));
        if !opened.try_lock().map_err(failed("lock"))? {
            return Err(Refused::Locked);
        }
        if !self.new.still_names(name, &opened.stat).map_err(failed("look at"))? {
            return Err(Refused::Taken);
        }
        let tries = place.tries(&opened.stat);
        let way = self.lane.enter(tries).ok_or(Refused::Locked)?;
        let entry = self.read_entry(place, &opened)?;
        // Remembered before it is there, so that the search for orphans never takes it for one.
        if !self.line.claimed(place, Party::of(&entry)) {
            return Err(Refused::Later);
        }
        let renamed = self.new.rename(name, &self.cur, name);
        if let Err(errno) = renamed {
            self.line.not_claimed(&place);
            return Err(if errno == Errno::NOENT { Refused::Taken } else { failed("claim")(errno) });
        }
        Ok(Taken { file: opened.file, entry, tries, way })
    }

    fn why_not_opened(&self, name: &str, errno: Errno) -> Refused {
        match errno {
            Errno::NOENT => Refused::Taken,
            Errno::LOOP | Errno::NXIO | Errno::NODEV => Refused::Corrupt("it is not a regular file".to_owned()),
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Refused::Failed(self.new.failed("open", name, errno)),
            _ => Refused::Skip(format!("it cannot be opened ({errno}): give it to the user that the runners run as")),
        }
    }

    fn read_entry(&self, place: Place, opened: &Opened) -> Result<Entry, Refused> {
        if opened.size() > LARGEST {
            return Err(Refused::Corrupt(format!("its {} bytes are more than an entry can have", opened.size())));
        }
        let bytes = opened.read().map_err(|error| self.why_not_read(place, error))?;
        let entry = match decode(&bytes) {
            Ok(entry) => entry,
            Err(error @ DecodeError::NewerMajor(_)) => return Err(Refused::Skip(error.to_string())),
            Err(error) => return Err(Refused::Corrupt(error.to_string())),
        };
        if !entry.format.is_writable() {
            return Err(Refused::Skip(format!("format {} is newer than this version writes", entry.format)));
        }
        if entry.id != place.id {
            return Err(Refused::Corrupt(format!("line 1 has the id {}, not that of the file's name", entry.id)));
        }
        if entry.queue != self.queue {
            return Err(Refused::Corrupt(format!(
                "line 1 says that it belongs to {}, not {}",
                entry.queue, self.queue
            )));
        }
        Ok(entry)
    }

    fn why_not_read(&self, place: Place, error: io::Error) -> Refused {
        if error.kind() == io::ErrorKind::OutOfMemory {
            return Refused::Failed(QueueError::os("read", self.new.at(place.name().as_bytes()), error));
        }
        Refused::Skip(format!("it cannot be read ({error}): look at the kernel's log"))
    }
}
