//! Store and forward: when the broker cannot take an entry, this host's disk does, and passes it on when the broker is back.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_queue_format::{Entry, EntryId, Queue};
use rustix::fs::statvfs;

use crate::error::Kind;
use crate::lock::lock;
use crate::{
    AmqpQueues, Claim, Claimed, DiskQueues, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State,
};

/// Entries that are passed on together, with one wait for the broker.
const TOGETHER: usize = 64;
/// Octets of messages that are enough for one wait: all of them are in memory, and are sent again when one of them fails.
const ENOUGH: usize = 4 << 20;
/// For so long an entry is set by that the broker refuses, while it takes others: each attempt may cost a channel.
const AGAIN: Duration = Duration::from_secs(30);
/// How often it is looked whether there is something to pass on, or whether it can be.
const LOOK: Duration = Duration::from_secs(1);
/// How often the spool is measured anew: other processes of this host write there too.
const MEASURE: Duration = Duration::from_secs(10);

/// How much a host may keep for a broker that does not take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardConfig {
    /// The spool for it, a directory of its own.
    pub path: PathBuf,
    /// At most so many bytes; beyond that intake says "try again later".
    pub max_bytes: u64,
    /// So many bytes stay free on that file system.
    pub min_free: u64,
}

impl ForwardConfig {
    /// A gibibyte below `path`, and a quarter of one left free.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        ForwardConfig { path: path.into(), max_bytes: 1 << 30, min_free: 256 << 20 }
    }
}

/// The queues at a broker, with a spool of this host in front of them.
///
/// What is put goes to the broker. When that does not take it, it goes into the spool, durably, and the process that
/// [forwards](Self::forward) passes it on later: first come, first served, and released here only when the broker has confirmed it. While
/// something waits there, what comes goes behind it: so nobody waits for a broker that has just failed somebody else, and the forwarder alone
/// finds out when it takes entries again.
pub struct ForwardQueues {
    shared: Arc<Shared>,
    forwarder: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    broker: Arc<AmqpQueues>,
    spool: DiskQueues,
    config: ForwardConfig,
    used: AtomicU64,
    measured: Mutex<Option<Instant>>,
    /// Something waits, and this process passes it on: what comes goes behind it.
    behind: AtomicBool,
    /// [`forward`](ForwardQueues::forward) was called.
    forwards: AtomicBool,
    /// How often the broker did not take what was put.
    refusals: AtomicU64,
    stop: AtomicBool,
}

/// Entries that the broker has refused while it took others. They are kept in hand, so that nobody tries them again at once.
#[derive(Default)]
struct Refused {
    since: Option<Instant>,
    claims: Vec<Claim>,
}

impl ForwardQueues {
    /// Opens the spool in front of the broker.
    ///
    /// # Errors
    /// The spool's directories cannot be made or opened.
    pub fn open(broker: Arc<AmqpQueues>, config: ForwardConfig) -> Result<Self, QueueError> {
        let shared = Shared {
            spool: DiskQueues::open(&config.path)?,
            broker,
            config,
            used: AtomicU64::new(0),
            measured: Mutex::new(None),
            behind: AtomicBool::new(false),
            forwards: AtomicBool::new(false),
            refusals: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        Ok(ForwardQueues { shared: Arc::new(shared), forwarder: Mutex::new(None) })
    }

    /// Passes on what waits in these queues, in the background, as long as this lives. For processes that stay; several may do it on one host.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn forward(&self, queues: Vec<Queue>) -> io::Result<()> {
        let mut forwarder = lock(&self.forwarder);
        if forwarder.is_none() {
            self.shared.forwards.store(true, Ordering::Release);
            self.shared.behind.store(true, Ordering::Release); // until it has looked
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("forward".to_owned());
            *forwarder = Some(thread.spawn(move || shared.keep_forwarding(&queues))?);
        }
        Ok(())
    }

    /// How many entries of a queue wait here for the broker.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn waiting(&self, queue: Queue) -> Result<u64, QueueError> {
        let status = self.shared.spool.status(queue)?;
        Ok(status.depth + status.deferred)
    }

    fn broker(&self) -> &AmqpQueues {
        &self.shared.broker
    }
}

