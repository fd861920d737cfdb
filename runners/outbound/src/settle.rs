//! After the attempt: who is done, who waits, who is given up.

use listmill_core::{Context, Disposition, Settle, Timestamp};
use listmill_queue_format::{Entry, Outcome, Queue, Recipient};

use crate::Outbound;

/// The ordinals of the entries that this stage derives: a repeat writes the same ids.
const WAITING: u32 = 0;
const REFUSED: u32 = 1;

impl Settle for Outbound {
    /// What becomes of each recipient: a 2xx is done, a 5xx goes to `bounce`, all else waits for another attempt
    /// until the entry expires. At most one entry for each of the two queues.
    fn settle(&self, entry: &Entry, outcomes: &[(usize, Outcome)], cx: Context) -> Vec<Disposition> {
        let mut last: Vec<Option<&Outcome>> = vec![None; entry.recipients.len()];
        for (index, outcome) in outcomes {
            // Told twice, a recipient that was served stays served.
            if let Some(slot) = last.get_mut(*index).filter(|slot| !slot.is_some_and(is_done)) {
                *slot = Some(outcome);
            }
        }
        let next = self.schedule.next(entry, cx);
        let expires = self.schedule.expires(entry, cx);
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        for (recipient, outcome) in entry.recipients.iter().zip(last) {
            let told = || Recipient { outcome: outcome.cloned().or(recipient.outcome.clone()), ..recipient.clone() };
            match outcome {
                Some(outcome) if is_done(outcome) => {}
                Some(outcome) if is_refused(outcome) => refused.push(told()),
                _ if next > expires => refused.push(given_up(told(), cx)),
                _ => waiting.push(told()),
            }
        }
        let mut dispositions = Vec::new();
        if !refused.is_empty() {
            dispositions.push(to_bounce(entry, refused, "refused or given up"));
        }
        if !waiting.is_empty() {
            dispositions.push(again(entry, waiting, next, expires));
        }
        dispositions
    }
}

fn is_done(outcome: &Outcome) -> bool {
    outcome.code / 100 == 2
}

fn is_refused(outcome: &Outcome) -> bool {
    outcome.code / 100 == 5
}

/// The recipients that are tried again, as one entry.
fn again(entry: &Entry, recipients: Vec<Recipient>, next: Timestamp, expires: Timestamp) -> Disposition {
    let reason = format!("{} wait for another attempt", counted(recipients.len()));
    let entry = Entry {
        attempts: entry.attempts.saturating_add(1),
        not_before: Some(next),
        expires: Some(expires),
        priority: entry.priority,
        recipients,
        ..entry.derive("outbound", WAITING, Queue::Outbound)
    };
    Disposition::Forward { entry, reason }
}

/// The recipients that will not be tried again, as one entry.
pub(crate) fn to_bounce(entry: &Entry, recipients: Vec<Recipient>, why: &str) -> Disposition {
    let reason = format!("{}: {why}", counted(recipients.len()));
    let entry = Entry { recipients, ..entry.derive("outbound", REFUSED, Queue::Bounce) };
    Disposition::Forward { entry, reason }
}

/// A recipient whose time is over: RFC 3463 §3.5, X.4.7, with the last reply in the text.
pub(crate) fn given_up(recipient: Recipient, cx: Context) -> Recipient {
    let (code, text) = match &recipient.outcome {
        Some(last) => (last.code, format!("delivery time expired; the last reply was: {}", spoken(last))),
        None => (0, "delivery time expired before the first attempt".to_owned()),
    };
    let outcome = Outcome { at: cx.now, code, status: "4.4.7".to_owned(), text, other: Default::default() };
    Recipient { outcome: Some(outcome), ..recipient }
}

/// A reply in one line, as the next host said it.
fn spoken(outcome: &Outcome) -> String {
    match outcome.code {
        0 => outcome.text.clone(),
        code => format!("{code} {} {}", outcome.status, outcome.text),
    }
}

