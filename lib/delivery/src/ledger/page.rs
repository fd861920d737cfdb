//! A page: the outcomes of one entry.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use listmill_queue_format::{Entry, EntryId, Outcome};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::LedgerError;

/// One line of a page.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// The place in the distribution list.
    place: usize,
    /// The address there.
    address: String,
    /// How it ended.
    outcome: Outcome,
}

/// The page of an entry that is being delivered.
#[derive(Debug)]
pub(crate) struct Page {
    id: EntryId,
    path: PathBuf,
    file: Arc<File>,
    addresses: Vec<String>,
    done: BTreeMap<usize, Outcome>,
    /// The last write failed, perhaps in the middle of a line.
    torn: bool,
}

impl Page {
    /// Opens the page, or makes it, and locks it: nobody else on this host delivers the entry at the same time. What is in it that concerns this distribution list is done.
    pub(super) fn open(path: PathBuf, entry: &Entry) -> Result<Page, LedgerError> {
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = opened.map_err(LedgerError::new(&path, "opened"))?;
        // A broker that restarts hands an entry out again while the first delivery of it is still under way.
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            let busy = std::io::Error::new(errno.kind(), "another delivery of this entry is under way");
            LedgerError::new(&path, "locked")(if errno == Errno::WOULDBLOCK { busy } else { errno.into() })
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LedgerError::new(&path, "read"))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            // The writer was killed in the middle of a line.
            file.set_len(whole as u64).map_err(LedgerError::new(&path, "written"))?;
        }
        let addresses: Vec<String> = entry.recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let done = read(&bytes[..whole], &addresses);
        Ok(Page { id: entry.id, path, file: Arc::new(file), addresses, done, torn: false })
    }

    /// The entry.
    pub(crate) fn id(&self) -> EntryId {
        self.id
    }

    /// The recipients that are done, by their place.
    pub(crate) fn done(&self) -> &BTreeMap<usize, Outcome> {
        &self.done
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Appends lines with one write(2). The outcomes count as done even when that fails.
    pub(super) fn write(&mut self, outcomes: &[(usize, Outcome)]) -> Result<(), LedgerError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut lines = if self.torn { b"\n".to_vec() } else { Vec::new() };
        for (place, outcome) in outcomes {
            self.done.entry(*place).or_insert_with(|| outcome.clone());
            let address = self.addresses.get(*place).cloned().unwrap_or_default();
            let line = Line { place: *place, address, outcome: outcome.clone() };
            serde_json::to_writer(&mut lines, &line)
                .map_err(|error| LedgerError::new(&self.path, "written")(error.into()))?;
            lines.push(b'\n');
        }
        let written = (&*self.file).write_all(&lines);
        self.torn = written.is_err();
        written.map_err(LedgerError::new(&self.path, "written"))
    }

    #[cfg(test)]
    pub(super) fn fail_from_now_on(&mut self) {
        self.file = Arc::new(File::open(&self.path).unwrap());
    }
}

impl Drop for Page {
    /// Whoever syncs the page has its file open for longer.
    fn drop(&mut self) {
        // Closing it unlocks it as well.
        let _ = flock(&*self.file, FlockOperation::Unlock);
    }
}

/// The outcomes in these lines, by the place of their address in this distribution list. Of two about one recipient the
/// first counts: it was the final reply.
fn read(bytes: &[u8], addresses: &[String]) -> BTreeMap<usize, Outcome> {
    let mut done = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        // After a loss of power there may be anything in the last blocks.
        let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
        let is_here = addresses.get(line.place) == Some(&line.address);
        let place = if is_here { Some(line.place) } else { addresses.iter().position(|one| *one == line.address) };
        if let Some(place) = place {
            done.entry(place).or_insert(line.outcome);
        }
    }
    done
}
