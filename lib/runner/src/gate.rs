//! Where mail comes in: the inbound stage decides inside the dialogue, so that a refusal is a reply and not a notice.
//!
//! `250` is said when the entries that inbound wrote are durable in their queues. A foreign intake may instead write entries into
//! the `inbound` queue; the same stage serves that.

use std::sync::Arc;

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_intake::{Answer, Arrival, Reception, Replies, Verdict, received_field};
use listmill_mail::limits::message_id;
use listmill_queue::Kind;
use listmill_queue_format::{Entry, EntryId, Envelope, Queue, Timestamp};

use crate::Shell;
use crate::identity::fresh_id;
use crate::panics::guarded;
use crate::put::{Unput, put_each};
use crate::trail::Step;
use crate::work::{Decider, End, Work};

/// What an entry takes beside its message: line 1, a block of the disk.
const OVERHEAD: u64 = 4096;
/// What a client is told while a disk is below its floor.
const NO_ROOM: &str = "there is no room for more mail now, try again later";

/// What RCPT is answered, as the inbound stage would route the address. As that stage it looks at nothing but the lists.
pub type Route = Box<dyn Fn(&str, &dyn StoreView) -> Result<Verdict, Unavailable> + Send + Sync>;

/// The reception of this site: knows its lists through the store or the directory, and writes to its queues.
pub struct Gate<S> {
    /// The inbound stage: one disposition per envelope recipient, in their order.
    pub stage: S,
    /// Its answer to RCPT.
    pub route: Route,
    /// Queues, and what is known of the lists.
    pub shell: Shell,
    /// Octets of the largest message.
    pub max_message_size: u64,
    /// Whom a bare `postmaster` reaches (RFC 5321 §4.1.1.3).
    pub postmaster: Option<String>,
}

/// A message on its way through the gate.
enum Case {
    /// It goes no further.
    Answered(Vec<Answer>),
    /// What inbound decided for each envelope recipient.
    Decided(Box<Entry>, Vec<Decided>),
}

impl Case {
    /// Takes out what is to be written.
    fn outgoing(&mut self) -> Vec<Entry> {
        match self {
            Case::Answered(_) => Vec::new(),
            Case::Decided(_, decided) => decided.iter_mut().filter_map(|one| one.outgoing.take()).collect(),
        }
    }
}

/// What inbound decided for one envelope recipient.
struct Decided {
    outgoing: Option<Entry>,
    /// The id of what is to be written, and its list.
    stored_as: Option<(EntryId, String)>,
    summary: String,
    steps: Vec<Step>,
    refusal: Option<Answer>,
}

impl Decided {
    fn of(entry: &Entry, disposition: Disposition, by: Decider<'_>, cx: Context) -> Decided {
        let refused = match &disposition {
            Disposition::Reject { reason, .. } | Disposition::Shunt { reason } => Some(refusal(reason)),
            _ => None,
        };
        let work = Work::of(entry, vec![disposition], by, cx);
        // Nothing but entries can be written here. Whatever else was decided must not be a 250.
        let fault = match work.end {
            End::Release if work.changes.is_empty() => None,
            End::Shunt(reason) => Some(reason),
            End::Release | End::Defer(..) => Some(format!("inbound may not decide this: {}", work.summary)),
        };
        let refusal = refused.or_else(|| fault.as_ref().map(|_| later()));
        let steps = if fault.is_some() { Vec::new() } else { work.steps };
        let outgoing = work.outgoing.into_iter().next();
        let stored_as = outgoing.as_ref().map(|entry| (entry.id, entry.list.clone().unwrap_or_default()));
        Decided { outgoing, stored_as, summary: fault.unwrap_or(work.summary), steps, refusal }
    }

    fn answer(self, arrived: EntryId, stored: &Result<(), String>) -> Answer {
        match (self.refusal, stored) {
            (Some(refusal), _) => refusal,
            (None, Ok(())) => Answer::Stored(self.stored_as.map_or(arrived, |(id, _)| id)),
            (None, Err(_)) => later(),
        }
    }
}

impl<S: Stage + Send + Sync> Reception for Gate<S> {
    fn recipient(&self, address: &str) -> Verdict {
        let verdict = self.shell.with_lists(|view| (self.route)(address, view));
        verdict.unwrap_or_else(|error| Verdict::Unavailable(error.reason))
    }

    fn has_room(&self, octets: u64) -> bool {
        self.shell.room.has(octets)
    }

    fn recipient_at_once(&self, address: &str) -> Option<Verdict> {
        let lists = self.shell.lists_at_once()?;
        // After a panic it is asked for as ever, where that is caught and told.
        guarded(|| (self.route)(address, &*lists)).ok()?.ok()
    }

    fn accept(&self, envelope: Envelope, message: Arc<[u8]>, replies: Replies) -> Vec<Answer> {
        self.accept_all(vec![Arrival { envelope, message, replies }]).pop().unwrap_or_default()
    }

    fn accept_all(&self, arrivals: Vec<Arrival>) -> Vec<Vec<Answer>> {
        let mut cases: Vec<Case> = arrivals.into_iter().map(|arrival| self.judge(arrival)).collect();
        let stored = self.store(&mut cases);
        let answers = cases.into_iter().zip(stored).map(|(case, stored)| match case {
            Case::Answered(answers) => answers,
            Case::Decided(entry, decided) => {
                // What is stored is stored, and its client must hear so.
                if let Err(panic) = guarded(|| self.tell(&entry, &decided, &stored)) {
                    tracing::error!("what became of a message could not be told: {}\n{}", panic.reason, panic.trace);
                }
                decided.into_iter().map(|one| one.answer(entry.id, &stored)).collect()
            }
        });
        answers.collect()
    }

