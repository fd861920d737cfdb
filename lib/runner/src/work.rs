//! What the dispositions of one entry come to: what leaves, what changes, and how the entry itself ends.

use listmill_core::{Context, Disposition, MessageFile, StoreChange, Timestamp};
use listmill_queue_format::{Entry, Hop, Queue, encode};

use crate::trail::Step;

/// Everything that the shell has to do for one entry, in the order in which it does it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) changes: Vec<StoreChange>,
    pub(crate) outgoing: Vec<Entry>,
    pub(crate) end: End,
    /// One line for the log.
    pub(crate) summary: String,
    /// The same for the trail.
    pub(crate) steps: Vec<Step>,
}

/// How the claimed entry ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Release,
    Defer(Timestamp, String),
    Shunt(String),
}

/// Who decided, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decider<'a> {
    pub(crate) stage: Queue,
    pub(crate) writes: &'a [Queue],
    pub(crate) host: &'a str,
}

impl Work {
    /// Sums up dispositions; one that the stage may not make shunts the entry: that is a fault in the software.
    pub(crate) fn of(entry: &Entry, dispositions: Vec<Disposition>, by: Decider<'_>, cx: Context) -> Work {
        if dispositions.is_empty() {
            let end = End::Shunt("the stage decided nothing".to_owned());
            return Work { end, ..Work::nothing("") };
        }
        Work::summed_up("", entry, dispositions, by, cx)
    }

    /// The same after a delivery, which `told` tells of: nothing more may have to be decided.
    pub(crate) fn settled(
        told: &str,
        entry: &Entry,
        dispositions: Vec<Disposition>,
        by: Decider<'_>,
        cx: Context,
    ) -> Work {
        let mut work = Work::summed_up(told, entry, dispositions, by, cx);
        if matches!(work.end, End::Defer(..)) {
            work.shunt("a delivery that is over cannot be deferred: those who wait are forwarded".to_owned());
        }
        work
    }

    /// What an entry that was carried out once has left to be sent.
    pub(crate) fn left(entry: &Entry, outgoing: Vec<Entry>) -> Work {
        let said = "carried out before, and ended only now";
        let steps = outgoing.iter().map(|left| Step::leaving("forward", said, left, entry)).collect();
        Work { outgoing, steps, ..Work::nothing(said) }
    }

    fn nothing(summary: &str) -> Work {
        let (changes, outgoing, steps) = Default::default();
        Work { changes, outgoing, end: End::Release, summary: summary.to_owned(), steps }
    }

    fn summed_up(summary: &str, entry: &Entry, dispositions: Vec<Disposition>, by: Decider<'_>, cx: Context) -> Work {
        let mut work = Work::nothing(summary);
        for disposition in dispositions {
            work.add(entry, disposition, by, cx);
            if matches!(work.end, End::Shunt(_)) {
                return work;
            }
        }
        // An id is applied once: what the entry wants to change when it comes back would be taken for a repeat.
        if matches!(work.end, End::Defer(..)) && !work.changes.is_empty() {
            work.shunt("the stage changes the store and defers the entry, which is one too many".to_owned());
        }
        work
    }

    /// Nothing of what was decided happens.
    fn shunt(&mut self, why: String) {
        self.changes.clear();
        self.outgoing.clear();
        self.steps.clear();
        self.end = End::Shunt(why);
    }

    fn add(&mut self, entry: &Entry, disposition: Disposition, by: Decider<'_>, cx: Context) {
        match disposition {
            Disposition::Forward { entry: left, reason } => self.send(entry, left, "forward", &reason, by, cx),
            Disposition::Notify { entry: left, reason } => self.send(entry, left, "notify", &reason, by, cx),
            Disposition::Hold { post } => {
                let rules: Vec<_> = post.reasons.iter().map(|hit| hit.rule.as_str()).collect();
                self.step("hold", &rules.join(", "));
                match encode(entry) {
                    Ok(file) => self.changes.push(StoreChange::Hold { post, file: MessageFile(file) }),
                    Err(error) => self.shunt(format!("the entry cannot be held: {error}")),
                }
            }
            Disposition::Reject { reason, notice } => {
                self.step("reject", &reason);
                if let Some(notice) = notice {
                    self.send(entry, notice, "reject", &reason, by, cx);
                }
            }
            Disposition::Discard { reason } => self.step("discard", &reason),
            Disposition::Change(change) => {
                self.say(&change.to_string());
                self.steps.push(Step::of("change", &change.to_string()));
                self.changes.push(change);
            }
            Disposition::Defer { until, reason } => {
                self.say(&format!("defer until {until}: {reason}"));
                self.steps.push(Step::of("defer", &format!("until {until}: {reason}")));
                self.end = End::Defer(until, reason);
            }
            Disposition::Shunt { reason } => self.shunt(reason),
            Disposition::Deliver(_) => {
                self.shunt("a delivery plan came from a stage that does not deliver".to_owned());
            }
        }
    }

    fn send(
        &mut self,
        parent: &Entry,
        mut left: Entry,
        disposition: &'static str,
        reason: &str,
        by: Decider<'_>,
        cx: Context,
    ) {
        if !by.writes.contains(&left.queue) {
            return self.shunt(format!("{} may not write to {}", by.stage, left.queue));
        }
        self.say(&format!("{disposition} to {}: {reason}", left.queue));
        self.steps.push(Step::leaving(disposition, reason, &left, parent));
        note_hop(&mut left, by, disposition, reason, cx.now);
        self.outgoing.push(left);
    }

    fn step(&mut self, did: &'static str, why: &str) {
        self.say(&format!("{did}: {why}"));
        self.steps.push(Step::of(did, why));
    }

    fn say(&mut self, what: &str) {
        if !self.summary.is_empty() {
            self.summary.push_str("; ");
        }
        self.summary.push_str(what);
    }
}

/// Appends a hop to the trace. A stage that passes an entry to itself again (a page, an attempt) renews its hop, so that the trace is as
/// long as the way, not as the list.
pub(crate) fn note_hop(entry: &mut Entry, by: Decider<'_>, disposition: &str, reason: &str, at: Timestamp) {
    let hop = Hop {
        runner: by.stage.name().to_owned(),
        host: by.host.to_owned(),
        at,
        disposition: disposition.to_owned(),
        reason: reason.to_owned(),
        other: serde_json::Map::new(),
    };
    match entry.trace.last_mut() {
        Some(last) if last.runner == hop.runner && last.disposition == hop.disposition => *last = hop,
        _ => entry.trace.push(hop),
    }
}
