//! Rows E2 to E9: one entry, carried out by a process in which the first, the second, … call to a backend fails, or which dies before or
//! after it. Then another process starts; in the end everything has happened, once.

use std::collections::BTreeSet;

use listmill_core::Disposition;
use listmill_queue::State;
use listmill_queue_format::{Entry, EntryId, Queue, Timestamp};
use listmill_runner::Shell;

use crate::breaking::Fate;
use crate::fake::{Fake, add_bob, bob, dev, forward, hold, notify};
use crate::mill::{Mill, assert_settled, effects, entry, meets, read, there, waiting, work_off};

const STAGE: Queue = Queue::Moderation;

/// Goes through every fate of every call; `calls` are those that the stage leads to, in their order.
fn each_call(calls: &[&str], stage: fn() -> Fake, check: impl Fn(&Shell, &Entry)) {
    let nothing_happens = Mill::new();
    assert_eq!(
        meets(&nothing_happens, &entry(STAGE), Fate::DiesBefore, calls.len(), &stage()),
        None,
        "{calls:?} are all"
    );
    for fate in Fate::ALL {
        for (at, call) in calls.iter().enumerate() {
            eprintln!("{fate:?} at call {at}, {call}");
            let (mill, entry) = (Mill::new(), entry(STAGE));
            assert_eq!(meets(&mill, &entry, fate, at, &stage()), Some(*call));
            let shell = mill.start();
            work_off(&shell, &stage());
            check(&shell, &entry);
        }
    }
}

fn forwards() -> Fake {
    Fake::deciding(|entry| vec![forward(entry, 0, Queue::Pending), forward(entry, 1, Queue::Outbound)])
}

/// The second decision is not the first: bob is there by then.
fn change() -> Fake {
    Fake::new(|_, view, _| {
        Ok(vec![match view.member(&dev(), &bob())? {
            None => Disposition::Change(add_bob()),
            Some(_) => Disposition::Discard { reason: "he is on the list".to_owned() },
        }])
    })
}

/// The same, with entries that leave: of the second decision none may.
fn change_and_forwards() -> Fake {
    Fake::new(|entry, view, _| {
        Ok(match view.member(&dev(), &bob())? {
            None => {
                vec![notify(entry, 0, "welcome"), Disposition::Change(add_bob()), forward(entry, 1, Queue::Pending)]
            }
            Some(_) => vec![notify(entry, 0, "you are on the list already"), notify(entry, 2, "odd things happen")],
        })
    })
}

fn assert_forwarded(shell: &Shell, entry: &Entry) {
    assert_settled(shell, STAGE);
    assert_eq!(waiting(shell, Queue::Pending), [entry.id.derive("moderation", 0)]);
    assert_eq!(waiting(shell, Queue::Outbound), [entry.id.derive("moderation", 1)]);
}

fn assert_welcomed(shell: &Shell, entry: &Entry) {
    assert_settled(shell, STAGE);
    assert_eq!(effects(shell, entry.id), 1);
    assert_eq!(waiting(shell, Queue::Pending), [entry.id.derive("moderation", 1)]);
    let told = there(shell, Queue::Outbound, State::New);
    assert_eq!(told.iter().map(|entry| entry.id).collect::<Vec<_>>(), [entry.id.derive("moderation", 0)]);
    assert_eq!(&*told[0].message, b"Subject: welcome\r\n\r\n");
}

#[test]
fn what_a_stage_forwards_is_there_once() {
    each_call(&["put", "release"], forwards, assert_forwarded);
}

#[test]
fn what_a_stage_changes_is_changed_once() {
    each_call(&["commit", "release"], change, |shell, entry| {
        assert_settled(shell, STAGE);
        assert_eq!(effects(shell, entry.id), 1);
    });
}

#[test]
fn changes_and_the_entries_that_leave_with_them_happen_once_and_together() {
    each_call(&["commit", "put", "outbox_done", "release"], change_and_forwards, assert_welcomed);
}

