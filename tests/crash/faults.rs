//! Row E4, and what a stage may not decide: the entry is shunted, whole, and nothing that was decided beside it happens. It is for good that it does
//! not come back: a fault that is met each time again must not stand in front of its queue.

use listmill_core::{Context, Disposition, StoreChange, Timestamp};
use listmill_queue::State;
use listmill_queue_format::{Entry, Queue};
use listmill_runner::Carried;

use crate::fake::{Fake, add_bob, bob, dev, forward, hold};
use crate::mill::{Mill, carry_one, effects, entry, waiting};

/// The stage decides this about one entry, which is shunted for that reason; the one behind it is forwarded.
fn assert_shunted(because: &str, decide: impl Fn(&Entry, Context) -> Vec<Disposition> + Send + Sync + 'static) {
    let mill = Mill::new();
    let shell = mill.start();
    let (odd, next) = (entry(Queue::Moderation), entry(Queue::Moderation));
    let id = odd.id;
    let stage = Fake::new(move |entry, _, cx| {
        Ok(if entry.id == id { decide(entry, cx) } else { vec![forward(entry, 0, Queue::Pending)] })
    });
    shell.queues.put(&[odd, next.clone()]).unwrap();
    assert_eq!(carry_one(&shell, &stage), Carried::Shunted);
    assert_eq!(carry_one(&shell, &stage), Carried::Done);

    let found = shell.queues.find(id).unwrap().expect("nothing is lost");
    let why = found.why.expect("it says why");
    assert_eq!((found.state, why.stage.as_str()), (State::Shunted, "moderation"));
    assert!(why.reason.contains(because), "{}", why.reason);
    assert_eq!(effects(&shell, id), 0);
    assert_eq!(waiting(&shell, Queue::Pending), [next.id.derive("moderation", 0)]);
    assert!(waiting(&shell, Queue::Outbound).is_empty());
    assert_eq!(shell.health.all()[&Queue::Moderation].shunted, 1);
}

fn defer() -> Disposition {
    Disposition::Defer { until: Timestamp::now(), reason: "not now".to_owned() }
}

fn shunt() -> Disposition {
    Disposition::Shunt { reason: "the stage says so".to_owned() }
}

#[test]
fn a_queue_that_the_stage_may_not_write_to() {
    assert_shunted("moderation may not write to bounce", |entry, _| {
        vec![forward(entry, 0, Queue::Pending), Disposition::Change(add_bob()), forward(entry, 1, Queue::Bounce)]
    });
    assert_shunted("moderation may not write to command", |entry, _| {
        let notice = Some(entry.derive("moderation", 0, Queue::Command));
        vec![Disposition::Reject { reason: "no".to_owned(), notice }]
    });
}

#[test]
fn nothing_decided_at_all() {
    assert_shunted("decided nothing", |_, _| Vec::new());
}

#[test]
fn a_delivery_by_a_stage_that_does_not_deliver() {
    assert_shunted("does not deliver", |entry, _| {
        vec![forward(entry, 0, Queue::Pending), Disposition::Deliver(Default::default())]
    });
}

#[test]
fn a_shunt_beside_anything_else_in_any_order() {
    assert_shunted("says so", |entry, cx| vec![forward(entry, 0, Queue::Pending), hold(entry, cx), shunt(), defer()]);
    assert_shunted("may not write", |entry, _| vec![forward(entry, 0, Queue::Bounce), defer()]);
}

/// What it changes when it comes back would have the id of what it has changed now.
#[test]
fn a_change_of_the_store_beside_a_deferral() {
    assert_shunted("one too many", |_, _| vec![Disposition::Change(add_bob()), defer()]);
    assert_shunted("one too many", |entry, cx| vec![defer(), hold(entry, cx)]);
}

#[test]
fn an_entry_that_the_format_cannot_hold() {
    let too_long = |entry: &Entry, queue| {
        let mut outgoing = entry.derive("moderation", 0, queue);
        outgoing.facts.author_doubt = Some("x".repeat(2 << 20));
        Disposition::Forward { entry: outgoing, reason: "a test".to_owned() }
    };
    assert_shunted("line 1 has", move |entry, _| vec![too_long(entry, Queue::Pending)]);
    assert_shunted("line 1 has", move |entry, _| {
        vec![Disposition::Change(add_bob()), too_long(entry, Queue::Outbound)]
    });
}

#[test]
fn a_change_that_the_store_refuses_whenever_it_is_asked() {
    assert_shunted("bob@example.net is not on dev@lists.example.org", |entry, _| {
        let change = StoreChange::RemoveMember { list: dev(), address: bob() };
        vec![forward(entry, 0, Queue::Pending), Disposition::Change(change)]
    });
}
