//! One opened database: how it is read, and how a batch gets in.
//!
//! **Why a batch is atomic.** Everything lies in one tree of sled's, and one batch of the store is one `sled::Batch`. sled writes a
//! batch into its log between a manifest and the log position that the manifest names; recovery that finds the log ending before
//! that position drops all of it. Batches that are made at the same time are applied as one of sled's ([`super::group`]): a block that several
//! of them change is written once. Preconditions hold because only one batch is made at a time (`desk`), on top of those that wait to be
//! applied, and a page of a roster is of one moment because nobody reads while they are (`gate`).
//!
//! **Why it is durable.** sled's `flush` on Linux is `sync_file_range`, which forgets the length of the file and the disk's cache, so
//! after it the file is synced as a file. Committers share both; see [`super::group`].
//!
//! After an error of sled's, or a panic inside it, what it has in memory may be half a batch: then the engine is *broken*, and
//! [`super::store`] opens another one from what is on disk.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use listmill_core::{Refusal, SigningKeys, Unavailable};

use super::disk::{self, Disk, caught};
use super::files::{MessageFiles, sync_dir};
use super::group::Group;
use super::known::Known;
use super::prune::Pruning;
use super::{maps, meta};
use crate::OpenError;
use crate::blocks::{Changed, Draft, Layer};

/// Tells a person what the directory is, and us that it has held something.
const MARKER: &str = "FORMAT";
const MARKER_TEXT: &str = "listmill store, sled, schema 3\n";

/// A sync that takes so long is looked after.
const LONG: Duration = Duration::from_secs(1);

/// An opened database.
pub(super) struct Engine {
    pub(super) db: sled::Db,
    /// sled's file.
    data: File,
    pub(super) files: MessageFiles,
    pub(super) keys: SigningKeys,
    pub(super) known: Known,
    gate: RwLock<()>,
    desk: Mutex<Desk>,
    group: Group,
    /// What reading has met.
    failed: OnceLock<String>,
    /// Since when a sync is under way, or when it was looked after last.
    syncing: Mutex<Option<Instant>>,
}