    fn postmaster(&self) -> Option<String> {
        self.postmaster.clone()
    }

    fn max_message_size(&self) -> u64 {
        self.max_message_size
    }
}

impl<S: Stage> Gate<S> {
    /// Decides what becomes of a message.
    fn judge(&self, Arrival { envelope, message, replies }: Arrival) -> Case {
        let recipients = envelope.recipients.len();
        // An entry for each of them.
        if !self.shell.room.take((message.len() as u64 + OVERHEAD).saturating_mul(recipients as u64)) {
            return Case::Answered(vec![Answer::Later { text: NO_ROOM.to_owned() }; recipients]);
        }
        let now = Timestamp::now();
        let id = fresh_id(now);
        let received = received_field(&envelope, &self.shell.host, id, now);
        let entry = Entry::arrived(id, now, envelope, [received.as_bytes(), &message].concat().into());
        match self.decide(&entry, now) {
            Ok(mut decided) => {
                if replies == Replies::Together {
                    all_or_nothing(&mut decided);
                }
                Case::Decided(Box::new(entry), decided)
            }
            Err(reason) => {
                self.troubled(&entry, &reason);
                Case::Answered(vec![later(); recipients])
            }
        }
    }

    /// One for each envelope recipient; else the reason why the client must come again.
    fn decide(&self, entry: &Entry, now: Timestamp) -> Result<Vec<Decided>, String> {
        let cx = Context { now, seed: entry.id.seed() };
        let dispositions = guarded(|| self.shell.with_lists(|view| self.stage.decide(entry, view, cx)))
            .map_err(|panic| format!("a fault in the stage: {}\n{}", panic.reason, panic.trace))?
            .map_err(|error| error.reason)?;
        let recipients = entry.envelope.recipients.len();
        if dispositions.len() != recipients {
            return Err(format!("the stage decided {} times for {recipients} recipients", dispositions.len()));
        }
        let by = Decider { stage: Queue::Inbound, writes: S::WRITES, host: &self.shell.host };
        Ok(dispositions.into_iter().map(|disposition| Decided::of(entry, disposition, by, cx)).collect())
    }

    /// Writes what is to be written, all with one wait: what came of it for each message.
    fn store(&self, cases: &mut [Case]) -> Vec<Result<(), String>> {
        let put = put_each(&*self.shell.queues, cases.iter_mut().map(Case::outgoing));
        let told = |unput| match unput {
            Unput::Failed(error) => {
                if matches!(error.kind(), Kind::Full(_)) {
                    self.shell.room.overflowed();
                }
                error.to_string()
            }
            Unput::Unasked(reason) => reason,
        };
        put.into_iter().map(|put| put.map_err(told)).collect()
    }

    /// Tells log, trail and figures what became of a message.
    fn tell(&self, entry: &Entry, decided: &[Decided], stored: &Result<(), String>) {
        if let Err(error) = stored {
            self.troubled(entry, error);
        }
        self.note(entry, decided, stored.as_ref().err());
        let message_id = message_id(&entry.message);
        for (one, recipient) in decided.iter().zip(&entry.envelope.recipients) {
            let (id, list) = one.stored_as.as_ref().map_or((entry.id, ""), |(id, list)| (*id, list));
            tracing::info!(runner = "inbound", entry = %id, message_id = %message_id, list, recipient, "{}", one.summary);
        }
        self.shell.health.note(Queue::Inbound, |health| health.decided += 1);
    }

    /// What becomes of the message goes into the trail.
    fn note(&self, entry: &Entry, decided: &[Decided], failed: Option<&String>) {
        let steps: Vec<Step> = match failed {
            Some(error) => vec![Step::of("refuse", &format!("not stored, and the client told to come again: {error}"))],
            None => decided.iter().flat_map(|one| one.steps.clone()).collect(),
        };
        self.shell.health.did(Queue::Inbound, steps.iter().map(|step| &*step.did));
        self.shell.trail.note(entry, Queue::Inbound, &steps, &[], Timestamp::now());
    }

    fn troubled(&self, entry: &Entry, error: &str) {
        let message_id = message_id(&entry.message);
        tracing::error!(runner = "inbound", entry = %entry.id, message_id, "not stored, and the client told so: {error}");
        self.shell.health.error(Queue::Inbound, error);
    }
}

/// An SMTP client is told one thing: one refusal refuses for all, and then nothing is written.
fn all_or_nothing(decided: &mut [Decided]) {
    let Some(refusal) = decided.iter().find_map(|one| one.refusal.clone()) else { return };
    for one in decided {
        (one.outgoing, one.stored_as) = (None, None);
        one.steps.retain(|step| step.to.is_none());
        one.refusal = Some(refusal.clone());
    }
}

/// What stands in the way is for the log; a client only needs to know that it may come again.
fn later() -> Answer {
    Answer::Later { text: "the message cannot be stored now".to_owned() }
}

/// A refusal's reason begins with the enhanced status code that the client is told (RFC 2034).
fn refusal(reason: &str) -> Answer {
    let status = |word: &str| word.starts_with("5.") && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (status, text) = reason.split_once(' ').filter(|(word, _)| status(word)).unwrap_or(("5.7.1", reason));
    let code = match status {
        "5.3.4" => 552,
        "5.1.1" => 550,
        "5.1.3" => 553,
        _ => 554,
    };
    Answer::Refused { code, status: status.to_owned(), text: text.to_owned() }
}