#[test]
fn a_post_is_held_once() {
    let held = || Fake::new(|entry, _, cx| Ok(vec![hold(entry, cx)]));
    each_call(&["commit", "release"], held, |shell, entry| {
        assert_settled(shell, STAGE);
        let held = shell.store.as_ref().unwrap().held(&dev(), None, 9).unwrap();
        assert_eq!(held.iter().map(|post| post.entry).collect::<Vec<_>>(), [entry.id]);
    });
}

#[test]
fn a_deferred_entry_is_deferred_once_and_goes_on_from_there() {
    let later = || {
        Fake::new(|entry, _, cx| {
            let until = cx.now + std::time::Duration::from_secs(3600);
            Ok(match entry.attempts {
                0 => vec![Disposition::Defer { until, reason: "not now".to_owned() }, notify(entry, 7, "in an hour")],
                _ => vec![forward(entry, 0, Queue::Pending)],
            })
        })
    };
    each_call(&["put", "defer"], later, |shell, entry| {
        let status = shell.queues.status(STAGE).unwrap();
        assert_eq!((status.depth, status.deferred), (0, 1));
        let deferred = read(shell, entry.id);
        assert_eq!((deferred.attempts, deferred.not_before > Some(Timestamp::now())), (1, true));
        assert!(shell.queues.retry(entry.id).unwrap());
        work_off(shell, &later());
        assert_settled(shell, STAGE);
        assert_eq!(waiting(shell, Queue::Pending), [entry.id.derive("moderation", 0)]);
        assert_eq!(waiting(shell, Queue::Outbound), [entry.id.derive("moderation", 7)]);
    });
}

#[test]
fn a_shunted_entry_is_shunted_once_with_its_reason() {
    let odd = || Fake::deciding(|_| vec![Disposition::Shunt { reason: "odd".to_owned() }]);
    each_call(&["shunt"], odd, |shell, entry| {
        let found = shell.queues.find(entry.id).unwrap().unwrap();
        assert_eq!((found.queue, found.state, found.why.unwrap().reason.as_str()), (STAGE, State::Shunted, "odd"));
        assert_eq!(there(shell, STAGE, State::Shunted), std::slice::from_ref(entry));
        assert_eq!(shell.queues.status(STAGE).unwrap().depth, 0);
    });
}

/// Rows E7 and E8, a repeat that comes too late: the readers have finished with what the dead process wrote. What is written
/// again has the same ids, and is the same but for the times in its trace.
#[test]
fn what_is_written_again_after_its_reader_was_done_can_be_recognised() {
    for (stage, calls) in [(forwards as fn() -> Fake, 2), (change_and_forwards, 4)] {
        for (at, fate) in (0..calls).flat_map(|at| [(at, Fate::DiesBefore), (at, Fate::DiesAfter)]) {
            let (mill, entry) = (Mill::new(), entry(STAGE));
            let call = meets(&mill, &entry, fate, at, &stage());
            eprintln!("{fate:?} at call {at}, {call:?}");
            let before = read_out(&mill);
            let shell = mill.start();
            work_off(&shell, &stage());
            assert_settled(&shell, STAGE);
            drop(shell);
            let after = read_out(&mill);
            let distinct: BTreeSet<EntryId> = before.iter().chain(&after).map(|(id, _)| *id).collect();
            assert_eq!(distinct, BTreeSet::from([0, 1].map(|ordinal| entry.id.derive("moderation", ordinal))));
            for (id, message) in after {
                assert!(before.iter().all(|one| one.0 != id || one.1 == message), "the same id, and something else");
            }
        }
    }
}

/// The readers of the next queues take all that is there.
fn read_out(mill: &Mill) -> Vec<(EntryId, Vec<u8>)> {
    let queues = mill.queues();
    let mut read = Vec::new();
    for queue in [Queue::Pending, Queue::Outbound] {
        while queues.status(queue).unwrap().depth > 0 {
            let claimed = queues.claim(queue, crate::mill::PATIENCE).unwrap().unwrap();
            read.push((claimed.entry.id, claimed.entry.message.to_vec()));
            queues.release(claimed.claim).unwrap();
        }
    }
    read
}
