//! One directory of the spool: the few system calls that everything else is made of.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat, Timestamps};
use rustix::io::Errno;
use rustix::path::Arg;

use super::names::shown;
use super::sync::GroupCommit;
use crate::QueueError;
use crate::lock::lock;

/// Nobody but the user of the runners reads other people's mail.
const PRIVATE_DIR: Mode = Mode::RWXU;
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open directory. Every name is looked up below it, so the spool may be moved while it is in use.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    syncs: GroupCommit,
    /// When it was found empty, if it was.
    empty: Mutex<Option<Empty>>,
}

/// That a directory was read and had nothing in it.
#[derive(Debug, Clone, Copy)]
struct Empty {
    /// When it was changed for the last time, as the file system says, before it was read.
    changed: Changed,
    /// Since when that has been seen.
    since: Instant,
    /// When it was read last, if that was after the file system's clock had gone on: a change from then on shows.
    read: Option<Instant>,
}

/// Seconds and nanoseconds of a directory's last change.
type Changed = (i64, u64);

/// The coarsest clock of a file system.
const TICK: Duration = Duration::from_secs(2);
/// An empty directory is read again after so long all the same: not every file system keeps the time of the last change.
const ANYWAY: Duration = Duration::from_secs(30);

/// A file that was opened as an entry, and what it was then.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) stat: Stat,
}

impl Dir {
    /// Opens the directory, making it (and what leads to it) where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let failed = |doing, error| QueueError::os(doing, path.display(), error);
        make(path).map_err(|error| failed("make the directory", error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed("open the directory", errno.into()))?;
        Ok(Dir { fd, path: path.to_owned(), syncs: GroupCommit::default(), empty: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where that name is, for a person.
    pub(super) fn at(&self, name: &[u8]) -> String {
        format!("{}/{}", self.path.display(), shown(name))
    }

    pub(super) fn failed(&self, doing: &'static str, name: &str, errno: Errno) -> QueueError {
        QueueError::os(doing, self.at(name.as_bytes()), errno.into())
    }

    /// Opens what may be an entry: never follows a link, never waits for a FIFO, never becomes a terminal's process.
    pub(super) fn open_entry(&self, name: &str) -> Result<Opened, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Opened { file: File::from(fd), stat })
    }

    /// Writes a new file, and has it on the disk when this returns, with what `before_sync` does to it: `false` when there is
    /// one with this name. Nothing is left of it when it fails.
    pub(super) fn write_new(
        &self,
        name: &str,
        bytes: &[u8],
        before_sync: impl FnOnce() -> Result<(), QueueError>,
    ) -> Result<bool, QueueError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(&self.fd, name, flags, PRIVATE_FILE) {
            Ok(fd) => File::from(fd),
            Err(Errno::EXIST) => return Ok(false),
            Err(errno) => return Err(self.failed("create", name, errno)),
        };
        // The lock tells the sweep that somebody still writes, however long it takes.
        let failed = |error| QueueError::os("write", self.at(name.as_bytes()), error);
        let written = try_lock(&file).map_err(io::Error::from).and_then(|_| file.write_all(bytes)).map_err(failed);
        let written = written.and_then(|()| before_sync()).and_then(|()| file.sync_all().map_err(failed));
        written.map(|()| true).inspect_err(|_| self.discard(name))
    }

