//! Deciding, committing and sending, for the entries that a thread has in hand: each is decided for itself, and all wait for the disk together.
//!
//! A batch promises no more than its entries do one by one: each commit is whole or not at all for itself, and one that is refused is decided
//! again without the others. Only when the queues refuse what a batch writes, each entry's is put for itself, so that one that cannot be
//! written stands in nobody's way.

use listmill_core::{Commit, CommitError, Committed, Context, MessageFile, Refusal, StoreView, Unavailable};
use listmill_queue::QueueError;
use listmill_queue_format::{DecodeError, EncodeError, Entry, Timestamp, decode, encode};
use tracing::Span;

use crate::Shell;
use crate::panics::{Panic, guarded};
use crate::work::{Decider, Work};

/// How often a refused commit is decided again before the entry is set aside. Each round means that somebody else changed the same thing;
/// so many of them, that the stage does not look at what it changes.
const ROUNDS: u32 = 8;

/// Why an entry is not done.
pub(crate) enum Setback {
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

/// An entry in hand, and what its log lines say of it.
pub(crate) struct InHand<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) line: Span,
}

/// How far an entry of a batch is.
enum Stand {
    /// To be decided, the first time or, after this refusal, again.
    Open(Option<Refusal>),
    /// Decided; `in_outbox`: what leaves is in the store's outbox, until it is in its queues.
    Decided { work: Work, in_outbox: bool },
    /// It goes no further.
    Over(Setback),
}

/// What somebody makes of an entry, with what he sees of the world.
type Decide<'a> = &'a dyn Fn(&Entry, &dyn StoreView, Context) -> Result<Work, Unavailable>;