/// What whoever makes a batch has before it.
#[derive(Default)]
struct Desk {
    pruning: Pruning,
    /// What the batches change that are made and not yet applied.
    made: Changed,
    /// The number of the last batch.
    last: u64,
    /// Something could not be applied or synced, or it is not known whether it was: nothing is durable from now on.
    lost: bool,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// A precondition failed.
    Refused(Refusal),
    /// Not now.
    Unavailable(Unavailable),
    /// Not now, and what is in memory is not to be trusted any more.
    Broken(Unavailable),
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Fault::Unavailable(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

/// What is changed before it is applied.
pub(super) type Changes<'a> = Draft<Layer<'a, Disk<'a>>>;

impl Engine {
    /// Opens the database in `dir`, which this process has locked; makes what is missing.
    pub(super) fn open(dir: &Path) -> Result<Engine, OpenError> {
        let (sled_dir, files_dir, marker) = (dir.join("sled"), dir.join("files"), dir.join(MARKER));
        for dir in [&sled_dir, &files_dir] {
            make_private_dir(dir)?;
        }
        let new = !marker.try_exists().map_err(files_error(&marker))?;
        let damaged = |reason: String| OpenError::Damaged { path: dir.to_owned(), reason };
        let db = caught(|| disk::open(&sled_dir)).map_err(damaged)?.map_err(|error| match error {
            sled::Error::Io(source) => OpenError::Files { path: sled_dir.clone(), source },
            error => damaged(error.to_string()),
        })?;
        let files = MessageFiles::new(files_dir.clone());
        let failed = OnceLock::new();
        let keys = meta::read_or_make(Disk { tree: &db, failed: &failed }, dir, &files, new)?;
        let data_path = sled_dir.join("db");
        let data = File::open(&data_path).map_err(files_error(&data_path))?;
        make_durable(&data, &sled_dir, dir, &marker).map_err(files_error(dir))?;
        let (known, gate, desk, group, syncing) = Default::default();
        let engine = Engine { db, data, files, keys, known, gate, desk, group, failed, syncing };
        engine.sweep().map_err(|error| damaged(error.reason))?.map_err(files_error(&files_dir))?;
        Ok(engine)
    }

    fn disk(&self) -> Disk<'_> {
        Disk { tree: &self.db, failed: &self.failed }
    }

    /// Why nothing can be read until it is opened anew.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Reads at one moment: between two batches. What is not on its way to the disk yet is not seen.
    pub(super) fn read<T>(&self, read: impl FnOnce(Disk<'_>) -> Result<T, Unavailable>) -> Result<T, Unavailable> {
        let _between_batches = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        read(self.disk())
    }

    /// Makes a batch, and returns when it, and all that it has seen, is applied and durable.
    pub(super) fn write<T>(
        &self,
        make: impl FnOnce(&mut Changes<'_>, &mut Pruning) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let made = self.make(make);
        if let Err(Fault::Refused(_)) = made {
            // It may be refused for what is made and cannot be read yet: whoever decides again is to see that.
            self.wait_all_durable()?;
        }
        let (made, number) = made?;
        self.wait_durable(number)?;
        Ok(made)
    }

    /// As [`write`](Self::write), for what need not be durable yet: it goes with the next batch that is. Says which batch it is.
    pub(super) fn write_soon<T>(
        &self,
        make: impl FnOnce(&mut Changes<'_>, &mut Pruning) -> Result<T, Fault>,
    ) -> Result<(T, u64), Fault> {
        let made = self.make(make)?;
        self.group.leave(|| self.apply())?;
        Ok(made)
    }

    /// Makes a batch whole or not at all, and gives its number.
    pub(super) fn make<T>(
        &self,
        make: impl FnOnce(&mut Changes<'_>, &mut Pruning) -> Result<T, Fault>,
    ) -> Result<(T, u64), Fault> {
        let _arrival = self.group.arrive();
        let mut desk = self.desk();
        let Desk { pruning, made, last, .. } = &mut *desk;
        let mut draft = Draft::new(Layer::new(self.disk(), made));
        let answer = make(&mut draft, pruning)?;
        let changes = draft.into_changes();
        *last += u64::from(!changes.is_empty());
        made.extend(changes);
        Ok((answer, *last))
    }

    /// Applies what has been made, as one batch of sled's; gives the number of the last batch in it.
    fn apply(&self) -> Result<u64, Fault> {
        let mut desk = self.desk();
        if std::mem::replace(&mut desk.lost, true) {
            return Err(Fault::Broken(Unavailable { reason: "an earlier batch could not be written".to_owned() }));
        }
        let made = std::mem::take(&mut desk.made);
        if !made.is_empty() {
            let _nobody_reads = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            self.known.heed(&made);
            let batch = disk::batch(made);
            self.db.apply_batch(batch).map_err(broken)?;
        }
        desk.lost = false;
        Ok(desk.last)
    }

    /// Nothing is changed while `read` looks: who commits waits. What was made before is seen, durable or not yet.
    pub(super) fn still<T>(&self, read: impl FnOnce() -> T) -> Result<T, Fault> {
        self.group.hold(|| self.apply(), read)
    }

    /// Returns when all that has been made is applied and durable.
    pub(super) fn wait_all_durable(&self) -> Result<(), Fault> {
        let last = self.desk().last;
        self.wait_durable(last)
    }

    pub(super) fn wait_durable(&self, batch: u64) -> Result<(), Fault> {
        self.group.wait_durable(batch, || self.apply(), || self.sync())
    }

    /// Makes durable what is applied.
    fn sync(&self) -> Result<(), Fault> {
        self.desk().lost = true;
        *self.syncing() = Some(Instant::now());
        let flushed = self.db.flush();
        *self.syncing() = None;
        flushed.map_err(broken)?;
        self.data
            .sync_data()
            .map_err(|error| Fault::Broken(Unavailable { reason: format!("sled's file cannot be synced: {error}") }))?;
        self.desk().lost = false;
        Ok(())
    }

    /// Wakes whoever waits in sled for a sync that has failed: after some errors sled tells nobody, but who asks next. One that is only slow
    /// goes on. Nobody waits here.
    pub(super) fn look_after_sync(&self) {
        let mut syncing = self.syncing();
        if syncing.is_some_and(|since| since.elapsed() >= LONG) {
            *syncing = Some(Instant::now());
            // The first poll has a thread of sled's ask, and the answer concerns nobody.
            let _ = pin!(self.db.flush_async()).poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn syncing(&self) -> MutexGuard<'_, Option<Instant>> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // A panic while a batch is made leaves it unmade; one while it is applied leaves it lost.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the message files that a crash left.
    fn sweep(&self) -> Result<io::Result<()>, Unavailable> {
        let mut records = Vec::new();
        let mut collect = |_: &[u8], record: &[u8]| {
            if MessageFiles::is_named(record) {
                records.push(record.to_vec());
            }
            Ok(())
        };
        let disk = self.disk();
        maps::outbox().each(&disk, &mut collect)?;
        maps::each_list(&disk, |list| maps::held_files(list).each(&disk, &mut collect))?;
        Ok(self.files.sweep(records.into_iter()))
    }
}

fn broken(error: sled::Error) -> Fault {
    Fault::Broken(disk::fault(error))
}

/// Makes a directory, and what is missing above it, that only this user may enter.
pub(super) fn make_private_dir(dir: &Path) -> Result<(), OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(files_error(dir))
}

/// What a new database is made of survives a power cut, and so does the step to another schema.
fn make_durable(data: &File, sled_dir: &Path, dir: &Path, marker: &Path) -> io::Result<()> {
    data.sync_all()?;
    if fs::read(marker).is_ok_and(|text| text == MARKER_TEXT.as_bytes()) {
        return Ok(());
    }
    File::open(sled_dir.join("conf"))?.sync_all()?;
    sync_dir(sled_dir)?;
    fs::write(marker, MARKER_TEXT)?;
    File::open(marker)?.sync_all()?;
    sync_dir(dir)?;
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

pub(super) fn files_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Files { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::{Pages, PagesMut};

    #[test]
    fn whoever_is_refused_for_what_is_made_can_read_it_then() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path()).unwrap();
        let key = b"a key of the test";
        engine
            .make(|draft, _| {
                draft.put(key.to_vec(), b"made".to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(engine.read(|disk| disk.get(key)).unwrap(), None, "it is not applied yet");
        let refused = engine.write(|draft, _| match draft.get(key)? {
            Some(_) => Err(Fault::Refused(Refusal::ListExists("dev@lists.example.org".parse().unwrap()))),
            None => Ok(()),
        });
        assert!(matches!(refused, Err(Fault::Refused(_))));
        assert_eq!(engine.read(|disk| disk.get(key)).unwrap(), Some(b"made".to_vec()));
    }
}
