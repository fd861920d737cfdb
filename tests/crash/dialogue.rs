//! Row E1: what inbound decides within the dialogue. A client is told `250` only of what is durable; of a fault in the software it is told to come again.

use std::sync::Arc;

use listmill_core::{Context, Disposition, Stage, StoreView, Timestamp, Unavailable};
use listmill_intake::{Answer, Reception, Replies, Verdict};
use listmill_queue_format::{Entry, Envelope, Queue};
use listmill_runner::{Gate, Shell};

use crate::breaking::{Fate, Hazard};
use crate::fake::{add_bob, hold};
use crate::mill::{Mill, waiting};

/// An inbound stage that decides this.
struct Inbound<F>(F);

impl<F: Fn(&Entry, Context) -> Result<Vec<Disposition>, Unavailable>> Stage for Inbound<F> {
    const READS: Queue = Queue::Inbound;
    const WRITES: &'static [Queue] = &[Queue::Auth];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        (self.0)(entry, cx)
    }
}

const RECIPIENTS: [&str; 2] = ["dev@lists.example.org", "ops@lists.example.org"];

/// Hands a message for both lists in.
fn hand_in<F>(shell: &Shell, replies: Replies, decide: F) -> Vec<Answer>
where
    F: Fn(&Entry, Context) -> Result<Vec<Disposition>, Unavailable> + Send + Sync,
{
    let gate = Gate {
        stage: Inbound(decide),
        route: Box::new(|_, _| Ok(Verdict::Unknown)),
        shell: shell.clone(),
        max_message_size: 1 << 20,
        postmaster: None,
    };
    let envelope = Envelope { recipients: RECIPIENTS.map(str::to_owned).to_vec(), ..Envelope::default() };
    gate.accept(envelope, Arc::from(&b"Subject: hello\r\n\r\nbody\r\n"[..]), replies)
}

fn to_auth(entry: &Entry, ordinal: u32) -> Disposition {
    Disposition::Forward { entry: entry.derive("inbound", ordinal, Queue::Auth), reason: "a post".to_owned() }
}

fn both(entry: &Entry, _: Context) -> Result<Vec<Disposition>, Unavailable> {
    Ok(vec![to_auth(entry, 0), to_auth(entry, 1)])
}

fn is_later(answer: &Answer) -> bool {
    matches!(answer, Answer::Later { .. })
}

#[test]
fn what_is_said_to_be_stored_is_stored() {
    let mill = Mill::new();
    let shell = mill.start();
    let answers = hand_in(&shell, Replies::Each, both);
    let stored = waiting(&shell, Queue::Auth);
    assert_eq!(answers, [Answer::Stored(stored[0]), Answer::Stored(stored[1])]);
}

#[test]
fn a_put_that_fails_or_is_cut_off_is_never_a_250() {
    for fate in Fate::ALL {
        let mill = Mill::new();
        let shell = mill.start_with(&Hazard::new(fate, 0));
        let mut answers = Vec::new();
        let survived = crate::mill::survives(|| answers = hand_in(&shell, Replies::Each, both));
        assert_eq!(survived, matches!(fate, Fate::FailsBefore | Fate::FailsAfter));
        assert!(answers.iter().all(is_later), "{fate:?}: {answers:?}");
        assert_eq!(answers.len(), if survived { 2 } else { 0 });
    }
}

/// What the second recipient comes to is nothing that the dialogue can do.
fn assert_later(second: impl Fn(&Entry, Context) -> Disposition + Send + Sync + Copy) {
    let mill = Mill::new();
    let shell = mill.start();
    let decide = |entry: &Entry, cx: Context| Ok(vec![to_auth(entry, 0), second(entry, cx)]);
    let answers = hand_in(&shell, Replies::Each, decide);
    assert_eq!(answers[0], Answer::Stored(waiting(&shell, Queue::Auth)[0]));
    assert!(is_later(&answers[1]), "{answers:?}");
    let answers = hand_in(&shell, Replies::Together, decide);
    assert!(answers.iter().all(is_later), "{answers:?}");
    assert_eq!(waiting(&shell, Queue::Auth).len(), 1, "one reply for both: nothing was written");
}

#[test]
fn a_decision_that_inbound_may_not_make_loses_nothing() {
    assert_later(|entry, _| Disposition::Forward {
        entry: entry.derive("inbound", 1, Queue::Bounce),
        reason: "no".to_owned(),
    });
    assert_later(|_, cx| Disposition::Defer { until: cx.now, reason: "no".to_owned() });
    assert_later(|_, _| Disposition::Change(add_bob()));
    assert_later(hold);
    assert_later(|_, _| Disposition::Deliver(Default::default()));
}

#[test]
fn a_stage_that_fails_altogether_loses_nothing() {
    let mill = Mill::new();
    let shell = mill.start();
    let panics = |entry: &Entry, _: Context| panic!("what is that, in {}?", entry.id);
    let away = |_: &Entry, _: Context| Err(Unavailable { reason: "away".to_owned() });
    let too_few = |entry: &Entry, _: Context| Ok(vec![to_auth(entry, 0)]);
    for replies in [Replies::Each, Replies::Together] {
        for answers in
            [hand_in(&shell, replies, panics), hand_in(&shell, replies, away), hand_in(&shell, replies, too_few)]
        {
            assert!(answers.len() == 2 && answers.iter().all(is_later), "{answers:?}");
        }
    }
    assert_eq!(waiting(&shell, Queue::Auth), []);
    let health = &shell.health.all()[&Queue::Inbound];
    assert!(health.last_error.is_some() && health.last_error_at <= Some(Timestamp::now()));
}
