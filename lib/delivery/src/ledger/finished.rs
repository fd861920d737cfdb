//! The ids of finished entries: two files of lines, the older one dropped when the newer one is full.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use listmill_queue_format::EntryId;

use super::LedgerError;

/// Ids in one file: so many are known for sure, up to twice as many when the newer file is nearly full.
const CAPACITY: usize = 50_000;

/// The ids that this and every other process has finished.
#[derive(Debug)]
pub(super) struct Finished {
    path: PathBuf,
    old_path: PathBuf,
    /// Held while a line is appended or the files are exchanged; released by the kernel when the process dies.
    lock: File,
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    file: Arc<File>,
    inode: u64,
    /// How far `file` has been read.
    read_to: u64,
    /// Behind that there is a line without its end.
    torn: bool,
    new: HashSet<EntryId>,
    old: HashSet<EntryId>,
}

impl Finished {
    pub(super) fn open(dir: &Path) -> Result<Finished, LedgerError> {
        Finished::with_capacity(dir, CAPACITY)
    }

    fn with_capacity(dir: &Path, capacity: usize) -> Result<Finished, LedgerError> {
        let (path, old_path) = (dir.join("finished"), dir.join("finished.old"));
        let lock = File::create(dir.join("finished.lock")).map_err(LedgerError::new(dir, "opened"))?;
        let seen = lock.lock().and_then(|()| Seen::open(&path, &old_path));
        let seen = seen.and_then(|seen| lock.unlock().map(|()| seen)).map_err(LedgerError::new(&path, "opened"))?;
        Ok(Finished { path, old_path, lock, capacity, seen: Mutex::new(seen) })
    }

    /// Adds an id, for every process; false when this process has done that before.
    pub(super) fn add(&self, id: EntryId) -> io::Result<bool> {
        let mut seen = self.seen();
        if seen.has(id) {
            return Ok(false);
        }
        self.lock.lock()?;
        let added = self.refresh(&mut seen).and_then(|()| {
            if seen.new.len() >= self.capacity {
                // What is renamed is not synced later.
                seen.file.sync_data()?;
                std::fs::rename(&self.path, &self.old_path)?;
                self.refresh(&mut seen)?;
            }
            seen.append(id)
        });
        self.lock.unlock()?;
        added.map(|()| true)
    }

    /// Has any process finished this entry? When the files cannot be read, what this process knows counts.
    pub(super) fn contains(&self, id: EntryId) -> bool {
        let mut seen = self.seen();
        if !seen.has(id)
            && let Err(error) = self.refresh(&mut seen)
        {
            tracing::warn!(file = %self.path.display(), %error, "the ids of finished entries cannot be read");
        }
        seen.has(id)
    }

    /// Brings what was added so far to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let file = Arc::clone(&self.seen().file);
        file.sync_data()
    }

    /// Reads what other processes have added.
    fn refresh(&self, seen: &mut Seen) -> io::Result<()> {
        let inode = std::fs::metadata(&self.path).map(|data| data.ino());
        if inode.is_ok_and(|inode| inode == seen.inode) {
            return seen.read_on();
        }
        // The files were exchanged, once or oftener, or somebody took them away.
        *seen = Seen::open(&self.path, &self.old_path)?;
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn open(path: &Path, old_path: &Path) -> io::Result<Seen> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let inode = file.metadata()?.ino();
        let old = match std::fs::read(old_path) {
            Ok(bytes) => ids(&bytes).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashSet::new(),
            Err(error) => return Err(error),
        };
        let mut seen = Seen { file: Arc::new(file), inode, read_to: 0, torn: false, new: HashSet::new(), old };
        seen.read_on()?;
        Ok(seen)
    }

    fn has(&self, id: EntryId) -> bool {
        self.new.contains(&id) || self.old.contains(&id)
    }

    fn read_on(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() <= self.read_to {
            self.torn = false;
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.read_to))?;
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.new.extend(ids(&bytes[..whole]));
        self.read_to += whole as u64;
        self.torn = whole < bytes.len();
        Ok(())
    }

    /// Adds a line to the file, of which all has been read. After a loss of power, or on a full disk, that may end in the middle of a
    /// line: the next one must not be appended to it.
    fn append(&mut self, id: EntryId) -> io::Result<()> {
        let line = format!("{}{id}\n", if self.torn { "\n" } else { "" });
        (&*self.file).write_all(line.as_bytes())?;
        if !self.torn {
            self.read_to += line.len() as u64;
        }
        self.new.insert(id);
        Ok(())
    }
}

fn ids(bytes: &[u8]) -> impl Iterator<Item = EntryId> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::Timestamp;

    fn id(number: u32) -> EntryId {
        EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]).derive("test", number)
    }

    #[test]
    fn the_last_ids_are_known_and_the_oldest_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) =
            (Finished::with_capacity(dir.path(), 10).unwrap(), Finished::with_capacity(dir.path(), 10).unwrap());
        for number in 0..95 {
            if number % 3 == 0 { one.add(id(number)) } else { other.add(id(number)) }.unwrap();
            assert!(one.contains(id(number)) && other.contains(id(number)));
            assert!((number.saturating_sub(9)..=number).all(|recent| one.contains(id(recent))), "{number}");
        }
        for finished in [&one, &other, &Finished::with_capacity(dir.path(), 10).unwrap()] {
            assert!(!finished.contains(id(60)) && finished.contains(id(94)));
        }
        let size = |name| std::fs::metadata(dir.path().join(name)).unwrap().len();
        assert!(size("finished") + size("finished.old") <= 20 * 37);
    }

    #[test]
    fn a_torn_id_does_not_swallow_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("{}\n{}", id(1), &id(2).to_string()[..10]);
        std::fs::write(dir.path().join("finished"), text).unwrap();
        let finished = Finished::open(dir.path()).unwrap();
        finished.add(id(3)).unwrap();
        let again = Finished::open(dir.path()).unwrap();
        assert!(again.contains(id(1)) && !again.contains(id(2)) && again.contains(id(3)));
    }
}