impl Shared {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        if self.broker.is_ready() && !self.behind.load(Ordering::Acquire) {
            match self.broker.put(entries) {
                Err(error) if error.is_temporary() => {
                    // Who comes next need not wait for the broker to find out the same: the forwarder does, beside it.
                    self.refusals.fetch_add(1, Ordering::AcqRel);
                    self.behind.store(self.forwards.load(Ordering::Acquire), Ordering::Release);
                    tracing::warn!("kept on this host, because the broker does not take it: failed to {error}");
                }
                done => return done,
            }
        }
        match self.room_for(entries) {
            Ok(()) => self.spool.put(entries),
            // The forwarder may be slower than what comes.
            Err(_) if self.broker.is_ready() => self.broker.put(entries),
            Err(full) => Err(full),
        }
    }

    /// An error when the spool is as large as it may be.
    fn room_for(&self, entries: &[Entry]) -> Result<(), QueueError> {
        self.measure();
        let size: u64 = entries.iter().map(|entry| entry.message.len() as u64 + 4096).sum();
        let (path, config) = (self.config.path.display(), &self.config);
        let full = |why: String| {
            Err(QueueError::new("write to", &path, Kind::Full(io::Error::new(io::ErrorKind::StorageFull, why))))
        };
        let free = statvfs(&config.path).map_err(|errno| QueueError::os("look at", &path, errno.into()))?;
        let free = free.f_bavail.saturating_mul(free.f_frsize);
        if free < config.min_free.saturating_add(size) {
            return full(format!("{free} bytes are free on the file system, {} must stay so", config.min_free));
        }
        let used = self.used.load(Ordering::Relaxed);
        if used + size > config.max_bytes {
            return full(format!("{used} bytes wait for the broker, {} may", config.max_bytes));
        }
        self.used.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    fn measure(&self) {
        let mut measured = lock(&self.measured);
        if measured.is_none_or(|at| at.elapsed() > MEASURE) {
            self.used.store(size_below(&self.config.path), Ordering::Relaxed);
            *measured = Some(Instant::now());
        }
    }

    fn keep_forwarding(&self, queues: &[Queue]) {
        let mut refused = Refused::default();
        while !self.stop.load(Ordering::Acquire) {
            let refusals = self.refusals.load(Ordering::Acquire);
            let passed_on = if self.broker.is_ready() { self.pass_on(queues, &mut refused) } else { self.look(queues) };
            match passed_on {
                Ok(0) => {
                    let refused = self.refusals.load(Ordering::Acquire) != refusals;
                    self.behind.store(refused, Ordering::Release);
                    // What came between the look and this line is found by the next look.
                    std::thread::park_timeout(LOOK);
                }
                Ok(_) => self.behind.store(true, Ordering::Release),
                Err(error) => {
                    self.behind.store(true, Ordering::Release);
                    tracing::warn!("what waits on this host for the broker goes on waiting: failed to {error}");
                    std::thread::park_timeout(LOOK);
                }
            }
        }
    }

    /// Passes on what is there; how many entries that was.
    fn pass_on(&self, queues: &[Queue], refused: &mut Refused) -> Result<u64, QueueError> {
        if refused.since.is_some_and(|since| since.elapsed() >= AGAIN) {
            self.give_back(std::mem::take(refused).claims)?;
        }
        let mut count = 0;
        for &queue in queues {
            // Each of them takes a descriptor.
            while refused.claims.iter().filter(|claim| claim.queue() == queue).count() < TOGETHER {
                let (entries, claims) = self.batch(queue)?;
                if entries.is_empty() || self.stop.load(Ordering::Acquire) {
                    break;
                }
                count += self.send(&entries, claims, refused)?;
            }
        }
        if count > 0 {
            tracing::info!("{count} entries that had waited on this host are at the broker");
        }
        Ok(count)
    }

    /// Sends a batch, and when it fails, each entry by itself: one that the broker refuses keeps back no other. How many have arrived.
    fn send(&self, entries: &[Entry], claims: Vec<Claim>, refused: &mut Refused) -> Result<u64, QueueError> {
        match self.broker.put(entries) {
            Ok(()) => {
                claims.into_iter().try_for_each(|claim| self.spool.release(claim))?;
                Ok(entries.len() as u64)
            }
            Err(error) if !self.broker.is_ready() || self.stop.load(Ordering::Acquire) => {
                self.give_back(claims)?;
                Err(error)
            }
            Err(error) if entries.len() == 1 => {
                for claim in claims {
                    tracing::warn!("{} waits on this host: failed to {error}", claim.id());
                    refused.since.get_or_insert_with(Instant::now);
                    refused.claims.push(claim);
                }
                Ok(0)
            }
            Err(_) => {
                let mut all = entries.iter().zip(claims);
                let sent = all.try_fold(0, |sent, (entry, claim)| {
                    Ok(sent + self.send(std::slice::from_ref(entry), vec![claim], refused)?)
                });
                self.give_back(all.map(|(_, claim)| claim).collect())?;
                sent
            }
        }
    }

    /// The last first, so that each finds its place before the others.
    fn give_back(&self, claims: Vec<Claim>) -> Result<(), QueueError> {
        claims.into_iter().rev().try_for_each(|claim| self.spool.give_back(claim))
    }

    /// The next entries of a queue that are passed on together: not many, or not large; the last one may be.
    fn batch(&self, queue: Queue) -> Result<(Vec<Entry>, Vec<Claim>), QueueError> {
        let (mut entries, mut claims, mut size) = (Vec::new(), Vec::new(), 0);
        while entries.len() < TOGETHER
            && size < ENOUGH
            && let Some(Claimed { entry, claim }) = self.spool.claim(queue, Duration::ZERO)?
        {
            size += entry.message.len();
            entries.push(entry);
            claims.push(claim);
        }
        Ok((entries, claims))
    }

    /// How many wait, while nothing can be passed on.
    fn look(&self, queues: &[Queue]) -> Result<u64, QueueError> {
        std::thread::park_timeout(LOOK);
        queues.iter().map(|queue| self.spool.status(*queue).map(|status| status.depth)).sum()
    }
}