fn counted(recipients: usize) -> String {
    if recipients == 1 { "1 recipient".to_owned() } else { format!("{recipients} recipients") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stage::samples::{at, context, entry, outcome, recipient};
    use listmill_queue_format::Priority;

    const HOUR: i64 = 3600;

    fn entry_for(count: usize) -> Entry {
        Entry { recipients: (0..count).map(recipient).collect(), priority: Priority::Low, ..entry() }
    }

    fn forwarded(dispositions: &[Disposition], queue: Queue) -> Option<&Entry> {
        let entries = dispositions.iter().map(|one| match one {
            Disposition::Forward { entry, .. } => entry,
            other => panic!("only forwards come of it, not {other:?}"),
        });
        entries.into_iter().find(|entry| entry.queue == queue)
    }

    #[test]
    fn done_leaves_nothing() {
        let outcomes = [(0, outcome(250, "2.0.0")), (1, outcome(252, "2.1.5"))];
        assert_eq!(Outbound::default().settle(&entry_for(2), &outcomes, context(0)), []);
    }

    #[test]
    fn only_those_who_wait_wait_and_those_refused_go_to_bounce_with_the_reply() {
        let outcomes = [(2, outcome(550, "5.7.1")), (0, outcome(250, "2.0.0")), (1, outcome(451, "4.3.0"))];
        let entry = entry_for(3);
        let dispositions = Outbound::default().settle(&entry, &outcomes, context(0));
        let waiting = forwarded(&dispositions, Queue::Outbound).unwrap();
        assert_eq!(waiting.recipients.len(), 1);
        assert_eq!(waiting.recipients[0].address, entry.recipients[1].address);
        assert_eq!(waiting.recipients[0].outcome.as_ref().unwrap().code, 451);
        assert_eq!((waiting.attempts, waiting.priority), (1, Priority::Low));
        assert_eq!(waiting.expires, Some(at(5 * 24 * HOUR)));
        assert_eq!(waiting.message, entry.message);
        let refused = forwarded(&dispositions, Queue::Bounce).unwrap();
        assert_eq!(refused.recipients[0].outcome, Some(outcome(550, "5.7.1")));
        assert_ne!(waiting.id, refused.id);
        assert_eq!(dispositions, Outbound::default().settle(&entry, &outcomes, context(0)), "the same twice");
    }

    #[test]
    fn intervals_grow_and_the_whole_ends_after_five_days() {
        let stage = Outbound::default();
        let mut entry = entry_for(1);
        let (mut now, mut waits) = (0, Vec::new());
        let end = loop {
            let cx = Context { seed: entry.id.seed(), ..context(now) };
            let dispositions = stage.settle(&entry, &[(0, outcome(0, "4.4.1"))], cx);
            let Some(next) = forwarded(&dispositions, Queue::Outbound) else {
                break forwarded(&dispositions, Queue::Bounce).unwrap().recipients[0].outcome.clone().unwrap();
            };
            waits.push(next.not_before.unwrap().as_second() - now);
            now = next.not_before.unwrap().as_second();
            entry = next.clone();
        };
        for (wait, minutes) in waits.iter().zip([5, 15, 30, 60, 120, 240, 240]) {
            assert!((wait - minutes * 60).abs() <= minutes * 6, "{wait} s where {minutes} min were due");
        }
        assert!((4 * 24 * HOUR..=5 * 24 * HOUR).contains(&now), "{now}");
        assert_eq!((end.code, end.status.as_str()), (0, "4.4.7"));
        assert!(end.text.contains("said so"));
    }

    #[test]
    fn a_recipient_without_an_outcome_waits() {
        let dispositions = Outbound::default().settle(&entry_for(2), &[(1, outcome(250, "2.0.0"))], context(0));
        assert_eq!(forwarded(&dispositions, Queue::Outbound).unwrap().recipients.len(), 1);
    }

    proptest! {
        #[test]
        fn every_recipient_ends_in_exactly_one_way(
            count in 1_usize..40,
            told in proptest::collection::vec((0_usize..50, prop_oneof![Just(0_u16), 200_u16..700]), 0..80),
            attempts in 0_u32..60,
            expires in proptest::option::of(0_i64..1_000_000),
            now in 0_i64..1_000_000,
            seed: u64,
        ) {
            let entry = Entry { attempts, expires: expires.map(at), ..entry_for(count) };
            let outcomes: Vec<_> = told.iter().map(|(index, code)| (*index, outcome(*code, "x"))).collect();
            let cx = Context { seed, ..context(now) };
            let dispositions = Outbound::default().settle(&entry, &outcomes, cx);
            prop_assert!(dispositions.len() <= 2);
            let of = |queue| forwarded(&dispositions, queue).map(|entry| entry.recipients.clone()).unwrap_or_default();
            let (waiting, refused) = (of(Queue::Outbound), of(Queue::Bounce));
            for (index, recipient) in entry.recipients.iter().enumerate() {
                let is_here = |list: &[Recipient]| list.iter().filter(|one| one.address == recipient.address).count();
                let done = usize::from(told.iter().any(|(who, code)| *who == index && code / 100 == 2));
                prop_assert_eq!(done + is_here(&waiting) + is_here(&refused), 1, "recipient {}", index);
            }
            for recipient in &refused {
                let outcome = recipient.outcome.as_ref().unwrap();
                prop_assert!(outcome.code / 100 == 5 || outcome.status == "4.4.7");
            }
            if let Some(entry) = forwarded(&dispositions, Queue::Outbound) {
                prop_assert!(entry.not_before <= entry.expires && entry.not_before >= Some(cx.now));
            }
        }
    }
}
