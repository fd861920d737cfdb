//! A spool and a store in a directory, the processes that come and go over them, and what they have left there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use listmill_core::settings::Cascade;
use listmill_core::{Commit, Stage, StoreChange, Timestamp};
use listmill_queue::{Claimed, DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, EntryId, Envelope, Queue, decode};
use listmill_runner::{Carried, Health, Room, Shell, Trail};
use listmill_store::{SledStore, Store};
use tempfile::TempDir;

use crate::breaking::{Breaking, Fate, Hazard, Killed};
use crate::fake::create;
use crate::logs::listen;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a list in its store.
pub(crate) struct Mill {
    pub(crate) dir: TempDir,
}

impl Mill {
    pub(crate) fn new() -> Mill {
        listen();
        // In memory, where the system has a place for that: these tests are about kills, not about power cuts, and sync a lot.
        let mill = Mill { dir: TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap() };
        apply(&*mill.store(), fresh_id(), vec![create()]);
        mill
    }

    pub(crate) fn queues(&self) -> Arc<dyn QueueBackend> {
        Arc::new(DiskQueues::open(&self.dir.path().join("spool")).unwrap())
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(SledStore::open(&self.dir.path().join("store"), Cascade::default()).unwrap())
    }

    /// A process, started as the program is: the outbox goes first.
    pub(crate) fn start(&self) -> Shell {
        let shell = shell(self.queues(), Some(self.store()));
        shell.empty_outbox().unwrap();
        shell
    }

    /// A process that meets a hazard.
    pub(crate) fn start_with(&self, hazard: &Arc<Hazard>) -> Shell {
        hazardous(&shell(self.queues(), Some(self.store())), hazard)
    }
}

/// The same process, which meets a hazard.
pub(crate) fn hazardous(safe: &Shell, hazard: &Arc<Hazard>) -> Shell {
    let queues = Breaking { inner: Arc::clone(&safe.queues), hazard: Arc::clone(hazard) };
    let store = safe.store.clone().map(|inner| Breaking { inner, hazard: Arc::clone(hazard) });
    shell(Arc::new(queues), store.map(|store| Arc::new(store) as Arc<dyn Store>))
}

pub(crate) fn shell(queues: Arc<dyn QueueBackend>, store: Option<Arc<dyn Store>>) -> Shell {
    Shell {
        queues,
        store,
        directory: None,
        host: "mill.example.org".to_owned(),
        health: Health::default(),
        trail: Trail::default(),
        room: Room::default(),
    }
}

pub(crate) fn fresh_id() -> EntryId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut chance = [0; 10];
    chance[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    EntryId::fresh(Timestamp::now(), chance)
}

/// A post on its way, in this queue.
pub(crate) fn entry(queue: Queue) -> Entry {
    let id = fresh_id();
    let message =
        format!("From: alice@example.net\r\nMessage-ID: <{id}@example.net>\r\nSubject: hello\r\n\r\nbody\r\n");
    let mut entry = Entry::arrived(id, Timestamp::now(), Envelope::default(), message.into_bytes().into());
    entry.queue = queue;
    entry.list = Some("dev@lists.example.org".to_owned());
    entry
}

/// What an operator's command does.
pub(crate) fn apply(store: &dyn Store, id: EntryId, changes: Vec<StoreChange>) {
    let by = "operator".to_owned();
    let commit = Commit { id, at: Timestamp::now(), by, why: "a test".to_owned(), changes, outgoing: Vec::new() };
    store.commit(&commit).unwrap();
}

/// Claims the next entry of the stage's queue, and carries it out.
pub(crate) fn carry_one<S: Stage>(shell: &Shell, stage: &S) -> Carried {
    let claimed = shell.queues.claim(S::READS, PATIENCE).unwrap().expect("there is work");
    shell.carry(stage, vec![claimed]).pop().unwrap()
}

/// Claims all that is there.
pub(crate) fn claim_all(shell: &Shell, queue: Queue) -> Vec<Claimed> {
    std::iter::from_fn(|| shell.queues.claim(queue, Duration::ZERO).unwrap()).collect()
}

/// Works until the queue of the stage has no work left; false when the process has died before.
pub(crate) fn work_off<S: Stage>(shell: &Shell, stage: &S) -> bool {
    survives(|| work_off_with(shell, S::READS, |batch| drop(shell.carry(stage, batch))))
}

/// A process that works on an entry and meets its fate, at the call that it says.
pub(crate) fn meets<S: Stage>(mill: &Mill, entry: &Entry, fate: Fate, at: usize, stage: &S) -> Option<&'static str> {
    mill.queues().put(std::slice::from_ref(entry)).unwrap();
    let hazard = Hazard::new(fate, at);
    let survived = work_off(&mill.start_with(&hazard), stage);
    let lives = matches!(fate, Fate::FailsBefore | Fate::FailsAfter);
    assert_eq!(survived, lives || hazard.struck().is_none());
    hazard.struck()
}

pub(crate) fn work_off_with(shell: &Shell, queue: Queue, carry: impl Fn(Vec<Claimed>)) {
    let mut carried = 0;
    loop {
        while shell.queues.status(queue).unwrap().depth > 0 {
            let Some(claimed) = shell.queues.claim(queue, PATIENCE).unwrap() else { panic!("{queue} is stuck") };
            carry(vec![claimed]);
            carried += 1;
            assert!(carried < 20, "the entries of {queue} come back for ever");
        }
        // What the shell has put off waits seconds; what a stage defers in these tests waits minutes. The former is tried now.
        let soon = Timestamp::now() + Duration::from_secs(60);
        let deferred = there(shell, queue, State::Deferred);
        let put_off: Vec<_> = deferred.iter().filter(|entry| entry.not_before < Some(soon)).collect();
        if put_off.is_empty() {
            return;
        }
        put_off.iter().for_each(|entry| assert!(shell.queues.retry(entry.id).unwrap()));
    }
}

/// Runs it; false when the hazard has killed the process in it. Then its claims are gone, as after a kill.
pub(crate) fn survives(run: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) if payload.is::<Killed>() => false,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// The entries of a queue in one state.
pub(crate) fn there(shell: &Shell, queue: Queue, state: State) -> Vec<Entry> {
    let listed = shell.queues.list(queue, state, 100).unwrap();
    let ids = listed.into_iter().map(|listed| listed.entry.expect("its line 1 can be read").id);
    ids.map(|id| read(shell, id)).collect()
}

/// The ids of the entries that can be claimed in a queue.
pub(crate) fn waiting(shell: &Shell, queue: Queue) -> Vec<EntryId> {
    there(shell, queue, State::New).iter().map(|entry| entry.id).collect()
}

pub(crate) fn read(shell: &Shell, id: EntryId) -> Entry {
    decode(&shell.queues.find(id).unwrap().expect("it is there").bytes).unwrap()
}

/// How many batches the store has applied for an entry.
pub(crate) fn effects(shell: &Shell, id: EntryId) -> usize {
    let audit = shell.store.as_ref().unwrap().audit(None, 100).unwrap();
    audit.iter().filter(|(_, record)| record.entry == id).count()
}

/// Nothing is on its way any more: not in the queue, not in the outbox.
pub(crate) fn assert_settled(shell: &Shell, queue: Queue) {
    let status = shell.queues.status(queue).unwrap();
    assert_eq!((status.depth, status.deferred, status.shunted, status.corrupt), (0, 0, 0, 0), "{status:?}");
    assert_eq!(shell.store.as_ref().unwrap().outbox(9).unwrap(), [], "the outbox is empty");
}
