//! Row E3: the store or a queue is not to be had. The entry is put off and tried again after a wait; what is behind it, and the
//! other queues, go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use listmill_core::Unavailable;
use listmill_queue::State;
use listmill_queue_format::Queue;
use listmill_runner::{Runner, StageWorker, Stop, serve};
use listmill_tests::program::wait_for;

use crate::fake::{Fake, FakePending, dev, forward};
use crate::mill::{Mill, assert_settled, entry, there, waiting};

#[test]
fn an_entry_waits_for_the_store_and_the_other_queues_do_not_wait_with_it() {
    let mill = Mill::new();
    let shell = mill.start();
    let is_there = Arc::new(AtomicBool::new(false));
    let tries: Arc<AtomicUsize> = Arc::default();
    let (seen, noted) = (Arc::clone(&is_there), Arc::clone(&tries));
    let waits = Fake::new(move |entry, view, _| {
        noted.fetch_add(1, Ordering::SeqCst);
        if !seen.load(Ordering::SeqCst) {
            return Err(Unavailable { reason: "it is being opened anew".to_owned() });
        }
        view.list(&dev())?;
        Ok(vec![forward(entry, 0, Queue::Outbound)])
    });
    let goes_on = FakePending(Fake::deciding(|entry| vec![forward(entry, 0, Queue::Outbound)]));
    let waiter = entry(Queue::Moderation);
    let others: Vec<_> = (0..5).map(|_| entry(Queue::Pending)).collect();
    shell.queues.put(std::slice::from_ref(&waiter)).unwrap();

    let stop = Stop::default();
    let runners: [Arc<dyn Runner>; 2] = [Arc::new(StageWorker(waits)), Arc::new(StageWorker(goes_on))];
    let mut threads = serve(&runners[0], 1, &shell, &stop).unwrap();
    wait_for("the first try", || tries.load(Ordering::SeqCst) > 0);
    shell.queues.put(&others).unwrap();
    threads.extend(serve(&runners[1], 1, &shell, &stop).unwrap());
    wait_for("the other queue", || waiting(&shell, Queue::Outbound).len() == others.len());
    let health = shell.health.all()[&Queue::Moderation].clone();
    assert!(health.put_off >= 1 && health.shunted == 0 && health.decided == 0, "{health:?}");
    assert!(health.last_error.unwrap().contains("it is being opened anew"));

    is_there.store(true, Ordering::SeqCst);
    let done = waiter.id.derive("moderation", 0);
    wait_for("the store to be back, and the wait to be over", || waiting(&shell, Queue::Outbound).contains(&done));
    stop.stop();
    shell.queues.wake();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_settled(&shell, Queue::Moderation);
}

/// A post that the store has no room for must not hold up the posts of all lists.
#[test]
fn what_cannot_be_carried_out_does_not_hold_up_what_is_behind_it() {
    let mill = Mill::new();
    let shell = mill.start();
    let too_large = entry(Queue::Moderation);
    let (id, behind) = (too_large.id, (0..20).map(|_| entry(Queue::Moderation)).collect::<Vec<_>>());
    let stage = Fake::new(move |entry, _, _| match entry.id == id {
        true => Err(Unavailable { reason: "no room for this one".to_owned() }),
        false => Ok(vec![forward(entry, 0, Queue::Outbound)]),
    });
    shell.queues.put(std::slice::from_ref(&too_large)).unwrap();
    shell.queues.put(&behind).unwrap();
    let (runner, stop) = (Arc::new(StageWorker(stage)) as Arc<dyn Runner>, Stop::default());
    let threads = serve(&runner, 1, &shell, &stop).unwrap();
    wait_for("all the others", || waiting(&shell, Queue::Outbound).len() == behind.len());
    stop.stop();
    shell.queues.wake();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let left = there(&shell, Queue::Moderation, State::Deferred);
    assert_eq!(left.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id]);
    assert!(left[0].trace.last().unwrap().reason.contains("no room for this one"));
}

/// A stop ends the wait as well.
#[test]
fn nobody_waits_for_the_store_to_stop() {
    let mill = Mill::new();
    let shell = mill.start();
    let tried = Arc::new(AtomicBool::new(false));
    let tries = Arc::clone(&tried);
    let waits = Fake::new(move |_, _, _| {
        tries.store(true, Ordering::SeqCst);
        Err(Unavailable { reason: "not today".to_owned() })
    });
    let entry = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&entry)).unwrap();
    let (runner, stop) = (Arc::new(StageWorker(waits)) as Arc<dyn Runner>, Stop::default());
    let threads = serve(&runner, 2, &shell, &stop).unwrap();
    wait_for("a try", || tried.load(Ordering::SeqCst));
    stop.stop();
    shell.queues.wake();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(there(&shell, Queue::Moderation, State::Deferred).len(), 1, "it waits aside");
}