    /// Unlinks a file that nobody needs. That it cannot be is no reason to fail: the sweep finds it.
    pub(super) fn discard(&self, name: &str) {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => tracing::warn!(file = self.at(name.as_bytes()), %errno, "an unneeded file stays"),
        }
    }

    pub(super) fn unlink(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())
    }

    pub(super) fn rename(&self, name: &str, to: &Dir, new_name: &str) -> Result<(), Errno> {
        rustix::fs::renameat(&self.fd, name, &to.fd, new_name)
    }

    /// Renames whatever has this name, and never over something that is there.
    pub(super) fn rename_aside<N: Arg + Copy>(&self, name: N, to: &Dir, new_name: &str) -> Result<(), Errno> {
        match rustix::fs::renameat_with(&self.fd, name, &to.fd, new_name, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag; the caller's names are unique anyway.
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(&self.fd, name, &to.fd, new_name),
            done => done,
        }
    }

    pub(super) fn stat<N: Arg>(&self, name: N) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(super) fn has(&self, name: &str) -> Result<bool, Errno> {
        match self.stat(name) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Whether that name still is the file that was opened: it may have been renamed between open and lock.
    pub(super) fn still_names(&self, name: &str, opened: &Stat) -> Result<bool, Errno> {
        match self.stat(name) {
            Ok(stat) => Ok(stat.st_ino == opened.st_ino && stat.st_dev == opened.st_dev),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Gives a file a second name, in another directory.
    pub(super) fn link(&self, name: &str, to: &Dir, new_name: &str) -> Result<(), Errno> {
        rustix::fs::linkat(&self.fd, name, &to.fd, new_name, AtFlags::empty())
    }

    pub(super) fn set_times(&self, name: &str, times: &Timestamps) -> Result<(), Errno> {
        rustix::fs::utimensat(&self.fd, name, times, AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(super) fn symlink(&self, target: &str, name: &str) -> Result<(), Errno> {
        rustix::fs::symlinkat(target, &self.fd, name)
    }

    pub(super) fn read_link(&self, name: &str) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlinkat(&self.fd, name, Vec::with_capacity(64)).map(|target| target.into_bytes())
    }

    /// An empty file with this name, as a mark; it is fine when it is there already.
    pub(super) fn mark(&self, name: &str) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&self.fd, name, flags, PRIVATE_FILE).map(drop)
    }

    /// Makes every rename into and unlink from this directory durable; shared by all who ask at the same time.
    pub(super) fn sync(&self) -> Result<(), QueueError> {
        let synced = self.syncs.commit(|| rustix::fs::fsync(&self.fd));
        synced.map_err(|errno| QueueError::os("sync the directory", self.path.display(), errno.into()))
    }

    /// Calls `each` with the name and type of everything in the directory, in no order, without holding it in memory. One that was empty and has not
    /// been changed since is not read again: that would be most of what a process does that has nothing to do.
    pub(super) fn for_each(&self, mut each: impl FnMut(&[u8], FileType)) -> Result<(), QueueError> {
        let failed = |errno: Errno| QueueError::os("read the directory", self.path.display(), errno.into());
        let stat = rustix::fs::fstat(&self.fd).map_err(failed)?;
        let (changed, now) = ((stat.st_mtime, stat.st_mtime_nsec), Instant::now());
        let known = lock(&self.empty).filter(|empty| empty.changed == changed);
        if known.and_then(|empty| empty.read).is_some_and(|read| now.duration_since(read) < ANYWAY) {
            return Ok(());
        }
        let is_empty = self.read(&mut each).map_err(failed)?;
        let since = known.map_or(now, |empty| empty.since);
        let read = (now.duration_since(since) >= TICK).then_some(now);
        *lock(&self.empty) = is_empty.then_some(Empty { changed, since, read });
        Ok(())
    }

    /// Does the reading; `true` when there was nothing.
    fn read(&self, each: &mut impl FnMut(&[u8], FileType)) -> Result<bool, Errno> {
        let mut is_empty = true;
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            is_empty = false;
            let file_type = match entry.file_type() {
                FileType::Unknown => match self.stat(name) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue, // gone meanwhile
                },
                known => known,
            };
            each(name.to_bytes(), file_type);
        }
        Ok(is_empty)
    }
}

impl Opened {
    pub(super) fn is_regular(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::RegularFile
    }

    pub(super) fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or(0)
    }

    /// Takes the lock that the kernel drops when the process dies; `false` when somebody else has it.
    pub(super) fn try_lock(&self) -> Result<bool, Errno> {
        try_lock(&self.file)
    }

    /// The whole file.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size()).unwrap_or(0).saturating_add(1));
        (&self.file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The file up to and with its first LF; all of it when it has none within `limit` bytes.
    pub(super) fn read_line_1(&self, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut step = 4096_u64;
        while bytes.len() < limit {
            let from = bytes.len();
            if (&self.file).take(step).read_to_end(&mut bytes)? == 0 {
                break;
            }
            if let Some(end) = bytes[from..].iter().position(|byte| *byte == b'\n') {
                bytes.truncate(from + end + 1);
                break;
            }
            step *= 2;
        }
        Ok(bytes)
    }
}

fn try_lock(file: &File) -> Result<bool, Errno> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Makes the directory, its parents first, each durably.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if parent != Path::new(".") {
        make(parent)?;
    }
    match rustix::fs::mkdir(path, PRIVATE_DIR) {
        Ok(()) | Err(Errno::EXIST) => File::open(parent)?.sync_all(),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Dir) -> Vec<String> {
        let mut names = Vec::new();
        dir.for_each(|name, _| names.push(shown(name))).unwrap();
        names
    }

    /// As if it had been looked at that much earlier.
    fn age(dir: &Dir, by: Duration) {
        let mut empty = lock(&dir.empty);
        let empty = empty.as_mut().unwrap();
        empty.since = empty.since.checked_sub(by).unwrap();
        empty.read = empty.read.map(|read| read.checked_sub(by).unwrap());
    }

    #[test]
    fn an_empty_directory_is_read_again_when_it_was_changed_or_after_a_while() {
        let home = tempfile::tempdir().unwrap();
        let dir = Dir::open(home.path()).unwrap();
        let stat = rustix::fs::fstat(&dir.fd).unwrap();
        let changed = rustix::fs::Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ };
        let as_before = || {
            let times = Timestamps { last_access: changed, last_modification: changed };
            rustix::fs::futimens(&dir.fd, &times).unwrap();
        };
        assert_eq!(names(&dir), [] as [&str; 0]);
        dir.mark("within-the-tick").unwrap();
        as_before();
        assert_eq!(names(&dir), ["within-the-tick"], "a change at once need not show");

        dir.unlink("within-the-tick").unwrap();
        as_before();
        assert!(names(&dir).is_empty());
        age(&dir, TICK);
        assert!(names(&dir).is_empty());
        dir.mark("unseen").unwrap();
        as_before();
        assert!(names(&dir).is_empty(), "it is not read");
        age(&dir, ANYWAY);
        assert_eq!(names(&dir), ["unseen"], "it is read all the same");

        dir.unlink("unseen").unwrap();
        names(&dir);
        age(&dir, TICK);
        names(&dir);
        dir.mark("seen").unwrap();
        assert_eq!(names(&dir), ["seen"]);
    }
}
