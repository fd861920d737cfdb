//! Reception's side: the last directory that was seen, in memory and in a file, so that it outlives restarts of either side.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_core::{Directory, Unavailable};
use listmill_queue::Board;

use crate::{Health, Stop};

/// How long one look at the board waits for news; a stop is heeded that late.
const LOOK: Duration = Duration::from_millis(500);
/// How long to wait when the board cannot be read.
const PAUSE: Duration = Duration::from_secs(2);
/// The name in `status` of what is waited for.
const TROUBLE: &str = "directory";

/// The last directory that this host has seen; clones are the same one.
#[derive(Debug, Clone)]
pub struct KnownDirectory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    known: RwLock<Option<Arc<Directory>>>,
}

impl KnownDirectory {
    /// What the file has kept; nothing when there is none, or when it cannot be read: the next one replaces it.
    pub fn open(file: &Path) -> KnownDirectory {
        let known = match fs::read(file) {
            Ok(bytes) => Directory::from_json(&bytes)
                .inspect_err(|error| tracing::error!("{} is {error}; waiting for another", file.display()))
                .ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                tracing::error!("failed to read {}: {error}; waiting for another directory", file.display());
                None
            }
        };
        KnownDirectory(Arc::new(Inner { file: file.to_owned(), known: RwLock::new(known.map(Arc::new)) }))
    }

    /// The last one.
    ///
    /// # Errors
    /// This host has never seen one.
    pub fn last(&self) -> Result<Arc<Directory>, Unavailable> {
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.ok_or_else(|| Unavailable {
            reason: "this host has seen no directory of lists yet: the one that has the store publishes it".to_owned(),
        })
    }

    /// From now on this is the last one. Kept in the file first, so that nobody is refused after a restart who was not before; but where
    /// that cannot be written, it is known all the same, until the process ends.
    fn learn(&self, notice: &[u8]) -> Result<usize, NotLearnt> {
        let directory = Directory::from_json(notice).map_err(|error| NotLearnt::NoDirectory(error.to_string()))?;
        let lists = directory.len();
        let kept = keep(&self.0.file, notice);
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(directory));
        kept.map_err(|error| NotLearnt::NotKept { file: self.0.file.clone(), error })?;
        Ok(lists)
    }
}

/// Why a notice is not the last directory in memory and in the file.
#[derive(Debug, thiserror::Error)]
enum NotLearnt {
    /// It is none.
    #[error("a directory came that is of no use: {0}")]
    NoDirectory(String),
    /// It is known, and would be forgotten with the process.
    #[error("failed to write {}: {error}; until it can be, a restart loses what is new in it", file.display())]
    NotKept { file: PathBuf, error: io::Error },
}

/// Replaces the file, durably.
fn keep(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&unfinished, file)?;
    file.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Watches the board until `stop` is thrown, and learns each directory that is put up there.
///
/// # Errors
/// The system gives no thread.
pub fn watch_directory(
    known: &KnownDirectory,
    board: Arc<dyn Board>,
    health: &Health,
    stop: &Stop,
) -> io::Result<JoinHandle<()>> {
    let (known, health, stop) = (known.clone(), health.clone(), stop.clone());
    std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
        let mut seen = None;
        while !stop.is_stopped() {
            match board.newest(seen, LOOK) {
                Ok(None) => health.trouble(TROUBLE, known.last().err().map(|none| none.reason)),
                Ok(Some((mark, notice))) => {
                    let learnt = known.learn(&notice);
                    match &learnt {
                        Ok(lists) => tracing::info!("the directory has {lists} lists"),
                        Err(reason) => tracing::error!("{reason}"),
                    }
                    let again = matches!(learnt, Err(NotLearnt::NotKept { .. }));
                    health.trouble(TROUBLE, learnt.err().map(|error| error.to_string()));
                    if again {
                        stop.wait(PAUSE); // and then it is read again, because it was not seen yet
                    } else {
                        seen = Some(mark);
                    }
                }
                Err(error) => {
                    tracing::warn!("the directory cannot be looked for: {error}");
                    health.trouble(TROUBLE, Some(error.to_string()));
                    stop.wait(PAUSE);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use listmill_core::StoreView;
    use listmill_queue::DiskBoard;
    use tempfile::TempDir;

    use super::*;

    const ONE: &[u8] = br#"{"format":"listmill-directory/1","lists":[{"address":"dev@lists.example.org"}]}"#;

    #[test]
    fn the_last_one_outlives_a_restart_and_what_is_none_changes_nothing() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("directory");
        let known = KnownDirectory::open(&file);
        assert!(known.last().unwrap_err().reason.contains("no directory"));
        assert_eq!(known.learn(ONE).unwrap(), 1);
        assert!(known.learn(b"{}").is_err());
        for known in [known, KnownDirectory::open(&file)] {
            let list = known.last().unwrap().list(&"dev@lists.example.org".parse().unwrap()).unwrap();
            assert!(list.is_some());
        }
        fs::write(&file, &ONE[..40]).unwrap();
        assert!(KnownDirectory::open(&file).last().is_err());
    }
    #[test]
    fn one_that_cannot_be_kept_is_known_and_kept_later() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("later/directory");
        let (known, health, stop) = (KnownDirectory::open(&file), Health::default(), Stop::default());
        let board = DiskBoard::open(dir.path()).unwrap();
        board.post(ONE).unwrap();
        let wait_for = |what: &str, done: &dyn Fn() -> bool| {
            let until = Instant::now() + Duration::from_secs(20);
            while !done() {
                assert!(Instant::now() < until, "waited for {what}");
                stop.wait(Duration::from_millis(10));
            }
        };
        let watching = watch_directory(&known, Arc::new(board), &health, &stop).unwrap();
        let trouble = || health.troubles().get(TROUBLE).cloned().unwrap_or_default();
        wait_for("the trouble", &|| trouble().contains("later/directory"));
        assert_eq!(known.last().unwrap().len(), 1);
        fs::create_dir(dir.path().join("later")).unwrap();
        wait_for("the end of the trouble", &|| trouble().is_empty());
        assert_eq!(fs::read(&file).unwrap(), ONE);
        stop.stop();
        watching.join().unwrap();
    }
}
