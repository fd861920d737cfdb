//! Deciding, committing and sending, for the entries that a thread has in hand: each is decided for itself, and all wait for the disk together.
//!
//! A batch promises no more than its entries do one by one: each commit is whole or not at all for itself, and one that is refused is decided
//! again. When the queues refuse what a batch writes, each entry's is put for itself, so that one that cannot be written stands in nobody's way;
//! but whoever has kept one of a batch waiting in vain is not asked again for the others, which would wait as long each.

use std::time::Instant;

use listmill_core::{Commit, CommitError, Committed, Context, MessageFile, Refusal, StoreView, Unavailable};
use listmill_queue_format::{DecodeError, EncodeError, Entry, Timestamp, decode, encode};
use tracing::Span;

use crate::Shell;
use crate::panics::{Panic, guarded};
use crate::put::{PATIENCE, Unput, put_each};
use crate::work::{Decider, Work};

/// How often refused commits are decided again, without one of the batch being applied, before the entries are set aside. Each such round means
/// that somebody else changed the same thing; so many of them, that the stage does not look at what it changes.
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

impl From<Unput> for Setback {
    /// What fails each time again must not stand in front of its queue for ever.
    fn from(unput: Unput) -> Self {
        match unput {
            Unput::Failed(error) if !error.is_temporary() => Setback::fault(error.to_string()),
            Unput::Failed(error) => Setback::Wait(error.to_string()),
            Unput::Unasked(reason) => Setback::Wait(reason),
        }
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
        let (mut open, mut in_vain) = (stands.len(), 0);
        while open > 0 && in_vain < ROUNDS {
            self.round(hands, &mut stands, by, decide);
            let still_open = stands.iter().filter(|stand| matches!(stand, Stand::Open(_))).count();
            in_vain = if still_open < open { 0 } else { in_vain + 1 };
            open = still_open;
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
        let (mut commits, mut whose, mut away) = (Vec::new(), Vec::new(), None);
        for (at, (InHand { entry, line }, stand)) in hands.iter().zip(&mut *stands).enumerate() {
            if !matches!(stand, Stand::Open(_)) {
                continue;
            }
            if let Some(reason) = &away {
                *stand = Stand::Over(Setback::Wait(String::clone(reason)));
                continue;
            }
            let _line = line.enter();
            let (cx, asked) = (Context { now: Timestamp::now(), seed: entry.id.seed() }, Instant::now());
            let (decided, commit) =
                self.decide(entry, by, cx, decide).unwrap_or_else(|setback| (Stand::Over(setback), None));
            if let Stand::Over(Setback::Wait(reason)) = &decided {
                away = (asked.elapsed() > PATIENCE).then(|| reason.clone());
            }
            *stand = decided;
            whose.extend(commit.is_some().then_some(at));
            commits.extend(commit);
        }
        let committed = match &self.store {
            Some(store) if !commits.is_empty() => store.commit_all(&commits),
            _ => return,
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
        let leaving = stands.iter_mut().map(|stand| match stand {
            Stand::Decided { work, .. } => std::mem::take(&mut work.outgoing),
            _ => Vec::new(),
        });
        let leaving: Vec<Vec<Entry>> = leaving.collect();
        let leaves: Vec<bool> = leaving.iter().map(|own| !own.is_empty()).collect();
        let put = put_each(&*self.queues, leaving.into_iter());
        for (((InHand { entry, line }, stand), put), leaves) in hands.iter().zip(stands).zip(put).zip(leaves) {
            if !leaves {
                continue;
            }
            let _line = line.enter();
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
