//! Entries, carried out: the one place where what a stage decided happens.
//!
//! 1. claim the entry; 2. decide; 3. commit the store changes with the outgoing entries in the outbox; 4. write the outgoing
//!    entries durably; 5. clear the outbox; 6. release the entry. A kill between any two of these loses nothing and, because ids derive, doubles
//!    nothing: `specs/architecture.md` goes through them one by one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use listmill_core::{Context, Directory, Disposition, MessageFile, NoStore, Stage, StoreView, Unavailable};
use listmill_queue::{Claim, Claimed, QueueBackend, QueueError, ShuntReason};
use listmill_queue_format::{Entry, EntryId, Outcome, Queue, Timestamp};
use listmill_store::Store;
use tracing::Span;

use crate::commit::{InHand, Setback, entries};
use crate::health::Health;
use crate::panics::Panic;
use crate::trail::{Step, Trail, id_of};
use crate::work::{Decider, End, Work, note_hop};
use crate::{KnownDirectory, Room};

/// How long an entry waits aside when something is not to be had.
const WAIT: Duration = Duration::from_secs(5);

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

/// How an entry ends.
enum Ending {
    /// It is done, and this claim is to be released.
    Release(Claim),
    /// Nothing more is to be done.
    Over(Carried),
}

impl Shell {
    /// Lets `stage` decide about claimed entries, and carries them out: what became of each, in their order.
    pub fn carry<S: Stage>(&self, stage: &S, batch: Vec<Claimed>) -> Vec<Carried> {
        let by = Decider { stage: S::READS, writes: S::WRITES, host: &self.host };
        let lines: Vec<Span> = batch.iter().map(|claimed| line(&claimed.entry, S::READS)).collect();
        let hands = batch.iter().zip(&lines).map(|(Claimed { entry, .. }, line)| InHand { entry, line: line.clone() });
        let decide =
            |entry: &Entry, view: &dyn StoreView, cx| Ok(Work::of(entry, stage.decide(entry, view, cx)?, by, cx));
        let decided = self.decide_and_commit(&hands.collect::<Vec<_>>(), by, &decide);
        let (mut carried, mut releases) = (Vec::new(), Vec::new());
        for ((Claimed { entry, claim }, line), decided) in batch.into_iter().zip(&lines).zip(decided) {
            match line.in_scope(|| self.end(&entry, claim, by, decided, &[])) {
                Ending::Over(ended) => carried.push(ended),
                Ending::Release(claim) => {
                    releases.push((carried.len(), claim));
                    carried.push(Carried::Done);
                }
            }
        }
        if releases.is_empty() {
            return carried;
        }
        let (whose, claims): (Vec<usize>, Vec<Claim>) = releases.into_iter().unzip();
        for (at, released) in whose.into_iter().zip(self.queues.release_all(claims)) {
            carried[at] = lines[at].in_scope(|| self.ended(by, released.map(|()| Carried::Done)));
        }
        carried
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
        let decide = |entry: &Entry, _: &dyn StoreView, cx| Ok(Work::settled(told, entry, settle(cx), by, cx));
        let hands = [InHand { entry, line: Span::current() }];
        let decided = self.decide_and_commit(&hands, by, &decide).pop().expect("each entry is decided");
        self.end_alone(entry, claim, by, decided, outcomes)
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

    /// Step 6, the log line and the line of the trail.
    fn end_alone(
        &self,
        entry: &Entry,
        claim: Claim,
        by: Decider<'_>,
        decided: Result<Work, Setback>,
        outcomes: &[(usize, Outcome)],
    ) -> Carried {
        match self.end(entry, claim, by, decided, outcomes) {
            Ending::Over(ended) => ended,
            Ending::Release(claim) => self.ended(by, self.queues.release(claim).map(|()| Carried::Done)),
        }
    }

    /// The same, but for the release of what is done.
    fn end(
        &self,
        entry: &Entry,
        claim: Claim,
        by: Decider<'_>,
        decided: Result<Work, Setback>,
        outcomes: &[(usize, Outcome)],
    ) -> Ending {
        let note = |steps: &[Step]| self.trail.note(entry, by.stage, steps, outcomes, Timestamp::now());
        let say = |summary: &str, steps: &[Step]| {
            tracing::info!("{summary}");
            note(steps);
            self.count(entry, by.stage, steps, outcomes);
        };
        let ended = match decided {
            Ok(Work { end: End::Release, summary, steps, .. }) => {
                say(&summary, &steps);
                return Ending::Release(claim);
            }
            Ok(Work { end: End::Defer(until, reason), summary, steps, .. }) => {
                say(&summary, &steps);
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
        Ending::Over(self.ended(by, ended))
    }

    /// A claim that could neither be released nor put off is dropped: whoever sees it first takes it over.
    fn ended(&self, by: Decider<'_>, ended: Result<Carried, QueueError>) -> Carried {
        let carried = ended.unwrap_or_else(|error| {
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
        self.end_alone(entry, claim, by, Err(Setback::Wait(reason)), &[])
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
    pub(crate) fn set_aside_as_deadly(&self, Claimed { entry, claim }: Claimed, stage: Queue) -> Carried {
        let tries = claim.tries();
        let reason = format!(
            "deadly: the process that had it in hand has died {tries} times in a row (killed, aborted, out of memory, or it hung)"
        );
        let trace =
            "none, for the process died. Its last words are in the log of its service, or in a core dump.".to_owned();
        let by = Decider { stage, writes: &[], host: &self.host };
        let deadly = Err(Setback::Fault(Panic { reason, trace }));
        line(&entry, stage).in_scope(|| self.end_alone(&entry, claim, by, deadly, &[]))
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
