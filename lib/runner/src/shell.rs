//! One entry, carried out: the one place where what a stage decided happens.
//!
//! 1. claim the entry; 2. decide; 3. commit the store changes with the outgoing entries in the outbox; 4. write the outgoing
//!    entries durably; 5. clear the outbox; 6. release the entry. A kill between any two of these loses nothing and, because ids derive, doubles
//!    nothing: `specs/architecture.md` goes through them one by one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use listmill_core::{
    Commit, CommitError, Committed, Context, Directory, Disposition, MessageFile, NoStore, Refusal, Stage, StoreView,
    Unavailable,
};
use listmill_queue::{Claim, Claimed, QueueBackend, QueueError, ShuntReason};
use listmill_queue_format::{DecodeError, EncodeError, Entry, EntryId, Outcome, Queue, Timestamp, decode, encode};
use listmill_store::Store;
use tracing::Span;

use crate::health::Health;
use crate::panics::{Panic, guarded};
use crate::trail::{Step, Trail, id_of};
use crate::work::{Decider, End, Work, note_hop};
use crate::{KnownDirectory, Room};

/// How long an entry waits aside when something is not to be had.
const WAIT: Duration = Duration::from_secs(5);

/// How often a refused commit is decided again before the entry is set aside. Each round means that somebody else changed the same thing;
/// so many of them, that the stage does not look at what it changes.
const ROUNDS: u32 = 8;

/// What the shell works with: the queues, the store, and who it is.
#[derive(Clone)]
pub struct Shell {
    /// Where entries wait.
    pub queues: Arc<dyn QueueBackend>,
    /// Lists, rosters, held posts; none on a host that has no store.
    pub store: Option<Arc<dyn Store>>,
    /// What a host without a store knows of the lists, where it takes mail in.
    pub directory: Option<KnownDirectory>,
    /// The name of this host, for traces.
    pub host: String,
    /// How the runners of this process fare.
    pub health: Health,
    /// Where it is noted what becomes of each message.
    pub trail: Trail,
    /// Whether there is room for more mail.
    pub room: Room,
}

/// What became of a claimed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// Decided, and everything that follows from it is durable.
    Done,
    /// Not carried out; the entry is claimable again as it was.
    GivenBack(String),
    /// Something is not to be had now; the entry is tried again after a wait of its own.
    PutOff(String),
    /// Set aside for an operator.
    Shunted,
}

/// Why an entry is not done.
enum Setback {
    /// Ours or the operator's to wait for: the entry is put off.
    Wait(String),
    /// A fault in the software: the entry is shunted.
    Fault(Panic),
}

impl Setback {
    fn fault(reason: String) -> Self {
        Setback::Fault(Panic { reason, trace: String::new() })
    }
}

impl From<Unavailable> for Setback {
    fn from(error: Unavailable) -> Self {
        Setback::Wait(error.to_string())
    }
}

impl From<QueueError> for Setback {
    /// What fails each time again must not stand in front of its queue for ever.
    fn from(error: QueueError) -> Self {
        if error.is_temporary() { Setback::Wait(error.to_string()) } else { Setback::fault(error.to_string()) }
    }
}

impl Shell {
    /// Lets `stage` decide about a claimed entry, and carries it out.
    pub fn carry<S: Stage>(&self, stage: &S, claimed: Claimed) -> Carried {
        let _line = line(&claimed.entry, S::READS).entered();
        self.carry_in_line(stage, claimed)
    }

    /// The same for a caller that has entered the entry's [`line`].
    pub(crate) fn carry_in_line<S: Stage>(&self, stage: &S, claimed: Claimed) -> Carried {
        let Claimed { entry, claim } = claimed;
        let by = Decider { stage: S::READS, writes: S::WRITES, host: &self.host };
        let decided = self
            .decide_and_commit(&entry, by, |view, cx| Ok(Work::of(&entry, stage.decide(&entry, view, cx)?, by, cx)));
        self.end(&entry, claim, by, decided, &[])
    }

    /// Carries out what the stage makes of a delivery that is over, with these outcomes; `told` says in a line how it went.
    pub(crate) fn carry_settled<S: Stage>(
        &self,
        entry: &Entry,
        claim: Claim,
        told: &str,
        outcomes: &[(usize, Outcome)],
        settle: impl Fn(Context) -> Vec<Disposition>,
    ) -> Carried {
        let by = Decider { stage: S::READS, writes: S::WRITES, host: &self.host };
        let decided = self.decide_and_commit(entry, by, |_, cx| Ok(Work::settled(told, entry, settle(cx), by, cx)));
        self.end(entry, claim, by, decided, outcomes)
    }

