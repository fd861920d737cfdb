//! The broker restarts again and again, and forgets a queue.

use std::time::{Duration, Instant};

use listmill_tests::estate::shared;
use listmill_tests::program::{PATIENCE, wait_for};

use super::full;
use super::load::Load;
use super::taken::start_broker;

#[test]
fn the_broker_restarts_again_and_again() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let restarts = if full() { 50 } else { 3 };
    let mut load = Load::new(estate, "restarts");
    // The broker is away most of the time: what comes meanwhile has to leave between two restarts, or it all waits for the last one.
    load.start(estate, Duration::from_millis(if full() { 1_000 } else { 100 }));
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    for number in 0..restarts {
        // Something is on its way each time.
        let out = estate.sink.count();
        assert!(estate.sink.wait(PATIENCE, |sink| sink.count() > out + 20), "mail flows before restart {number}");
        if number % 2 == 0 {
            estate.rabbit.kill()
        } else {
            estate.rabbit.stop()
        }
        start_broker(estate);
        let (again, out) = (Instant::now(), estate.sink.count());
        assert!(estate.sink.wait(PATIENCE, |sink| sink.count() > out), "mail flows after restart {number}");
        slowest = slowest.max(again.elapsed());
    }
    let took = start.elapsed();
    load.stop();
    let account = load.account(estate, Instant::now());
    println!(
        "{restarts} restarts of the broker (every other one kill -9) in {:.0} s: {} posts and {} commands taken, {} times told to come later, \
         {} lost, {} done other than once, {} copies doubled; mail flowed again after {:.1} s at most",
        took.as_secs_f64(),
        account.taken.posts.len(),
        account.taken.joins.len(),
        account.taken.later,
        account.lost.len(),
        account.twice.len(),
        account.doubled,
        slowest.as_secs_f64()
    );
    assert_eq!(account.lost, Vec::<String>::new());
    assert!(account.twice.is_empty(), "commands that were not done once: {:?}", account.twice);
    assert_eq!(account.doubled, account.taken.in_doubt * super::load::MEMBERS, "copies that came twice");
}

/// What the broker held in the queue is gone with it, and that is no fault of ours: nothing is in it here. What comes afterwards must not go
/// the same way.
#[test]
fn the_broker_forgets_a_queue() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let load = Load::new(estate, "forgets");
    load.write(estate, 4);
    assert_eq!(load.account(estate, Instant::now()).lost, Vec::<String>::new());
    // Nobody consumes while it is forgotten, and nobody declares it.
    estate.db.running.take().unwrap().stop();
    estate.network.within("mq", || estate.rabbit.ctl(&["delete_queue", "listmill.auth"]));
    load.write(estate, 8);
    let told = || estate.mx.running.as_ref().unwrap().log().iter().any(|line| line.to_string().contains("auth"));
    wait_for("mx1 to say that the queue is not there", told);
    estate.whole();
    let account = load.account(estate, Instant::now());
    println!("the broker forgot the queue of auth: {} messages taken afterwards, {} lost", 8, account.lost.len());
    assert_eq!(account.lost, Vec::<String>::new());
    assert!(account.twice.is_empty(), "{:?}", account.twice);
}
