//! The thread that brings the ledger to the disk about once a second.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_queue_format::EntryId;

use super::LedgerError;
use super::finished::Finished;

/// How long what was written may be unsynced.
const INTERVAL: Duration = Duration::from_secs(1);
/// From so many pages on, one sync of the whole file system is cheaper than one for each.
const MANY: usize = 16;

/// The thread, and what it has to do. Dropped, it does the rest first.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    dir: File,
    finished: Arc<Finished>,
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Due {
    pages: HashMap<EntryId, Arc<File>>,
    /// Pages to remove once their ids are on the disk.
    removals: Vec<PathBuf>,
    /// Ids have been added to the finished ones.
    ids: bool,
    stop: bool,
}

impl Due {
    fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.removals.is_empty() && !self.ids
    }
}

impl Syncer {
    pub(super) fn start(dir: &Path, finished: Arc<Finished>) -> Result<Syncer, LedgerError> {
        let file = File::open(dir).map_err(LedgerError::new(dir, "opened"))?;
        let shared = Arc::new(Shared { dir: file, finished, due: Mutex::default(), changed: Condvar::new() });
        let works_on = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || works_on.run());
        let thread = thread.map_err(LedgerError::new(dir, "synced"))?;
        Ok(Syncer { shared, thread: Some(thread) })
    }

    /// This page has new lines.
    pub(super) fn dirty(&self, id: EntryId, page: Arc<File>) {
        self.shared.note(|due| {
            due.pages.insert(id, page);
        });
    }

    /// This entry's id has been added to the finished ones: its page may go.
    pub(super) fn finished(&self, id: EntryId, page: PathBuf) {
        self.shared.note(|due| {
            due.pages.remove(&id);
            due.removals.push(page);
            due.ids = true;
        });
    }

    /// The id of an entry without a page has been added to the finished ones.
    pub(super) fn finished_at_once(&self) {
        self.shared.note(|due| due.ids = true);
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.due().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something to do. The thread is woken for the first of it only.
    fn note(&self, add: impl FnOnce(&mut Due)) {
        let mut due = self.due();
        let first = due.is_empty();
        add(&mut due);
        drop(due);
        if first {
            self.changed.notify_one();
        }
    }

    fn run(&self) {
        loop {
            let idle = |due: &mut Due| !due.stop && due.is_empty();
            let due = self.changed.wait_while(self.due(), idle).unwrap_or_else(PoisonError::into_inner);
            // Something is to do: let more of it come together.
            let waited = self.changed.wait_timeout_while(due, INTERVAL, |due| !due.stop);
            let (mut due, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let stop = due.stop;
            let todo = std::mem::take(&mut *due);
            due.stop = stop;
            drop(due);
            if let Err(error) = self.sync(&todo) {
                tracing::error!(%error, "the ledger cannot be synced: a loss of power would now deliver twice");
            }
            if stop {
                return;
            }
        }
    }

    /// Pages first, then the ids of finished entries, and only then the finished pages go.
    fn sync(&self, Due { pages, removals, ids, .. }: &Due) -> io::Result<()> {
        if pages.len() > MANY {
            rustix::fs::syncfs(&self.dir)?;
        } else if !pages.is_empty() {
            for page in pages.values() {
                page.sync_data()?;
            }
            self.dir.sync_all()?;
        }
        if *ids {
            self.finished.sync()?;
        }
        for page in removals {
            match std::fs::remove_file(page) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
