//! The ledger: which recipients of an entry have had their final reply, across a kill of this process.
//!
//! ```text
//! DIR/<entry id>    a page: one line of JSON for each recipient with an outcome, appended when its final reply was read
//! DIR/finished      the ids of entries that were released, one a line; finished.old before it; finished.lock beside it
//! ```
//!
//! An entry with one recipient, as every letter is, needs no page when the reply is good and its claim excludes every other: nothing follows
//! from the reply, so its id goes to `finished` at once, and in the table that is its line.
//!
//! A line reaches the kernel with one write(2) before the connection's next final dot leaves, so it survives a kill; what ends on several
//! connections at the same moment is one write. About once a
//! second what was written is synced to the disk, so it survives a loss of power but for that second.
//!
//! | killed … | at the next start | sent twice at most |
//! | --- | --- | --- |
//! | before the plan is carried out | there is an empty page or none: all are sent to | nobody |
//! | during a transaction, before its final reply is read | its recipients have no line: they are sent to again | the recipients of the transactions whose final dot was out: at most `connections` transactions |
//! | after the reply, before the line is written | the same | the same |
//! | in the middle of writing lines | a line without its end is no line | the same |
//! | after the line | they are skipped, and reported to `settle` with the outcome in the line | nobody |
//! | after all transactions, before `settle`'s entries are written and the entry is released | all outcomes are in the page: `settle` derives the same entries under the same ids | nobody |
//! | after the release, before [`Ledger::finish`] | the page is left over; if an upstream runner that was killed writes the entry again, its page says that all is done. Swept after 30 days | nobody |
//! | in `finish`, between the id in `finished` and the page's removal | both say it | nobody |
//! | power loss | as above, but lines and ids of the last second may be missing | the deliveries of that second |
//!
//! The id goes to the disk in `finished` before its page is removed, also across a loss of power. An outcome that could not be
//! written (the disk is full) is kept in this process, and written when the entry is begun again.
//!
//! A page is locked (`flock`) while its entry is being delivered. The queue may hand the same entry out a second time meanwhile: a broker that restarts has
//! forgotten that it is in hand. The second delivery waits, and then finds everybody done. So whatever comes from a broker has a page ([`Claimant`]).
//!
//! Lines name a recipient by its place and its address, so that a page is never taken for another distribution list.

mod finished;
mod page;
mod sync;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use listmill_queue_format::{Entry, EntryId, Outcome};

use finished::Finished;
pub(crate) use page::Page;
use sync::Syncer;

/// How old a page is when it is taken for a leftover. Far above the five days that an entry may take, for queues that are paused.
const LEFTOVER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Outcomes that could not be written.
type Unwritten = HashMap<EntryId, Vec<(usize, Outcome)>>;

/// A ledger in a directory; several processes may share it, each with its own entries. A clone is the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger {
    dir: PathBuf,
    finished: Arc<Finished>,
    syncer: Arc<Syncer>,
    unwritten: Arc<Mutex<Unwritten>>,
}

/// What is known of the claim to an entry that is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimant {
    /// Nobody else can have one to the same entry while this one lives.
    Alone,
    /// Somebody else may have one as well: a broker that restarts hands out again what is still in hand.
    PerhapsOneOfTwo,
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
    pub source: io::Error,
}

impl LedgerError {
    pub(crate) fn new(path: &Path, what: &'static str) -> impl Fn(io::Error) -> LedgerError {
        let path = path.to_owned();
        move |source| LedgerError { path: path.clone(), what, source }
    }
}

