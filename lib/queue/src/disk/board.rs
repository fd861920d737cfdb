//! The notice board on the disk: one file in `spool/board`, replaced by a rename.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::dir::Dir;
use crate::{Board, QueueError, clock};

/// The notice.
const NOTICE: &str = "notice";
/// How often a reader that waits looks for another one.
const LOOK: Duration = Duration::from_millis(200);

/// A board for the processes that share a spool. Foreign runners need not know of it.
#[derive(Debug)]
pub struct DiskBoard {
    dir: Dir,
}

impl DiskBoard {
    /// Opens the board of the spool at `path`; makes its directory where it is missing.
    ///
    /// # Errors
    /// The directory cannot be made or opened.
    pub fn open(path: &Path) -> Result<Self, QueueError> {
        Ok(DiskBoard { dir: Dir::open(&path.join("board"))? })
    }

    /// The mark of the notice that hangs now. A rename brings another inode or another time with it, so no two that follow each other
    /// have the same.
    fn mark(&self) -> Result<Option<u64>, QueueError> {
        match fs::metadata(self.dir.path().join(NOTICE)) {
            Ok(meta) => {
                let time = meta.mtime().wrapping_mul(1_000_000_000).wrapping_add(meta.mtime_nsec());
                Ok(Some(time.cast_unsigned() ^ meta.ino().rotate_left(48)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("look for", error)),
        }
    }

    fn failed(&self, doing: &'static str, error: std::io::Error) -> QueueError {
        QueueError::os(doing, self.dir.at(NOTICE.as_bytes()), error)
    }
}

impl Board for DiskBoard {
    fn post(&self, notice: &[u8]) -> Result<(), QueueError> {
        let name = loop {
            let name = format!("{:020}.{}", clock::next(), std::process::id());
            if self.dir.write_new(&name, notice, || Ok(()))? {
                break name;
            }
        };
        if let Err(errno) = self.dir.rename(&name, &self.dir, NOTICE) {
            self.dir.discard(&name);
            return Err(self.dir.failed("rename to", NOTICE, errno));
        }
        self.dir.sync()
    }

    fn newest(&self, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(mark) = self.mark()?.filter(|mark| Some(*mark) != seen) {
                match fs::read(self.dir.path().join(NOTICE)) {
                    Ok(notice) => return Ok(Some((mark, notice))),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(self.failed("read", error)),
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(LOOK.min(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_notice_hangs_until_the_next_one_for_every_reader() {
        let dir = TempDir::new().unwrap();
        let (writer, reader) = (DiskBoard::open(dir.path()).unwrap(), DiskBoard::open(dir.path()).unwrap());
        assert_eq!(reader.newest(None, Duration::ZERO).unwrap(), None);
        writer.post(b"one").unwrap();
        let (first, notice) = reader.newest(None, Duration::ZERO).unwrap().unwrap();
        assert_eq!(notice, b"one");
        assert_eq!(reader.newest(Some(first), Duration::ZERO).unwrap(), None);
        let waiting = thread::spawn(move || reader.newest(Some(first), Duration::from_secs(60)).unwrap().unwrap());
        writer.post(b"two").unwrap();
        let (second, notice) = waiting.join().unwrap();
        assert_eq!(notice, b"two");
        let late = DiskBoard::open(dir.path()).unwrap();
        assert_eq!(late.newest(None, Duration::ZERO).unwrap(), Some((second, b"two".to_vec())));
        assert_eq!(fs::read_dir(dir.path().join("board")).unwrap().count(), 1);
    }
}