    /// Lets somebody look at the world, as far as this host knows it.
    pub(crate) fn with_view<T>(
        &self,
        look: impl FnOnce(&dyn StoreView) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        match (&self.store, &self.directory) {
            (Some(store), _) => look(&**store),
            (None, Some(directory)) => look(&*directory.last()?),
            (None, None) => look(&NoStore),
        }
    }

    /// The same for somebody who looks at nothing but which lists there are, and how large a post each takes.
    pub(crate) fn with_lists<T>(
        &self,
        look: impl FnOnce(&dyn StoreView) -> Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        match self.store.as_ref().and_then(|store| store.directory()) {
            Some(directory) => look(&*directory),
            None => self.with_view(look),
        }
    }

    /// The lists, where nobody has to be waited for to know them.
    pub(crate) fn lists_at_once(&self) -> Option<Arc<Directory>> {
        match (&self.store, &self.directory) {
            (Some(store), _) => store.directory_at_once(),
            (None, directory) => directory.as_ref()?.last().ok(),
        }
    }

    fn decide_and_commit(
        &self,
        entry: &Entry,
        by: Decider<'_>,
        decide: impl Fn(&dyn StoreView, Context) -> Result<Work, Unavailable>,
    ) -> Result<Work, Setback> {
        let mut refused = String::new();
        for _ in 0..ROUNDS {
            let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
            let decided = guarded(|| self.with_view(|view| decide(view, cx)));
            let mut work = decided.map_err(Setback::Fault)??;
            match self.commit(entry, by, cx, &mut work)? {
                None => return Ok(work),
                Some(refusal) => refused = refusal.to_string(),
            }
            tracing::debug!("the store changed meanwhile, deciding again: {refused}");
        }
        Err(Setback::fault(format!("the store refused {ROUNDS} decisions in a row; the last: {refused}")))
    }

    /// Steps 3 to 5; the refusal when a precondition failed.
    fn commit(&self, entry: &Entry, by: Decider<'_>, cx: Context, work: &mut Work) -> Result<Option<Refusal>, Setback> {
        let applied = match &self.store {
            // Is there nothing to change because the entry has been carried out before? Then this decision comes too late.
            Some(store) if work.changes.is_empty() => store.applied(entry.id)?.map(Committed::Before),
            _ if work.changes.is_empty() => None,
            _ => match self.apply(entry, by, cx, work)? {
                Ok(committed) => Some(committed),
                Err(refusal) => return Ok(Some(refusal)),
            },
        };
        if let Some(Committed::Before(files)) = &applied {
            let left = entries(files)
                .map_err(|error| Setback::fault(format!("the outbox holds what is no entry: {error}")))?;
            *work = Work::left(entry, left);
        }
        if !work.outgoing.is_empty() {
            self.queues.put(&work.outgoing)?;
            if let (Some(_), Some(store)) = (applied, &self.store) {
                store.outbox_done(entry.id)?;
            }
        }
        Ok(None)
    }

    /// Step 3.
    fn apply(
        &self,
        entry: &Entry,
        by: Decider<'_>,
        cx: Context,
        work: &mut Work,
    ) -> Result<Result<Committed, Refusal>, Setback> {
        let store = self.store.as_ref().ok_or_else(|| Setback::Wait("this host has no store".to_owned()))?;
        let files = work.outgoing.iter().map(|entry| encode(entry).map(MessageFile)).collect::<Result<_, _>>();
        let commit = Commit {
            id: entry.id,
            at: cx.now,
            by: by.stage.name().to_owned(),
            why: work.summary.clone(),
            changes: std::mem::take(&mut work.changes),
            outgoing: files.map_err(|error: EncodeError| Setback::fault(error.to_string()))?,
        };
        match store.commit(&commit) {
            Ok(committed) => Ok(Ok(committed)),
            Err(CommitError::Refused(refusal)) => Ok(Err(refusal)),
            Err(CommitError::Unavailable(reason)) => Err(Setback::Wait(reason)),
        }
    }

