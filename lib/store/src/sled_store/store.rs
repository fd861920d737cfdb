//! The store that callers hold: an engine that is replaced when it breaks.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use listmill_core::settings::Cascade;
use listmill_core::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Commit, CommitError, Committed, Decision,
    Directory, HeldId, HeldPost, List, ListAddress, Member, MessageFile, Request, RequestKind, Role, SigningKeys,
    Spent, StoreView, Timestamp, Trust, Unavailable,
};
use listmill_queue_format::EntryId;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{CACHE_BYTES, caught};
use super::engine::{Engine, Fault, files_error, make_private_dir};
use super::maps::ListRecord;
use crate::{OpenError, Store, StoreFigures};

/// So long after an engine broke, and after each try that failed, another one is opened.
const PAUSE: Duration = Duration::from_secs(5);

/// The embedded store: a directory that one process owns.
///
/// Nothing that goes wrong inside sled goes further than here: a panic or a failed write makes the store unavailable, and a few
/// seconds later it is opened anew from what is on disk.
pub struct SledStore {
    dir: PathBuf,
    cascade: Cascade,
    engine: RwLock<Option<Engine>>,
    broken: Mutex<Option<Broken>>,
    pub(super) pause: Duration,
    /// Held until the engine is gone: fields are dropped in order.
    _lock: File,
}

/// The engine cannot be trusted any more.
struct Broken {
    reason: String,
    since: Instant,
}

impl SledStore {
    /// Opens the store in the directory `path`, which is made if it is missing, and owns it until it is dropped.
    ///
    /// `cascade` is what the site file says about settings.
    ///
    /// # Errors
    /// [`OpenError::Owned`] when another process has it; else what is wrong with the directory or what lies in it.
    pub fn open(path: &Path, cascade: Cascade) -> Result<SledStore, OpenError> {
        make_private_dir(path)?;
        let lock = lock(path)?;
        let engine = RwLock::new(Some(Engine::open(path)?));
        let broken = Mutex::default();
        Ok(SledStore { dir: path.to_owned(), cascade, engine, broken, pause: PAUSE, _lock: lock })
    }

    /// Works with the engine; what breaks it is noted.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        self.look_after_sync();
        self.mend()?;
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or_else(|| Unavailable { reason: "it is being opened anew".to_owned() })?;
        let fault = match caught(|| work(engine)) {
            Ok(Err(Fault::Broken(error))) => error.reason,
            Err(panic) => format!("a panic inside the store: {panic}"),
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) => match engine.failed() {
                Some(reason) => reason.to_owned(),
                None => return Err(fault),
            },
        };
        tracing::error!(store = %self.dir.display(), reason = fault, "the store is broken; it will be opened anew");
        *self.broken() = Some(Broken { reason: fault.clone(), since: Instant::now() });
        Err(Fault::Broken(Unavailable { reason: fault }))
    }

    /// Also while the engine is broken: whoever waits in it keeps it from being opened anew.
    fn look_after_sync(&self) {
        if let Ok(engine) = self.engine.try_read() {
            engine.iter().for_each(Engine::look_after_sync);
        }
    }

    /// Opens another engine when the one before has broken a while ago.
    fn mend(&self) -> Result<(), Unavailable> {
        let mut broken = self.broken();
        let Some(Broken { reason, since }) = &mut *broken else { return Ok(()) };
        let unavailable =
            |reason: &str| Unavailable { reason: format!("{reason}; it is opened anew in a few seconds") };
        if since.elapsed() < self.pause {
            return Err(unavailable(reason));
        }
        let mut engine = match self.engine.try_write() {
            Ok(engine) => engine,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(unavailable(reason)),
        };
        // sled may panic again while it lets go; what it has in memory is lost either way.
        let _ = caught(|| engine.take());
        *since = Instant::now();
        match caught(|| Engine::open(&self.dir)) {
            Ok(Ok(opened)) => *engine = Some(opened),
            Ok(Err(error)) => *reason = error.to_string(),
            Err(panic) => *reason = format!("a panic inside the store: {panic}"),
        }
        if engine.is_none() {
            return Err(unavailable(reason));
        }
        tracing::warn!(store = %self.dir.display(), "the store is opened anew");
        *broken = None;
        Ok(())
    }

    fn broken(&self) -> MutexGuard<'_, Option<Broken>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view<T>(&self, query: impl FnOnce(&Engine) -> Result<T, Unavailable>) -> Result<T, Unavailable> {
        self.with(|engine| Ok(query(engine)?)).map_err(unavailable)
    }

    fn resolved(&self, address: ListAddress, record: ListRecord) -> Result<List, Unavailable> {
        let settings = self.cascade.resolve(&address, &record.own).map_err(|error| Unavailable {
            reason: format!(
                "the settings of {address} do not hold together: {error}; correct the site file or `listmill list set {address}`"
            ),
        })?;
        Ok(List { address, created: record.created, own: record.own, settings })
    }
}