impl Shell {
    /// Steps 2 to 5 for these entries: what each of them comes to, in their order. What is to leave has left.
    pub(crate) fn decide_and_commit(
        &self,
        hands: &[InHand<'_>],
        by: Decider<'_>,
        decide: Decide<'_>,
    ) -> Vec<Result<Work, Setback>> {
        let mut stands: Vec<Stand> = hands.iter().map(|_| Stand::Open(None)).collect();
        for _ in 0..ROUNDS {
            self.round(hands, &mut stands, by, decide);
            if !stands.iter().any(|stand| matches!(stand, Stand::Open(_))) {
                break;
            }
        }
        self.send(hands, &mut stands);
        let outcome = |stand| match stand {
            Stand::Decided { work, .. } => Ok(work),
            Stand::Over(setback) => Err(setback),
            Stand::Open(refusal) => {
                let last = refusal.map_or_else(String::new, |refusal| format!("; the last: {refusal}"));
                Err(Setback::fault(format!("the store refused {ROUNDS} decisions in a row{last}")))
            }
        };
        stands.into_iter().map(outcome).collect()
    }

    /// Decides those that are open, and commits what changes the store.
    fn round(&self, hands: &[InHand<'_>], stands: &mut [Stand], by: Decider<'_>, decide: Decide<'_>) {
        let (mut commits, mut whose) = (Vec::new(), Vec::new());
        for (at, (InHand { entry, line }, stand)) in hands.iter().zip(&mut *stands).enumerate() {
            if !matches!(stand, Stand::Open(_)) {
                continue;
            }
            let _line = line.enter();
            let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
            let (decided, commit) =
                self.decide(entry, by, cx, decide).unwrap_or_else(|setback| (Stand::Over(setback), None));
            *stand = decided;
            whose.extend(commit.is_some().then_some(at));
            commits.extend(commit);
        }
        let committed = match &self.store {
            Some(store) => store.commit_all(&commits),
            None => Vec::new(),
        };
        for (at, committed) in whose.into_iter().zip(committed) {
            hands[at].line.in_scope(|| stands[at].heed(hands[at].entry, committed));
        }
    }

    /// Decides one entry; with the batch for the store, where it is to change.
    fn decide(
        &self,
        entry: &Entry,
        by: Decider<'_>,
        cx: Context,
        decide: Decide<'_>,
    ) -> Result<(Stand, Option<Commit>), Setback> {
        let mut work = guarded(|| self.with_view(|view| decide(entry, view, cx))).map_err(Setback::Fault)??;
        let commit = match (&self.store, work.changes.is_empty()) {
            // Is there nothing to change because the entry has been carried out before? Then this decision comes too late.
            (Some(store), true) => match store.applied(entry.id)? {
                Some(files) => return Ok((left(entry, &files)?, None)),
                None => None,
            },
            (None, true) => None,
            (None, false) => return Err(Setback::Wait("this host has no store".to_owned())),
            (Some(_), false) => Some(commit(entry, by, cx, &mut work)?),
        };
        Ok((Stand::Decided { work, in_outbox: false }, commit))
    }

    /// Puts what leaves into its queues, and clears the outbox of it.
    fn send(&self, hands: &[InHand<'_>], stands: &mut [Stand]) {
        let leaving = |stand: &mut Stand| match stand {
            Stand::Decided { work, .. } => std::mem::take(&mut work.outgoing),
            _ => Vec::new(),
        };
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for stand in &mut *stands {
            all.extend(leaving(stand));
            ends.push(all.len());
        }
        if all.is_empty() {
            return;
        }
        let mut failed = self.queues.put(&all).err();
        let mut from = 0;
        for ((InHand { entry, line }, stand), end) in hands.iter().zip(stands).zip(ends) {
            let _line = line.enter();
            let own = &all[std::mem::replace(&mut from, end)..end];
            if own.is_empty() {
                continue;
            }
            let put = match failed.take() {
                Some(error) if own.len() < all.len() => {
                    failed = Some(error);
                    self.queues.put(own)
                }
                Some(error) => Err(error),
                None => Ok(()),
            };
            if let Err(setback) = put.map_err(Setback::from).and_then(|()| self.clear(entry, stand)) {
                *stand = Stand::Over(setback);
            }
        }
    }

    fn clear(&self, entry: &Entry, stand: &Stand) -> Result<(), Setback> {
        match (stand, &self.store) {
            (Stand::Decided { in_outbox: true, .. }, Some(store)) => Ok(store.outbox_done(entry.id)?),
            _ => Ok(()),
        }
    }
}

impl Stand {
    /// What the store made of this entry's batch.
    fn heed(&mut self, entry: &Entry, committed: Result<Committed, CommitError>) {
        match (committed, &mut *self) {
            (Ok(Committed::Now), Stand::Decided { in_outbox, .. }) => *in_outbox = true,
            (Ok(Committed::Now), _) => {}
            (Ok(Committed::Before(files)), _) => *self = left(entry, &files).unwrap_or_else(Stand::Over),
            (Err(CommitError::Refused(refusal)), _) => {
                tracing::debug!("the store changed meanwhile, deciding again: {refusal}");
                *self = Stand::Open(Some(refusal));
            }
            (Err(CommitError::Unavailable(reason)), _) => *self = Stand::Over(Setback::Wait(reason)),
        }
    }
}

/// The batch for the store.
fn commit(entry: &Entry, by: Decider<'_>, cx: Context, work: &mut Work) -> Result<Commit, Setback> {
    let files = work.outgoing.iter().map(|entry| encode(entry).map(MessageFile)).collect::<Result<_, _>>();
    Ok(Commit {
        id: entry.id,
        at: cx.now,
        by: by.stage.name().to_owned(),
        why: work.summary.clone(),
        changes: std::mem::take(&mut work.changes),
        outgoing: files.map_err(|error: EncodeError| Setback::fault(error.to_string()))?,
    })
}

/// An entry that was carried out before, of which this is still in the outbox.
fn left(entry: &Entry, files: &[MessageFile]) -> Result<Stand, Setback> {
    let left = entries(files).map_err(|error| Setback::fault(format!("the outbox holds what is no entry: {error}")))?;
    Ok(Stand::Decided { work: Work::left(entry, left), in_outbox: true })
}

/// The entries that the outbox keeps as message files.
pub(crate) fn entries(files: &[MessageFile]) -> Result<Vec<Entry>, DecodeError> {
    files.iter().map(|file| decode(&file.0)).collect()
}