    /// Step 6, the log line and the line of the trail.
    fn end(
        &self,
        entry: &Entry,
        claim: Claim,
        by: Decider<'_>,
        decided: Result<Work, Setback>,
        outcomes: &[(usize, Outcome)],
    ) -> Carried {
        let note = |steps: &[Step]| self.trail.note(entry, by.stage, steps, outcomes, Timestamp::now());
        let carried = match decided {
            Ok(Work { end: End::Release, summary, steps, .. }) => {
                tracing::info!("{summary}");
                note(&steps);
                self.count(entry, by.stage, &steps, outcomes);
                self.queues.release(claim).map(|()| Carried::Done)
            }
            Ok(Work { end: End::Defer(until, reason), summary, steps, .. }) => {
                tracing::info!("{summary}");
                note(&steps);
                self.count(entry, by.stage, &steps, outcomes);
                let mut later = Entry { not_before: Some(until), attempts: entry.attempts + 1, ..entry.clone() };
                note_hop(&mut later, by, "defer", &reason, Timestamp::now());
                self.queues.defer(claim, &later).map(|()| Carried::Done)
            }
            Ok(Work { end: End::Shunt(reason), .. }) => {
                note(&[Step::of("shunt", &reason)]);
                self.shunt(claim, by.stage, reason, String::new())
            }
            Err(Setback::Fault(panic)) => {
                note(&[Step::of("shunt", &panic.reason)]);
                self.shunt(claim, by.stage, panic.reason, panic.trace)
            }
            Err(Setback::Wait(reason)) => self.put_off(entry, claim, by, reason),
        };
        // A claim that could neither be released nor put off is dropped: whoever sees it first takes it over.
        let carried = carried.unwrap_or_else(|error| {
            tracing::error!("the queue failed: {error}");
            self.health.error(by.stage, &error.to_string());
            Carried::GivenBack(error.to_string())
        });
        if carried == Carried::Done {
            self.health.note(by.stage, |health| health.decided += 1);
        }
        carried
    }

    fn count(&self, entry: &Entry, stage: Queue, steps: &[Step], outcomes: &[(usize, Outcome)]) {
        let delivered = if outcomes.is_empty() { None } else { Some("deliver") };
        self.health.did(stage, steps.iter().map(|step| &*step.did).chain(delivered));
        self.health.said(entry, outcomes);
    }

    /// Lets an entry wait for what is not to be had. It waits aside, so that what can be carried out meanwhile is not behind it: a
    /// post that is too large for what is left of the store's disk must not hold up the posts of all lists.
    fn put_off(&self, entry: &Entry, claim: Claim, by: Decider<'_>, reason: String) -> Result<Carried, QueueError> {
        tracing::warn!("put off: {reason}");
        self.health.note(by.stage, |health| health.put_off += 1);
        self.health.did(by.stage, ["put off"]);
        self.health.error(by.stage, &reason);
        let now = Timestamp::now();
        // Once for each reason: it may come again every few seconds, for days.
        let is_known = entry.trace.last().is_some_and(|hop| hop.runner == by.stage.name() && hop.reason == reason);
        if !is_known {
            self.trail.note(entry, by.stage, &[Step::of("put off", &reason)], &[], now);
        }
        // Not an attempt: those are the stage's to count.
        let mut later = Entry { not_before: now.checked_add(WAIT).ok(), ..entry.clone() };
        note_hop(&mut later, by, "defer", &reason, now);
        self.queues.defer(claim, &later).map(|()| Carried::PutOff(reason))
    }

    /// Lets an entry wait that cannot be delivered now, because nobody could write down to whom it was.
    pub(crate) fn wait_for_ledger<S: Stage>(&self, entry: &Entry, claim: Claim, reason: String) -> Carried {
        let by = Decider { stage: S::READS, writes: S::WRITES, host: &self.host };
        self.end(entry, claim, by, Err(Setback::Wait(reason)), &[])
    }

    /// Lets an entry wait aside that is not to be carried out yet: neither an attempt nor a fault of anybody.
    pub(crate) fn let_wait(&self, claimed: Claimed, wait: Duration, reason: &str) -> Carried {
        let Claimed { entry, claim } = claimed;
        let (queue, list) = (entry.queue, entry.list.as_deref().unwrap_or_default());
        tracing::debug!(runner = %queue, entry = %entry.id, list, "waits: {reason}");
        let later = Entry { not_before: Timestamp::now().checked_add(wait).ok(), ..entry };
        match self.queues.defer(claim, &later) {
            Ok(()) => Carried::Done,
            Err(error) => {
                tracing::error!("the queue failed: {error}");
                self.health.error(queue, &error.to_string());
                Carried::GivenBack(error.to_string())
            }
        }
    }

