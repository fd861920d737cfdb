//! Before the attempt: the plan, or the end of an entry that came too late.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

use crate::Schedule;
use crate::plan::plan;
use crate::settle::{given_up, to_bounce};

/// The outbound stage.
#[derive(Debug, Clone, Default)]
pub struct Outbound {
    /// When to try again.
    pub schedule: Schedule,
}

impl Stage for Outbound {
    const READS: Queue = Queue::Outbound;
    const WRITES: &'static [Queue] = &[Queue::Outbound, Queue::Bounce];

    fn decide(&self, entry: &Entry, _view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![next_step(entry, cx)])
    }
}

fn next_step(entry: &Entry, cx: Context) -> Disposition {
    if entry.recipients.is_empty() {
        return Disposition::Discard { reason: "the distribution list is empty".to_owned() };
    }
    if entry.expires.is_some_and(|end| end <= cx.now) {
        let recipients = entry.recipients.iter().cloned().map(|recipient| given_up(recipient, cx)).collect();
        return to_bounce(entry, recipients, "its time is over");
    }
    Disposition::Deliver(plan(entry))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Entries for the tests of this crate.

    use listmill_core::{Context, Timestamp};
    use listmill_queue_format::{Entry, EntryId, Envelope, Outcome, Queue, Recipient};

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) fn context(second: i64) -> Context {
        Context { now: at(second), seed: 42 }
    }

    pub(crate) fn entry() -> Entry {
        let message = b"Subject: hello\r\n\r\nbody\r\n".as_slice().into();
        let mut entry = Entry::arrived(EntryId::fresh(at(0), [1; 10]), at(0), Envelope::default(), message);
        entry.queue = Queue::Outbound;
        entry
    }

    pub(crate) fn recipient(number: usize) -> Recipient {
        Recipient {
            address: format!("member{number}@example.net"),
            return_path: format!("dev-bounces+member{number}=example.net.tag@lists.example.org"),
            ..Recipient::default()
        }
    }

    pub(crate) fn outcome(code: u16, status: &str) -> Outcome {
        Outcome { at: at(1), code, status: status.to_owned(), text: "said so".to_owned(), other: Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{at, context, entry, outcome, recipient};
    use super::*;

    #[test]
    fn an_entry_without_recipients_is_discarded() {
        assert!(matches!(next_step(&entry(), context(0)), Disposition::Discard { .. }));
    }

    #[test]
    fn an_old_message_that_was_never_tried_is_tried() {
        let mut entry = entry();
        entry.recipients = vec![recipient(1)];
        assert!(matches!(next_step(&entry, context(100 * 24 * 3600)), Disposition::Deliver(_)));
    }

    #[test]
    fn an_expired_entry_becomes_bounces_with_the_last_reply() {
        let mut entry = entry();
        entry.recipients = vec![recipient(1), recipient(2)];
        entry.recipients[1].outcome = Some(outcome(451, "4.3.0"));
        entry.expires = Some(at(1000));
        let Disposition::Forward { entry: bounce, .. } = next_step(&entry, context(1000)) else {
            panic!("a bounce entry")
        };
        assert_eq!(bounce.queue, Queue::Bounce);
        let told: Vec<_> = bounce.recipients.iter().map(|one| one.outcome.clone().unwrap()).collect();
        assert_eq!((told[0].code, told[0].status.as_str()), (0, "4.4.7"));
        assert_eq!((told[1].code, told[1].status.as_str()), (451, "4.4.7"));
        assert!(told[1].text.contains("said so"), "{}", told[1].text);
    }
}
