//! `listmill explain`: what would happen to a post, stage by stage, without doing it.
//!
//! Stages are pure, so this is their dispositions, printed. Nothing is written anywhere.

use std::io::Read;

use listmill_core::{Address, Context, Disposition, HELD, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Envelope, Queue, Timestamp};
use listmill_runner::fresh_id;
use serde::Serialize;

use crate::cli::Json;
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::{output, wiring};

/// One disposition of one stage.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    stage: Queue,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Queue>,
    reason: String,
}

pub(crate) fn run(office: &Office, list: &str, from: Option<String>, json: Json) -> Outcome {
    let mut message = Vec::new();
    std::io::stdin().lock().read_to_end(&mut message).map_err(|error| Failure::io("read standard input", &error))?;
    super::inject::check(&message)?;
    let to: Address = list.parse().map_err(Failure::usage)?;
    let steps = steps(office, &to, from, &message)?;
    if json.on { output::json(&steps) } else { print(&steps) }
}

/// One line a step.
pub(crate) fn print(steps: &[Step]) -> Outcome {
    steps.iter().try_for_each(|step| {
        let to = step.to.map(|queue| format!(" to {queue}")).unwrap_or_default();
        output::line(format!("{:<11} {}{to}: {}", step.stage.name(), step.disposition, output::printable(&step.reason)))
    })
}

/// What each stage on the way of this message decides. A line end in it may be LF: it is taken as `inject` takes it.
pub(crate) fn steps(office: &Office, to: &Address, from: Option<String>, message: &[u8]) -> Outcome<Vec<Step>> {
    let message = super::inject::crlf(message.to_vec());
    let sender = super::inject::sender(from, &message)?;
    let envelope = Envelope { sender, recipients: vec![to.to_string()], ..Envelope::default() };
    let now = Timestamp::now();
    let entry = Entry::arrived(fresh_id(now), now, envelope, message.into());
    let mut walk = Walk { office, steps: Vec::new(), copies: Copies::default() };
    walk.follow(entry)?;
    if walk.copies.recipients > 0 {
        walk.steps.push(walk.copies.step());
    }
    Ok(walk.steps)
}

/// What outbound would be given; summed up, for a list may have a million members.
#[derive(Debug, Default)]
struct Copies {
    entries: usize,
    recipients: usize,
    example: String,
}

impl Copies {
    fn step(&self) -> Step {
        let (copies, entries) = (plural(self.recipients, "copy", "copies"), plural(self.entries, "entry", "entries"));
        let reason = format!("{copies} in {entries}, {}", self.example);
        Step { stage: Queue::Outbound, disposition: "deliver", to: None, reason }
    }
}

fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

struct Walk<'a> {
    office: &'a Office,
    steps: Vec<Step>,
    copies: Copies,
}

impl Walk<'_> {
    /// From stage to stage, and for pending from page to page.
    fn follow(&mut self, entry: Entry) -> Outcome {
        let mut waiting = vec![entry];
        while let Some(entry) = waiting.pop() {
            if entry.queue == Queue::Outbound {
                self.copies.entries += 1;
                self.copies.recipients += entry.recipients.len();
                if let (true, Some(first)) = (self.copies.example.is_empty(), entry.recipients.first()) {
                    self.copies.example = format!("the first to <{}> from <{}>", first.address, first.return_path);
                }
                continue;
            }
            let later_page = entry.facts.cursor.is_some();
            for disposition in self.decide(&entry)? {
                let (step, next) = told(entry.queue, disposition);
                if !later_page {
                    self.steps.push(step);
                }
                // Nothing was held, so there is nothing to tell anybody of.
                waiting.extend(next.filter(|next| !tells_of_a_hold(next)));
            }
        }
        Ok(())
    }

    fn decide(&self, entry: &Entry) -> Outcome<Vec<Disposition>> {
        let site = &self.office.site;
        match entry.queue {
            Queue::Inbound => self.ask(&wiring::inbound(site), entry),
            Queue::Auth => self.ask(&wiring::auth(site), entry),
            Queue::Moderation => self.ask(&wiring::moderation(site), entry),
            Queue::Pending => self.ask(&wiring::pending(site), entry),
            Queue::Command => self.ask(&wiring::command(site), entry),
            Queue::Bounce => self.ask(&wiring::bounce(site), entry),
            Queue::Outbound => Ok(Vec::new()),
        }
    }

    fn ask<S: Stage>(&self, stage: &S, entry: &Entry) -> Outcome<Vec<Disposition>> {
        let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
        let view: &dyn StoreView = &*self.office.store;
        stage.decide(entry, view, cx).map_err(|error: Unavailable| Failure::try_again(error))
    }
}

/// The entry that follows a hold, for those who decide.
fn tells_of_a_hold(entry: &Entry) -> bool {
    entry.facts.subaddress.as_ref().is_some_and(|subaddress| subaddress.word == HELD)
}

/// A disposition in words, and the entry that goes on.
fn told(stage: Queue, disposition: Disposition) -> (Step, Option<Entry>) {
    let step = |disposition, reason| Step { stage, disposition, to: None, reason };
    match disposition {
        Disposition::Forward { entry, reason } => {
            (Step { stage, disposition: "forward", to: Some(entry.queue), reason }, Some(entry))
        }
        Disposition::Notify { entry, reason } => {
            (Step { stage, disposition: "notify", to: Some(entry.queue), reason }, None)
        }
        Disposition::Hold { post } => {
            let reasons: Vec<_> = post.reasons.iter().map(|hit| format!("{} ({})", hit.rule, hit.reason)).collect();
            (step("hold", format!("{}; until {}", reasons.join(", "), post.expires)), None)
        }
        Disposition::Reject { reason, notice } => {
            let told = match notice.as_ref().and_then(|notice| notice.recipients.first()) {
                Some(recipient) => format!("{reason}; <{}> is told", recipient.address),
                None => format!("{reason}; nobody is told"),
            };
            (step("reject", told), None)
        }
        Disposition::Discard { reason } => (step("discard", reason), None),
        Disposition::Defer { until, reason } => (step("defer", format!("until {until}: {reason}")), None),
        Disposition::Shunt { reason } => (step("shunt", reason), None),
        Disposition::Change(change) => (step("change", change.to_string()), None),
        Disposition::Deliver(plan) => {
            (step("deliver", plural(plan.transactions.len(), "transaction", "transactions")), None)
        }
    }
}
