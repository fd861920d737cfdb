//! Runners and queues move while mail keeps coming: what goes in comes out.

use std::time::{Duration, Instant};

use listmill_tests::estate::{Estate, shared};
use listmill_tests::program::{PATIENCE, Running};

use super::load::{Load, MEMBERS};
use super::{full, pass};

/// Where the runner of a queue is just now: in the host's own process, or in one that was started for it.
struct Moved {
    runner: &'static str,
    process: Option<Running>,
}

impl Moved {
    /// Drains it where it is, and starts it in a process of its own.
    fn again(&mut self, estate: &Estate) {
        let host = if self.runner == "outbound" { &estate.out } else { &estate.db };
        host.site.ok(&["queue", "drain", self.runner]);
        if let Some(process) = self.process.take() {
            process.ended();
        }
        self.process = Some(host.site.run_with(&[self.runner]));
    }
}

#[test]
fn runners_move_while_mail_keeps_coming() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let (moves, each) = if full() { (15, 60) } else { (3, 2) };
    let mut load = Load::new(estate, "moves");
    load.start(estate, Duration::from_millis(if full() { 250 } else { 100 }));
    let mut moved = ["moderation", "pending", "command"].map(|runner| Moved { runner, process: None });
    let mut slowest = Duration::ZERO;
    for number in 0..moves {
        let out = estate.sink.count();
        assert!(estate.sink.wait(PATIENCE, |sink| sink.count() > out + MEMBERS), "mail flows before move {number}");
        let start = Instant::now();
        moved[number % moved.len()].again(estate);
        slowest = slowest.max(start.elapsed());
        pass(Duration::from_secs(each).saturating_sub(start.elapsed()));
    }
    load.stop();
    let account = load.account(estate, Instant::now());
    println!(
        "{moves} moves of a runner, one every {each} s: {} posts and {} commands in, {} lost, {} copies doubled, {} commands not once; the longest move took {:.1} s",
        account.taken.posts.len(),
        account.taken.joins.len(),
        account.lost.len(),
        account.doubled,
        account.twice.len(),
        slowest.as_secs_f64()
    );
    moved.into_iter().filter_map(|moved| moved.process).for_each(|process| _ = process.stop());
    estate.db.running.take().unwrap().stop();
    estate.whole();
    assert_eq!((account.lost.len(), account.doubled, account.twice.len()), (0, 0, 0), "{account:?}");
}

/// Between moderation and pending entries wait on HostB alone, so that queue can lie on its disk as well as at the broker.
#[test]
fn a_queue_moves_from_the_broker_to_the_disk_and_back() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let moves = if full() { 10 } else { 2 };
    let mut load = Load::new(estate, "queues");
    load.start(estate, Duration::from_millis(if full() { 250 } else { 100 }));
    let mut slowest = Duration::ZERO;
    for number in 0..moves {
        let out = estate.sink.count();
        assert!(estate.sink.wait(PATIENCE, |sink| sink.count() > out + MEMBERS), "mail flows before move {number}");
        let start = Instant::now();
        // Who writes to it stops first; then its reader, when nothing waits there any more.
        for writer in ["moderation", "command"] {
            estate.db.site.ok(&["queue", "drain", writer]);
        }
        listmill_tests::program::wait_for("the queue to be empty", || estate.db.site.figure("pending", "depth") == 0);
        estate.db.running.take().unwrap().stop();
        estate.configure(if number % 2 == 0 { "[queue.pending]\nbackend = \"disk\"\n" } else { "" });
        estate.whole();
        slowest = slowest.max(start.elapsed());
        if full() {
            pass(Duration::from_secs(60).saturating_sub(start.elapsed()));
        }
    }
    load.stop();
    let account = load.account(estate, Instant::now());
    println!(
        "{moves} moves of the queue pending between the broker and HostB's disk: {} posts and {} commands in, {} lost, {} copies doubled, {} commands not once; the longest took {:.1} s",
        account.taken.posts.len(),
        account.taken.joins.len(),
        account.lost.len(),
        account.doubled,
        account.twice.len(),
        slowest.as_secs_f64()
    );
    assert_eq!((account.lost.len(), account.doubled, account.twice.len()), (0, 0, 0), "{account:?}");
}