    /// Sets aside an entry with which in hand the process has died too often: what it does to the next one nobody wants to know.
    pub(crate) fn set_aside_as_deadly(&self, claimed: Claimed, stage: Queue) -> Carried {
        let tries = claimed.claim.tries();
        let reason = format!(
            "deadly: the process that had it in hand has died {tries} times in a row (killed, aborted, out of memory, or it hung)"
        );
        let trace =
            "none, for the process died. Its last words are in the log of its service, or in a core dump.".to_owned();
        let by = Decider { stage, writes: &[], host: &self.host };
        self.end(&claimed.entry, claimed.claim, by, Err(Setback::Fault(Panic { reason, trace })), &[])
    }

    /// Gives an entry back as it was: this process stops.
    pub(crate) fn hand_back(&self, claim: Claim, stage: Queue, reason: &str) -> Carried {
        tracing::info!("given back: {reason}");
        self.health.note(stage, |health| health.given_back += 1);
        if let Err(error) = self.queues.give_back(claim) {
            tracing::error!("the queue failed: {error}");
        }
        Carried::GivenBack(reason.to_owned())
    }

    fn shunt(&self, claim: Claim, stage: Queue, reason: String, trace: String) -> Result<Carried, QueueError> {
        tracing::error!("shunted: {reason}; `listmill queue show` tells more, `listmill queue retry` tries again");
        self.health.note(stage, |health| health.shunted += 1);
        self.health.did(stage, ["shunt"]);
        self.health.error(stage, &reason);
        let why = ShuntReason { stage: stage.name().to_owned(), reason, trace, at: Timestamp::now() };
        self.queues.shunt(claim, &why).map(|()| Carried::Shunted)
    }

    /// Sends what a crash between steps 3 and 5 left in the outbox. Best called before any runner starts: it does not know whose work is in hand.
    ///
    /// # Errors
    /// The store or a queue is not to be had now.
    pub fn empty_outbox(&self) -> Result<usize, String> {
        let Some(store) = &self.store else { return Ok(0) };
        let mut sent = 0;
        loop {
            let before = sent;
            for (id, files) in store.outbox(100).map_err(|error| error.to_string())? {
                sent += self.send_left(&**store, id, &files)?;
            }
            if sent == before {
                return Ok(sent);
            }
        }
    }

    /// Sends those records of the outbox that are in `seen`, and says which others there are.
    ///
    /// # Errors
    /// The store or a queue is not to be had now.
    pub fn sweep(&self, seen: &HashSet<EntryId>) -> Result<HashSet<EntryId>, String> {
        let Some(store) = &self.store else { return Ok(HashSet::new()) };
        let mut waiting = HashSet::new();
        for (id, files) in store.outbox(100).map_err(|error| error.to_string())? {
            if seen.contains(&id) {
                self.send_left(&**store, id, &files)?;
            } else {
                waiting.insert(id);
            }
        }
        Ok(waiting)
    }

    fn send_left(&self, store: &dyn Store, id: EntryId, files: &[MessageFile]) -> Result<usize, String> {
        let entries = match entries(files) {
            Ok(entries) => entries,
            Err(error) => {
                // It stays where it is, for a newer version or a person; the others go.
                tracing::error!(entry = %id, "the outbox holds what is no entry: {error}");
                return Ok(0);
            }
        };
        self.queues.put(&entries).map_err(|error| error.to_string())?;
        store.outbox_done(id).map_err(|error| error.to_string())?;
        Ok(entries.len())
    }
}

/// What each log line about an entry says of it. Of the highest level, so that a filter of lines does not take it from those that stay.
pub(crate) fn line(entry: &Entry, stage: Queue) -> Span {
    let message_id = id_of(entry);
    let list = entry.list.as_deref().unwrap_or_default();
    tracing::error_span!("entry", runner = %stage, entry = %entry.id, message_id, list)
}

fn entries(files: &[MessageFile]) -> Result<Vec<Entry>, DecodeError> {
    files.iter().map(|file| decode(&file.0)).collect()
}
