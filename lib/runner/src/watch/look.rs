//! One look at the queues, the store, the disks.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use listmill_queue::{QueueBackend, QueueStatus};
use listmill_queue_format::Queue;
use listmill_store::Store;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, statvfs, utimensat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// The directories whose disks are looked at.
pub type Roots = Vec<PathBuf>;

/// The figures of one queue, or why they cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFigures {
    /// Which.
    pub queue: Queue,
    /// What is known.
    pub status: Result<QueueStatus, String>,
}

/// One file system that this host writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The first of our directories on it.
    pub path: PathBuf,
    /// Octets that may be written.
    pub free: u64,
    /// Octets that it has.
    pub size: u64,
    /// Files that may be made; none where it does not count them.
    pub free_inodes: Option<u64>,
}

/// An answer that takes longer was waited for.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The figures of every queue; those of a broker that cannot be reached are missing, and the others are there.
pub(super) fn queues(queues: &dyn QueueBackend) -> Vec<QueueFigures> {
    let of = &|queue| QueueFigures { queue, status: queues.status(queue).map_err(|error| error.to_string()) };
    let mut rest = Queue::ALL.into_iter();
    let mut seen: Vec<QueueFigures> = Vec::new();
    let mut is_quick = true;
    while is_quick && let Some(queue) = rest.next() {
        let asked = Instant::now();
        let figures = of(queue);
        is_quick = figures.status.is_ok() && asked.elapsed() < AT_ONCE;
        seen.push(figures);
    }
    // All that are left at once: a broker that does not answer is not waited for with each.
    std::thread::scope(|scope| {
        let asked: Vec<_> = rest.map(|queue| (queue, scope.spawn(move || of(queue)))).collect();
        let fault = |queue| QueueFigures { queue, status: Err("a software fault".to_owned()) };
        seen.extend(asked.into_iter().map(|(queue, thread)| thread.join().unwrap_or_else(|_| fault(queue))));
    });
    seen
}

/// Whether the store answers.
pub(super) fn store(store: &dyn Store) -> Result<(), String> {
    store.lists(None, 1).map(|_| ()).map_err(|error| error.reason)
}

/// Each file system below these directories once. Of one that is not there yet the nearest directory above it counts.
pub fn disks(roots: &[PathBuf]) -> Result<Vec<Disk>, String> {
    let mut disks: BTreeMap<u64, Disk> = BTreeMap::new();
    for root in roots {
        let there = root.ancestors().find(|path| path.exists()).unwrap_or(root);
        let error = |error: std::io::Error| format!("the disk of {} cannot be looked at: {error}", root.display());
        let device = std::fs::metadata(there).map_err(error)?.dev();
        if let std::collections::btree_map::Entry::Vacant(place) = disks.entry(device) {
            place.insert(disk(there, root).map_err(error)?);
        }
    }
    Ok(disks.into_values().collect())
}

fn disk(there: &Path, named: &Path) -> std::io::Result<Disk> {
    let found = statvfs(there)?;
    Ok(Disk {
        path: named.to_owned(),
        free: found.f_bavail.saturating_mul(found.f_frsize),
        size: found.f_blocks.saturating_mul(found.f_frsize),
        free_inodes: (found.f_files > 0).then_some(found.f_favail),
    })
}

/// The first of these directories whose disk takes no writes any more, in words; a time is set there to know. (A file system that has met an error often goes on as
/// one that can only be read, and does not say so anywhere else.)
pub(super) fn refused(roots: &[PathBuf]) -> Option<String> {
    let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let now = Timestamps { last_access: keep, last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW } };
    roots.iter().find_map(|root| match utimensat(CWD, root, &now, AtFlags::empty()) {
        Err(errno @ (Errno::ROFS | Errno::IO)) => {
            Some(format!("that of {} cannot be written to: {errno}", root.display()))
        }
        // Whoever may not, or has no such directory, knows nothing.
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disk_is_there_once() {
        let dir = tempfile::TempDir::new().unwrap();
        let roots = [dir.path().to_owned(), dir.path().join("not/yet"), dir.path().join("spool")];
        let disks = disks(&roots).unwrap();
        assert_eq!(disks.len(), 1);
        assert!(disks[0].path == dir.path() && disks[0].size > 0);
        assert_eq!(refused(&roots), None);
    }
}