impl fmt::Debug for SledStore {
    /// Where it lies; what it holds, the signing keys above all, is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SledStore({})", self.dir.display())
    }
}

/// Takes the store's lock, which the kernel drops when this process dies.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(files_error(&path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(OpenError::Owned { path: dir.to_owned() }),
        Err(error) => Err(files_error(&path)(io::Error::from(error))),
    }
}

pub(super) fn unavailable(fault: Fault) -> Unavailable {
    match fault {
        Fault::Unavailable(error) | Fault::Broken(error) => error,
        Fault::Refused(refusal) => Unavailable { reason: refusal.to_string() },
    }
}

impl StoreView for SledStore {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        self.view(|engine| engine.list(list, &|address, record| self.resolved(address, record)))
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        let lists = self.view(|engine| engine.lists(after, limit))?;
        lists.into_iter().map(|(list, record)| self.resolved(list, record)).collect()
    }

    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        self.view(|engine| engine.member(list, address))
    }

    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        self.view(|engine| engine.roster(list, after, limit))
    }

    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        self.view(|engine| engine.counters(list)).map(|counters| counters.members)
    }

    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        self.view(|engine| engine.staff(list, role))
    }

    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.view(|engine| engine.held(list, after, limit))
    }

    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        self.view(|engine| engine.held_entry(list, id))
    }

    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        self.view(|engine| engine.held_by_entry(list, entry))
    }

    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.view(|engine| engine.lapsed(at, limit))
    }

    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        self.view(|engine| engine.decision(list, id))
    }

    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable> {
        self.view(|engine| engine.decisions(list, after, limit))
    }

    fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        self.view(|engine| engine.request(list, kind, address))
    }

    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        self.view(|engine| engine.request_by_handle(list, handle))
    }

    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        self.view(|engine| engine.spent(address, trust, at))
    }

    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        self.view(|engine| engine.bounces(list, address))
    }

    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        self.view(|engine| engine.bounces_due(at, limit))
    }

    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        self.view(|engine| engine.bounce_tally(list, name))
    }

    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        self.view(|engine| engine.bounce_tallies(list, after, limit))
    }

    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        self.view(|engine| engine.banned(list, address))
    }

    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        self.view(|engine| engine.bans(scope))
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        self.view(|engine| Ok(engine.keys.clone()))
    }

    fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        self.view(|engine| engine.audit(after, limit))
    }
}

impl Store for SledStore {
    fn commit(&self, commit: &Commit) -> Result<Committed, CommitError> {
        self.with(|engine| engine.commit(commit)).map_err(not_committed)
    }

    fn commit_all(&self, commits: &[Commit]) -> Vec<Result<Committed, CommitError>> {
        match self.with(|engine| engine.commit_all(commits)) {
            Ok(committed) => committed.into_iter().map(|one| one.map_err(not_committed)).collect(),
            Err(fault) => {
                let error = unavailable(fault);
                commits.iter().map(|_| Err(error.clone().into())).collect()
            }
        }
    }

    fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        self.with(|engine| engine.applied(id)).map_err(unavailable)
    }

    fn outbox_done(&self, id: EntryId) -> Result<(), Unavailable> {
        self.with(|engine| engine.outbox_done(id)).map_err(unavailable)
    }

    fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        self.view(|engine| engine.outbox(limit))
    }

    fn directory(&self) -> Option<Arc<Directory>> {
        self.view(|engine| engine.directory(&|address, record| self.resolved(address, record))).ok().flatten()
    }

    fn directory_at_once(&self) -> Option<Arc<Directory>> {
        if self.broken.try_lock().ok()?.is_some() {
            return None;
        }
        self.engine.try_read().ok()?.as_ref()?.known.directory_at_once()
    }

    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        let ((lists, sum), outbox) = self.view(|engine| Ok((engine.totals()?, engine.outbox_depth()?)))?;
        let disk_bytes = bytes_below(&self.dir)
            .map_err(|error| Unavailable { reason: format!("{} cannot be measured: {error}", self.dir.display()) })?;
        Ok(StoreFigures {
            backend: "sled".to_owned(),
            location: self.dir.display().to_string(),
            lists,
            people: sum.people,
            held: sum.held,
            requests: sum.requests,
            outbox,
            disk_bytes,
            cache_bytes: CACHE_BYTES,
        })
    }
}

fn not_committed(fault: Fault) -> CommitError {
    match fault {
        Fault::Refused(refusal) => CommitError::Refused(refusal),
        fault => unavailable(fault).into(),
    }
}

/// The octets of all files in and below a directory, less those that go while it is read.
fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sum += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(sum)
}
