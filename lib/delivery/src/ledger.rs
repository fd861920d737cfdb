//! The ledger: which recipients of an entry have had their final reply, across a kill of this process.

use std::path::{Path, PathBuf};

use listmill_queue_format::{Entry, EntryId, Outcome};

/// A ledger in a directory; several processes may share it, each with its own entries.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
}

/// The ledger cannot be read or written: give the entry back and try again later.
#[derive(Debug, thiserror::Error)]
#[error("the ledger {path} cannot be {what}: {source}")]
pub struct LedgerError {
    /// The file or directory.
    pub path: PathBuf,
    /// "opened", "read", "written", …
    pub what: &'static str,
    /// What the system said.
    pub source: std::io::Error,
}

impl Ledger {
    /// The ledger in this directory, which is made when it is not there.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn open(dir: &Path) -> Result<Ledger, LedgerError> {
        Ok(Ledger { dir: dir.to_owned() })
    }

    /// Begins an entry, or takes up one that a killed process had begun: the recipients that are done, with their outcomes.
    ///
    /// # Errors
    /// The file cannot be opened or read; nothing may be sent then.
    pub fn begin(&self, entry: &Entry) -> Result<Vec<(usize, Outcome)>, LedgerError> {
        let _ = (entry, &self.dir);
        Ok(Vec::new())
    }

    /// Writes outcomes down, right after the final reply was read.
    ///
    /// # Errors
    /// The file cannot be written. This process still knows the outcomes until [`Ledger::finish`].
    pub fn record(&self, entry: &Entry, outcomes: &[(usize, Outcome)]) -> Result<(), LedgerError> {
        let _ = (entry, outcomes);
        Ok(())
    }

    /// Forgets the outcomes of an entry and remembers that it is finished; for after its release.
    pub fn finish(&self, id: EntryId) {
        let _ = id;
    }

    /// Was this entry finished before (one of the last 50,000 at least)?
    pub fn was_finished(&self, id: EntryId) -> bool {
        let _ = id;
        false
    }
}
