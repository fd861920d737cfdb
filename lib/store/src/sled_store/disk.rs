//! sled as pages, and where its directory lies.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use listmill_core::Unavailable;

use crate::blocks::{Changed, Pages, Pair};

/// The cache that sled may take; below 64 MB it crawls.
pub(super) const CACHE_BYTES: u64 = 64 << 20;
/// So often sled frees what is no longer needed in its file. It syncs then as well, of which nobody needs to know: whoever waits for his changes syncs them.
const TIDIED_MS: u64 = 2000;

/// sled's tree, read.
#[derive(Clone, Copy)]
pub(super) struct Disk<'a> {
    pub(super) tree: &'a sled::Tree,
    /// The first error that reading has met.
    pub(super) failed: &'a OnceLock<String>,
}

impl Disk<'_> {
    /// After one error sled gives no other answer until it is opened anew, also when what failed was a write of a thread of its own.
    pub(super) fn fault(&self, error: sled::Error) -> Unavailable {
        let fault = fault(error);
        let _ = self.failed.set(fault.reason.clone());
        fault
    }
}

impl Pages for Disk<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let value = self.tree.get(key).map_err(|error| self.fault(error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(self.tree.get_lt(key).map_err(|error| self.fault(error))?.map(pair))
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(self.tree.get_gt(key).map_err(|error| self.fault(error))?.map(pair))
    }
}

fn pair((key, value): (sled::IVec, sled::IVec)) -> Pair {
    (key.to_vec(), value.to_vec())
}

/// What is said of an error of sled's.
pub(super) fn fault(error: sled::Error) -> Unavailable {
    Unavailable { reason: error.to_string() }
}

/// The changes of a draft as one batch of sled's.
pub(super) fn batch(changes: Changed) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key, value),
            None => batch.remove(key),
        }
    }
    batch
}

/// Opens sled in a directory that no other process opens: that is seen to before.
pub(super) fn open(dir: &Path) -> sled::Result<sled::Db> {
    // sled's own lock on its file outlives a closed database for a moment, until its threads have let go of it.
    const TRIES: u32 = 100;
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(Some(TIDIED_MS));
    for _ in 0..TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
    config.open()
}

/// Runs what may panic inside sled; a panic's message is its error.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Whoever is told of the panic trusts nothing in memory any more, so nothing half-done is seen.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
