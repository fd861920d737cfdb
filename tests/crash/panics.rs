//! Row E4, and invariant 5: a message that crashes a stage stops nothing but itself, and can be replayed without a second effect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use listmill_core::Disposition;
use listmill_queue::State;
use listmill_queue_format::{EntryId, Queue};
use listmill_runner::{Runner, StageWorker, Stop, remember_panics, serve};
use listmill_tests::program::wait_for;

use crate::breaking::{Fate, Hazard};
use crate::fake::{Fake, add_bob, forward};
use crate::mill::{Mill, assert_settled, effects, entry, waiting};

/// As the program does when it starts.
fn remember() {
    static ONCE: Once = Once::new();
    ONCE.call_once(remember_panics);
}

/// Stumbles over one entry as long as it is `ill`; forwards the others.
fn stumbling(over: EntryId, ill: &Arc<AtomicBool>) -> Fake {
    let ill = Arc::clone(ill);
    Fake::deciding(move |entry| {
        assert!(entry.id != over || !ill.load(Ordering::SeqCst), "what is that, in {}?", entry.id);
        let mut dispositions = vec![forward(entry, 0, Queue::Pending)];
        if entry.id == over {
            dispositions.push(Disposition::Change(add_bob()));
        }
        dispositions
    })
}

#[test]
fn a_panic_of_a_stage_shunts_its_entry_and_a_retry_is_a_first_time() {
    remember();
    let mill = Mill::new();
    let shell = mill.start();
    let (odd, next) = (entry(Queue::Moderation), entry(Queue::Moderation));
    let ill = Arc::new(AtomicBool::new(true));
    shell.queues.put(&[odd.clone(), next.clone()]).unwrap();

    let (runner, stop) = (Arc::new(StageWorker(stumbling(odd.id, &ill))) as Arc<dyn Runner>, Stop::default());
    let threads = serve(&runner, 1, &shell, &stop).unwrap();
    wait_for("the entry behind it", || waiting(&shell, Queue::Pending) == [next.id.derive("moderation", 0)]);
    // Of entries that were taken together, one may be on its way before the other is set aside.
    let is_shunted = || shell.queues.find(odd.id).unwrap().is_some_and(|found| found.state == State::Shunted);
    wait_for("it to be set aside", is_shunted);
    let found = shell.queues.find(odd.id).unwrap().unwrap();
    let why = found.why.unwrap();
    assert_eq!((found.state, why.stage.as_str()), (State::Shunted, "moderation"));
    assert!(why.reason.starts_with(&format!("what is that, in {}?", odd.id)), "{}", why.reason);
    assert!(why.reason.contains("crash/panics.rs:"), "the place: {}", why.reason);
    assert!(why.trace.contains("crash::fake::Fake"), "the stack: {}", why.trace);
    let health = &shell.health.all()[&Queue::Moderation];
    assert_eq!((health.shunted, health.last_error.as_deref()), (1, Some(why.reason.as_str())));

    ill.store(false, Ordering::SeqCst);
    assert!(shell.queues.retry(odd.id).unwrap());
    assert!(!shell.queues.retry(next.id).unwrap(), "what is done is not there to be tried again");
    wait_for("the retry", || shell.health.all()[&Queue::Moderation].decided == 2);
    stop.stop();
    shell.queues.wake();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_settled(&shell, Queue::Moderation);
    assert_eq!(effects(&shell, odd.id), 1);
    assert_eq!(waiting(&shell, Queue::Pending), [next, odd].map(|entry| entry.id.derive("moderation", 0)));
}

/// A fault of a backend is not the entry's: it stays, and the thread that met it works on.
#[test]
fn a_panic_of_a_backend_ends_no_thread_and_loses_no_entry() {
    remember();
    for call in ["commit", "put", "outbox_done", "release"] {
        let at = ["commit", "put", "outbox_done", "release"].iter().position(|name| *name == call).unwrap();
        let mill = Mill::new();
        let hazard = Hazard::new(Fate::Panics, at);
        let shell = mill.start_with(&hazard);
        let entry = entry(Queue::Moderation);
        mill.queues().put(std::slice::from_ref(&entry)).unwrap();
        let stage = Fake::deciding(|entry| vec![Disposition::Change(add_bob()), forward(entry, 0, Queue::Pending)]);
        let (runner, stop) = (Arc::new(StageWorker(stage)) as Arc<dyn Runner>, Stop::default());
        let threads = serve(&runner, 1, &shell, &stop).unwrap();
        wait_for("the second try", || {
            shell.health.all()[&Queue::Moderation].decided == 1 && hazard.struck() == Some(call)
        });
        let error = shell.health.all()[&Queue::Moderation].last_error.clone();
        assert!(error.unwrap().contains(&format!("a fault in {call}")));
        stop.stop();
        shell.queues.wake();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_settled(&shell, Queue::Moderation);
        assert_eq!(effects(&shell, entry.id), 1);
        assert_eq!(waiting(&shell, Queue::Pending), [entry.id.derive("moderation", 0)]);
    }
}
