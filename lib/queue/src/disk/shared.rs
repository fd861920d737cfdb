//! What the threads of this process share of a spool: the queues, and the journal in front of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use listmill_queue_format::{EntryId, Queue};

use super::dir::Dir;
use super::journal::Log;
use super::journal::filer::Rouser;
use super::spool::Spool;
use crate::QueueError;
use crate::lock::lock;

/// Journals of the dead are looked for so often.
const RECOVER: Duration = Duration::from_secs(1);
/// So much memory the entries of the journal may take.
const MEMORY: usize = 64 << 20;
/// An entry that is larger than this is a file at once.
const LARGE: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) spools: Vec<Spool>,
    /// The directory `journal`.
    pub(super) journal: Dir,
    pub(super) log: Log,
    pub(super) rouser: Rouser,
    octets: Arc<AtomicUsize>,
    recovered: Mutex<Recovered>,
    /// What became files whose directory could not be synced: in which segment the journal has it still.
    pub(super) unsure: Mutex<Vec<(u64, Queue, EntryId)>>,
}

/// When journals of the dead were looked for, and which are left alone.
#[derive(Debug, Default)]
struct Recovered {
    at: Option<Instant>,
    left_alone: BTreeSet<PathBuf>,
}

impl Shared {
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let octets = Arc::new(AtomicUsize::new(0));
        let lane = Arc::default();
        let open = |queue| Spool::open(path, queue, &octets, &lane);
        let spools = Queue::ALL.into_iter().map(open).collect::<Result<_, _>>()?;
        let journal = Dir::open(&path.join("journal"))?;
        let log = Log::new(journal.path().to_owned());
        let shared = Shared {
            path: path.to_owned(),
            spools,
            journal,
            log,
            rouser: Rouser::default(),
            octets,
            recovered: Mutex::default(),
            unsure: Mutex::default(),
        };
        shared.recover_when_due();
        Ok(shared)
    }

    pub(super) fn spool(&self, queue: Queue) -> &Spool {
        self.spools.iter().find(|spool| spool.queue == queue).expect("every queue has its directories")
    }

    /// Whether an entry that can be claimed now goes into the journal.
    pub(super) fn takes(&self, spool: &Spool, size: usize) -> bool {
        size <= LARGE
            && spool.line.is_served()
            && self.octets.load(Ordering::Relaxed) + size <= MEMORY
            && self.log.has_room()
    }

    /// This journal is left where it is. `true` the first time, when somebody should be told.
    pub(super) fn is_news(&self, journal: &Path) -> bool {
        lock(&self.recovered).left_alone.insert(journal.to_owned())
    }

    /// Reads the journals of processes that died, now and then; one thread at a time.
    pub(super) fn recover_when_due(&self) {
        {
            let mut recovered = lock(&self.recovered);
            if recovered.at.is_some_and(|at| at.elapsed() < RECOVER) {
                return;
            }
            recovered.at = Some(Instant::now());
        }
        self.recover();
    }
}