/// What the files below a directory take; those that vanish meanwhile count for nothing.
fn size_below(dir: &Path) -> u64 {
    let Ok(files) = fs::read_dir(dir) else { return 0 };
    let size = |file: fs::DirEntry| match file.metadata() {
        // The index has hard links to the same octets.
        Ok(meta) if meta.is_dir() && file.file_name() == "ids" => 0,
        Ok(meta) if meta.is_dir() => size_below(&file.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    files.flatten().map(size).sum()
}

impl QueueBackend for ForwardQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        self.shared.put(entries)
    }

    fn knows_repeats(&self) -> bool {
        false
    }

    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        self.broker().claim(queue, wait)
    }

    fn claim_another(&self, queue: Queue) -> Result<Option<Claimed>, QueueError> {
        self.broker().claim_another(queue)
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.broker().release(claim)
    }

    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        self.broker().release_all(claims)
    }

    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        self.broker().give_back(claim)
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        self.broker().defer(claim, entry)
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        self.broker().shunt(claim, why)
    }

    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        let here = self.shared.spool.status(queue)?;
        let unsent = here.depth + here.deferred;
        match self.broker().status(queue) {
            Ok(there) => Ok(QueueStatus { unsent, corrupt: there.corrupt + here.corrupt, ..there }),
            // What waits here is to be seen above all when the broker is away.
            Err(error) if error.is_temporary() && unsent > 0 => {
                tracing::warn!("only what waits on this host is counted: failed to {error}");
                Ok(QueueStatus { depth: 0, claimed: 0, deferred: 0, oldest_s: None, unsent, ..here })
            }
            Err(error) => Err(error),
        }
    }

    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let here = self.shared.spool.list(queue, state, limit)?;
        match self.broker().list(queue, state, limit) {
            Ok(there) => Ok(here.into_iter().chain(there).take(limit).collect()),
            Err(_) if !here.is_empty() => Ok(here),
            Err(error) => Err(error),
        }
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        self.shared.spool.find(id)?.map_or_else(|| self.broker().find(id), |found| Ok(Some(found)))
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        Ok(self.shared.spool.retry(id)? || self.broker().retry(id)?)
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        Ok(self.shared.spool.remove(id)? || self.broker().remove(id)?)
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        self.broker().set_paused(queue, paused)
    }

    fn wake(&self) {
        self.broker().wake();
    }

    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        self.broker().waiting(queue, ids)
    }

    fn share(&self, queue: Queue, places: usize) {
        self.broker().share(queue, places);
    }

    fn leave(&self, queue: Queue) -> Result<(), QueueError> {
        self.broker().leave(queue)
    }
}

impl Drop for ForwardQueues {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(forwarder) = lock(&self.forwarder).take() {
            forwarder.thread().unpark();
            let _ = forwarder.join(); // a panic of its own has been logged
        }
    }
}

impl fmt::Debug for ForwardQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForwardQueues({} before {:?})", self.shared.config.path.display(), self.shared.broker)
    }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::{Envelope, Timestamp};
    use tempfile::TempDir;

    use super::*;
    use crate::AmqpConfig;

    /// Queues in front of a broker that is not there.
    fn queues(dir: &TempDir) -> ForwardQueues {
        let broker = AmqpQueues::connect(AmqpConfig::new("amqp://guest@127.0.0.1:1/%2f", "test")).unwrap();
        let config = ForwardConfig { min_free: 0, ..ForwardConfig::new(dir.path()) };
        ForwardQueues::open(Arc::new(broker), config).unwrap()
    }

    fn entry(number: u8, size: usize) -> Entry {
        let id = EntryId::fresh(Timestamp::now(), [number; 10]);
        let entry = Entry::arrived(id, Timestamp::now(), Envelope::default(), Arc::from(vec![b'x'; size]));
        Entry { queue: Queue::Auth, ..entry }
    }

    #[test]
    fn few_large_entries_are_passed_on_together_and_many_small_ones() {
        let dir = TempDir::new().unwrap();
        let queues = queues(&dir);
        let large = (0..5).map(|number| entry(number, 3 << 20));
        let small = (5..105).map(|number| entry(number, 100));
        queues.put(&large.chain(small).collect::<Vec<_>>()).unwrap();
        let mut held = Vec::new(); // else the next batch is the same
        let mut batch = || {
            let (entries, claims) = queues.shared.batch(Queue::Auth).unwrap();
            assert_eq!(entries.len(), claims.len());
            held.extend(claims);
            entries.len()
        };
        assert_eq!([batch(), batch(), batch(), batch(), batch()], [2, 2, 64, 37, 0]);
    }
}