impl Ledger {
    /// The ledger in this directory, which is made when it is not there.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn open(dir: &Path) -> Result<Ledger, LedgerError> {
        std::fs::create_dir_all(dir).map_err(LedgerError::new(dir, "made"))?;
        sweep(dir);
        let finished = Arc::new(Finished::open(dir)?);
        let syncer = Arc::new(Syncer::start(dir, Arc::clone(&finished))?);
        Ok(Ledger { dir: dir.to_owned(), finished, syncer, unwritten: Arc::default() })
    }

    /// Begins an entry, or takes up one that a killed process had begun.
    ///
    /// # Errors
    /// The page cannot be opened, read or written, or another delivery of the same entry is under way or has just ended; nothing may be sent then.
    pub(crate) fn begin(&self, entry: &Entry, claimant: Claimant) -> Result<Page, LedgerError> {
        let path = self.path(entry.id);
        let mut page = Page::open(path.clone(), entry, claimant)?;
        if claimant == Claimant::PerhapsOneOfTwo && self.was_finished(entry.id) {
            // Since it was asked whether it is: the other delivery has ended, and its page may be gone.
            let _ = std::fs::remove_file(&path);
            return Err(LedgerError::new(&path, "begun")(io::Error::other("the entry has just been finished")));
        }
        let unwritten = self.unwritten().remove(&entry.id).unwrap_or_default();
        if let Err(error) = page.write(&unwritten) {
            self.unwritten().insert(entry.id, unwritten);
            return Err(error);
        }
        Ok(page)
    }

    /// Writes outcomes down, right after the final reply was read. When they cannot be written this process still knows them.
    pub(crate) fn record(&self, page: &mut Page, outcomes: &[(usize, Outcome)]) {
        if page.is_finished_by(outcomes) && self.finished.add(page.id()).is_ok() {
            page.note(outcomes);
            self.syncer.finished_at_once();
            return;
        }
        if let Err(error) = page.write(outcomes) {
            tracing::error!(entry = %page.id(), %error, "a kill of this process would now deliver twice");
            self.unwritten().entry(page.id()).or_default().extend_from_slice(outcomes);
        } else if let Some(file) = page.file() {
            self.syncer.dirty(page.id(), file);
        }
    }

    /// Remembers that an entry is finished, and forgets its outcomes; for after its release.
    pub fn finish(&self, id: EntryId) {
        self.unwritten().remove(&id);
        match self.finished.add(id) {
            Ok(true) => self.syncer.finished(id, self.path(id)),
            // Its one recipient's reply has said so.
            Ok(false) => {}
            // The page stays, and says the same.
            Err(error) => tracing::warn!(entry = %id, %error, "the entry cannot be marked as finished"),
        }
    }

    /// How much is written down of this entry, in octets: it grows with each transaction that ends.
    pub fn noted(&self, id: EntryId) -> u64 {
        std::fs::metadata(self.path(id)).map_or(0, |page| page.len())
    }

    /// Was this entry finished before? One of the last 50,000 is known for sure.
    pub fn was_finished(&self, id: EntryId) -> bool {
        self.finished.contains(id)
    }

    fn path(&self, id: EntryId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the pages that a kill between release and `finish` has left over. What cannot be removed stays: it does no harm.
fn sweep(dir: &Path) {
    let now = SystemTime::now();
    for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_page = file.file_name().to_str().is_some_and(|name| name.parse::<EntryId>().is_ok());
        let modified = file.metadata().and_then(|data| data.modified());
        let age = modified.ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default();
        if is_page && age > LEFTOVER {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claimant::{Alone, PerhapsOneOfTwo};
    use super::*;
    use listmill_queue_format::{Envelope, Recipient, Timestamp};

    fn entry(chance: u8, recipients: usize) -> Entry {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]);
        let mut entry = Entry::arrived(id, Timestamp::UNIX_EPOCH, Envelope::default(), b"x".as_slice().into());
        let recipient = |n| Recipient { address: format!("r{n}@example.net"), ..Recipient::default() };
        entry.recipients = (0..recipients).map(recipient).collect();
        entry
    }

    fn outcome(code: u16) -> Outcome {
        let (at, text) = (Timestamp::UNIX_EPOCH, "text with \n in it".to_owned());
        Outcome { at, code, status: "2.0.0".to_owned(), text, other: Default::default() }
    }

    fn places(page: &Page) -> Vec<usize> {
        page.done().keys().copied().collect()
    }

    #[test]
    fn another_process_takes_up_where_the_first_was_killed() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(1, 5);
        let first = Ledger::open(dir.path()).unwrap();
        let mut page = first.begin(&entry, Alone).unwrap();
        assert_eq!(places(&page), [0_usize; 0]);
        first.record(&mut page, &[(3, outcome(250)), (0, outcome(450))]);
        drop(page);
        let second = Ledger::open(dir.path()).unwrap();
        let page = second.begin(&entry, Alone).unwrap();
        assert_eq!(places(&page), [0, 3]);
        assert_eq!(page.done().get(&0), Some(&outcome(450)));
    }

    #[test]
    fn an_entry_that_a_broker_hands_out_is_delivered_by_one_at_a_time() {
        for recipients in [1, 2] {
            let dir = tempfile::tempdir().unwrap();
            let (entry, other) = (entry(7, recipients), entry(8, 2));
            let (first, second) = (Ledger::open(dir.path()).unwrap(), Ledger::open(dir.path()).unwrap());
            let mut page = first.begin(&entry, PerhapsOneOfTwo).unwrap();
            for ledger in [&first, &second] {
                let refused = ledger.begin(&entry, PerhapsOneOfTwo).unwrap_err().to_string();
                assert!(refused.contains("another delivery of this entry is under way"), "{refused}");
                drop(ledger.begin(&other, PerhapsOneOfTwo).unwrap());
            }
            first.record(&mut page, &[(0, outcome(250))]);
            drop(page);
            // The page is still to be synced, and is free all the same.
            assert_eq!(places(&second.begin(&entry, PerhapsOneOfTwo).unwrap()), [0]);
            first.finish(entry.id);
            for ledger in [&first, &second] {
                let refused = ledger.begin(&entry, PerhapsOneOfTwo).unwrap_err().to_string();
                assert!(refused.contains("finished"), "{refused}");
            }
        }
    }

    #[test]
    fn a_torn_line_is_no_line_and_does_no_harm_to_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(2, 5);
        let ledger = Ledger::open(dir.path()).unwrap();
        ledger.record(&mut ledger.begin(&entry, Alone).unwrap(), &[(0, outcome(250)), (1, outcome(250))]);
        let path = dir.path().join(entry.id.to_string());
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for size in 0..whole.len() {
            std::fs::write(&path, &whole[..size]).unwrap();
            let mut page = ledger.begin(&entry, Alone).unwrap();
            assert_eq!(places(&page), if size < first { vec![] } else { vec![0] }, "{size} bytes");
            ledger.record(&mut page, &[(4, outcome(250))]);
            drop(page);
            assert_eq!(places(&ledger.begin(&entry, Alone).unwrap()), if size < first { vec![4] } else { vec![0, 4] });
        }
    }

    #[test]
    fn a_page_is_not_taken_for_another_distribution_list() {
        let dir = tempfile::tempdir().unwrap();
        let mut entry = entry(3, 4);
        let ledger = Ledger::open(dir.path()).unwrap();
        ledger.record(&mut ledger.begin(&entry, Alone).unwrap(), &[(0, outcome(250)), (1, outcome(250))]);
        entry.recipients.remove(0);
        assert_eq!(places(&ledger.begin(&entry, Alone).unwrap()), [0], "r1 moved up, r0 is gone");
    }

    #[test]
    fn a_finished_entry_is_known_to_every_process_and_its_page_goes() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(4, 2);
        let (first, second) = (Ledger::open(dir.path()).unwrap(), Ledger::open(dir.path()).unwrap());
        first.record(&mut first.begin(&entry, Alone).unwrap(), &[(0, outcome(250)), (1, outcome(250))]);
        assert!(!second.was_finished(entry.id));
        first.finish(entry.id);
        assert!(first.was_finished(entry.id) && second.was_finished(entry.id));
        drop(first);
        assert!(!dir.path().join(entry.id.to_string()).exists(), "removed at the latest when the ledger is closed");
        assert!(Ledger::open(dir.path()).unwrap().was_finished(entry.id));
    }

    /// Killed between the reply and the release.
    #[test]
    fn one_recipient_who_has_a_good_reply_finishes_the_entry_without_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let pages = || {
            std::fs::read_dir(dir.path())
                .unwrap()
                .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().parse::<EntryId>().is_ok())
                .count()
        };
        let (first, second) = (Ledger::open(dir.path()).unwrap(), Ledger::open(dir.path()).unwrap());
        let [served, refused, two] = [entry(6, 1), entry(7, 1), entry(8, 2)];
        let mut page = first.begin(&served, Alone).unwrap();
        first.record(&mut page, &[(0, outcome(250))]);
        assert_eq!((page.done().get(&0), pages()), (Some(&outcome(250)), 0));
        first.record(&mut first.begin(&refused, Alone).unwrap(), &[(0, outcome(550))]);
        first.record(&mut first.begin(&two, Alone).unwrap(), &[(0, outcome(250))]);
        for process in [&first, &second, &Ledger::open(dir.path()).unwrap()] {
            assert!(process.was_finished(served.id));
            assert!(!process.was_finished(refused.id) && !process.was_finished(two.id));
            assert_eq!(process.begin(&refused, Alone).unwrap().done().get(&0), Some(&outcome(550)));
            assert_eq!(places(&process.begin(&two, Alone).unwrap()), [0]);
        }
        first.finish(served.id);
        let ids = std::fs::read_to_string(dir.path().join("finished")).unwrap();
        assert_eq!(ids, format!("{}\n", served.id), "once");
    }

    #[test]
    fn outcomes_that_could_not_be_written_are_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let entry = entry(5, 3);
        let ledger = Ledger::open(dir.path()).unwrap();
        let mut page = ledger.begin(&entry, Alone).unwrap();
        page.fail_from_now_on();
        ledger.record(&mut page, &[(2, outcome(250))]);
        assert_eq!(std::fs::read(dir.path().join(entry.id.to_string())).unwrap(), b"");
        assert_eq!(places(&ledger.begin(&entry, Alone).unwrap()), [2]);
        assert_eq!(places(&Ledger::open(dir.path()).unwrap().begin(&entry, Alone).unwrap()), [2]);
    }
}
