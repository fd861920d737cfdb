//! A page: the outcomes of one entry.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listmill_queue_format::{Entry, EntryId, Outcome};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Claimant, LedgerError};

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
    /// None until there is something to write.
    file: Option<Arc<File>>,
    addresses: Vec<String>,
    done: BTreeMap<usize, Outcome>,
    /// The last write failed, perhaps in the middle of a line.
    torn: bool,
}

impl Page {
    /// Opens the page, or makes it, and locks it: nobody else on this host delivers the entry at the same time. What is in it that concerns
    /// this distribution list is done.
    ///
    /// With [`Claimant::Alone`] that is so already, and the page of an entry with one recipient is not made before there is something to
    /// write.
    pub(super) fn open(path: PathBuf, entry: &Entry, claimant: Claimant) -> Result<Page, LedgerError> {
        let addresses: Vec<_> = entry.recipients.iter().map(|recipient| recipient.address.clone()).collect();
        let may_wait = claimant == Claimant::Alone && addresses.len() == 1;
        let mut page = Page { id: entry.id, path, file: None, addresses, done: BTreeMap::new(), torn: false };
        let mut file = match OpenOptions::new().read(true).append(true).create(!may_wait).open(&page.path) {
            Err(error) if may_wait && error.kind() == io::ErrorKind::NotFound => return Ok(page),
            opened => opened.map_err(LedgerError::new(&page.path, "opened"))?,
        };
        lock(&file, &page.path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(LedgerError::new(&page.path, "read"))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            // The writer was killed in the middle of a line.
            file.set_len(whole as u64).map_err(LedgerError::new(&page.path, "written"))?;
        }
        page.done = read(&bytes[..whole], &page.addresses);
        page.file = Some(Arc::new(file));
        Ok(page)
    }

    /// The entry.
    pub(crate) fn id(&self) -> EntryId {
        self.id
    }

    /// The recipients that are done, by their place.
    pub(crate) fn done(&self) -> &BTreeMap<usize, Outcome> {
        &self.done
    }

    /// The file, when there is one.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.file.clone()
    }

    /// Do these outcomes say no more than that the entry is finished, and is there no page yet? So they do where nobody else is in its
    /// distribution list, and nothing follows from the reply. Then its id is written among the finished ones, and there is no page.
    pub(super) fn is_finished_by(&self, outcomes: &[(usize, Outcome)]) -> bool {
        let is_sole = self.addresses.len() == 1 && self.file.is_none();
        is_sole && matches!(outcomes, [(0, outcome)] if outcome.code / 100 == 2)
    }

    /// These outcomes are written down, in `finished`.
    pub(super) fn note(&mut self, outcomes: &[(usize, Outcome)]) {
        for (place, outcome) in outcomes {
            self.done.entry(*place).or_insert_with(|| outcome.clone());
        }
    }

    /// Appends lines with one write(2). The outcomes count as done even when that fails.
    pub(super) fn write(&mut self, outcomes: &[(usize, Outcome)]) -> Result<(), LedgerError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        self.note(outcomes);
        let mut lines = if self.torn { b"\n".to_vec() } else { Vec::new() };
        for (place, outcome) in outcomes {
            let address = self.addresses.get(*place).cloned().unwrap_or_default();
            let line = Line { place: *place, address, outcome: outcome.clone() };
            serde_json::to_writer(&mut lines, &line)
                .map_err(|error| LedgerError::new(&self.path, "written")(error.into()))?;
            lines.push(b'\n');
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let made = OpenOptions::new().append(true).create(true).open(&self.path);
                let made = made.map_err(LedgerError::new(&self.path, "made"))?;
                lock(&made, &self.path)?;
                none.insert(Arc::new(made))
            }
        };
        let written = (&**file).write_all(&lines);
        self.torn = written.is_err();
        written.map_err(LedgerError::new(&self.path, "written"))
    }

    #[cfg(test)]
    pub(super) fn fail_from_now_on(&mut self) {
        std::fs::write(&self.path, b"").unwrap();
        self.file = Some(Arc::new(File::open(&self.path).unwrap()));
    }
}

impl Drop for Page {
    /// Whoever syncs the page has its file open for longer.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Closing it unlocks it as well.
            let _ = flock(&**file, FlockOperation::Unlock);
        }
    }
}

/// A broker that restarts hands an entry out again while the first delivery of it is still under way.
fn lock(file: &File, path: &Path) -> Result<(), LedgerError> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
        let busy = io::Error::new(errno.kind(), "another delivery of this entry is under way");
        LedgerError::new(path, "locked")(if errno == Errno::WOULDBLOCK { busy } else { errno.into() })
    })
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
