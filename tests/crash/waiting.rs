//! Row E3: the store or a queue is not to be had. The entry is given back and tried again after growing waits; the other queues go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use listmill_core::Unavailable;
use listmill_queue_format::Queue;
use listmill_runner::{Runner, StageWorker, Stop, serve};
use listmill_tests::program::wait_for;

use crate::fake::{Fake, FakePending, dev, forward};
use crate::mill::{Mill, assert_settled, entry, waiting};

/// The first wait of a runner; `lib/runner/src/worker.rs`.
const FIRST_WAIT: Duration = Duration::from_millis(100);

#[test]
fn an_entry_waits_for_the_store_and_the_other_queues_do_not_wait_with_it() {
    let mill = Mill::new();
    let shell = mill.start();
    let is_there = Arc::new(AtomicBool::new(false));
    let tries: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (seen, noted) = (Arc::clone(&is_there), Arc::clone(&tries));
    let waits = Fake::new(move |entry, view, _| {
        noted.lock().unwrap().push(Instant::now());
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
    wait_for("the first try", || !tries.lock().unwrap().is_empty());
    shell.queues.put(&others).unwrap();
    threads.extend(serve(&runners[1], 1, &shell, &stop).unwrap());
    wait_for("the other queue", || waiting(&shell, Queue::Outbound).len() == others.len());
    wait_for("the fourth try", || tries.lock().unwrap().len() >= 4);
    let health = shell.health.all()[&Queue::Moderation].clone();
    assert!(health.given_back >= 3 && health.shunted == 0 && health.decided == 0, "{health:?}");
    assert!(health.last_error.unwrap().contains("it is being opened anew"));

    is_there.store(true, Ordering::SeqCst);
    let done = waiter.id.derive("moderation", 0);
    wait_for("the store to be back", || waiting(&shell, Queue::Outbound).contains(&done));
    stop.stop();
    shell.queues.wake();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_settled(&shell, Queue::Moderation);

    let tries = tries.lock().unwrap();
    for (round, pair) in (0..).zip(tries.windows(2)) {
        assert!(pair[1] - pair[0] >= FIRST_WAIT * 2_u32.pow(round), "each wait is twice the one before: {tries:?}");
    }
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
    assert_eq!(waiting(&shell, Queue::Moderation), [entry.id], "given back as it was");
}
