//! The files of a writer: each a segment of its journal, in a directory that is locked while the writer lives.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::record::{HEAD, Record, salt};
use crate::{QueueError, clock};

/// A segment that has become so long is followed by another.
pub(super) const LONGEST: u64 = 16 << 20;
/// A segment is made longer by so much at once, with zeros, so that a sync of what is written over them has to change nothing but data.
const STEP: u64 = 1 << 20;
/// What stands at the beginning of a segment, with the salt behind it.
const TITLE: &[u8; 28] = b"listmill journal, 1.0\n\0\0\0\0\0\0";
/// What every version of it begins with.
const ANY_TITLE: &[u8] = b"listmill journal, ";
/// Where the first record begins.
pub(super) const FIRST: usize = 32;

/// The directory of one writer, below `journal`.
#[derive(Debug)]
pub(super) struct Directory {
    /// Locked: the kernel drops it when the process dies.
    fd: OwnedFd,
    pub(super) path: PathBuf,
}

/// What is written to.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
    pub(super) number: u64,
    salt: u32,
    /// Where the next record begins.
    pub(super) at: u64,
    /// How long the file is.
    filled: u64,
    /// Up to where it was synced.
    durable: u64,
}

impl Directory {
    /// Makes the directory of a new writer, locked, durably.
    pub(super) fn make(journal: &Path) -> io::Result<Self> {
        loop {
            let path = journal.join(format!("{:020}.{}", clock::next(), std::process::id()));
            match rustix::fs::mkdir(&path, Mode::RWXU) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue, // two containers, one number
                Err(errno) => return Err(errno.into()),
            }
            // Who recovers may have taken it for that of somebody dead, and removed it, before the lock was there.
            if let Some(directory) = Directory::lock(&path)?
                && path.is_dir()
            {
                sync_directory(journal)?;
                return Ok(directory);
            }
        }
    }

    /// Opens and locks the directory of a writer; `None` when it is locked, or gone.
    pub(super) fn lock(path: &Path) -> io::Result<Option<Self>> {
        let Some(directory) = Directory::look(path)? else { return Ok(None) };
        match rustix::fs::flock(&directory.fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(directory)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the directory of a writer, who may be at work; `None` when it is gone.
    pub(super) fn look(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Directory { fd, path: path.to_owned() })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The numbers of its segments, in order.
    pub(super) fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            if let Some(number) = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok()) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Begins a segment, with a name that is durable.
    pub(super) fn begin(&self, number: u64) -> io::Result<Segment> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, name(number).as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let salt = crc32fast::hash(format!("{} {number}", self.path.display()).as_bytes());
        let mut segment =
            Segment { file: File::from(file), number, salt, at: FIRST as u64, filled: 0, durable: FIRST as u64 };
        match segment.entitle().and_then(|()| self.sync()) {
            Ok(()) => Ok(segment),
            Err(error) => {
                // Nothing is in it. On a disk that is sick they would become many.
                let _ = rustix::fs::unlinkat(&self.fd, name(number).as_str(), AtFlags::empty());
                Err(error)
            }
        }
    }

    /// The whole of a segment.
    pub(super) fn read(&self, number: u64) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&self.fd, name(number).as_str(), flags, Mode::empty())?);
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(bytes)
    }

    /// Removes a segment, durably: one that is older than another must never be there without it.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name(number).as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => self.sync(),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves a segment to another place, for a person to look at.
    pub(super) fn set_aside(&self, number: u64, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name(number).as_str(), rustix::fs::CWD, to)?)
    }

    /// The directory itself goes, when nothing is in it any more.
    pub(super) fn dissolve(self) -> io::Result<()> {
        match rustix::fs::rmdir(&self.path) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

impl Segment {
    /// Writes its title, durably.
    fn entitle(&mut self) -> io::Result<()> {
        self.fill(1)?;
        self.file.write_all_at(TITLE, 0)?;
        self.file.write_all_at(&self.salt.to_le_bytes(), TITLE.len() as u64)?;
        self.file.sync_all()
    }

    /// Writes records behind the others; with `sync` they are durable when this returns.
    pub(super) fn write(&mut self, records: &mut [u8], sync: bool) -> io::Result<()> {
        if !records.is_empty() {
            self.fill(records.len() as u64)?;
            salt(records, self.salt);
            self.file.write_all_at(records, self.at)?;
            self.at += records.len() as u64;
        }
        if sync {
            self.file.sync_data()?;
            self.durable = self.at;
        }
        Ok(())
    }

    /// From now on a write does nothing, and a sync fails.
    #[cfg(test)]
    pub(super) fn breaks(&mut self) {
        self.file = File::options().write(true).open("/dev/null").unwrap();
    }

    /// What the first record of each writing says.
    pub(super) fn mark(&self) -> Record<'static> {
        Record::Durable(self.durable)
    }

    /// Makes room for so many octets, and keeps a record's head of zeros behind them.
    fn fill(&mut self, more: u64) -> io::Result<()> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        let wanted = (self.at + more + HEAD as u64).next_multiple_of(STEP);
        while self.filled < wanted {
            self.file.write_all_at(&ZEROS, self.filled)?;
            self.filled += ZEROS.len() as u64;
        }
        Ok(())
    }
}

/// What stands at the beginning of a segment.
pub(super) enum Title {
    /// This version's title, and the salt of its records.
    Salt(u32),
    /// That of another version.
    Newer,
    /// Nothing yet.
    Missing,
    /// No title.
    Damaged,
}

impl Title {
    pub(super) fn of(segment: &[u8]) -> Self {
        match segment.strip_prefix(TITLE).and_then(<[u8]>::first_chunk) {
            Some(salt) => Title::Salt(u32::from_le_bytes(*salt)),
            None if segment.starts_with(ANY_TITLE) => Title::Newer,
            None if segment.iter().all(|octet| *octet == 0) => Title::Missing,
            None => Title::Damaged,
        }
    }
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn name(number: u64) -> String {
    format!("{number:08}")
}

/// The operating system said no while this was done to that.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> QueueError {
    move |error| QueueError::os(doing, path.display(), error)
}
