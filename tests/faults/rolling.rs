//! Row R34 with two programs: an older one and this one serve the same spool and store, runner by runner, to and fro, while mail flows.
//!
//! `LISTMILL_TESTS_OLD_PROGRAM` names the older one, built from an earlier commit; without it only the sample in [`queue_files`](crate::queue_files) runs.

use std::time::{Duration, Instant};

use listmill_tests::faults::mill::{Mill, RUNNERS};
use listmill_tests::faults::storm::{Writers, pass};
use listmill_tests::faults::sweep::memory;
use listmill_tests::faults::{Line, full};
use listmill_tests::needs::skipped;
use tempfile::TempDir;

/// How long each mixture of the two serves.
const TURN: Duration = Duration::from_secs(3);

/// The older program instead of this one, with the same arguments.
fn instead(old: &str) -> Vec<String> {
    ["sh", "-c", "shift; exec \"$0\" \"$@\"", old].map(str::to_owned).into()
}

#[test]
fn an_older_program_and_this_one_serve_the_same_spool_and_store() {
    let Ok(old) = std::env::var("LISTMILL_TESTS_OLD_PROGRAM") else {
        if full() {
            skipped("LISTMILL_TESTS_OLD_PROGRAM names no older program");
        }
        return;
    };
    let temporary = TempDir::new().unwrap();
    let mut mill = Mill::new(&memory(), &temporary.path().join("run"), 3_000);
    mill.kill_all();
    let start_old = |mill: &mut Mill, runner: &str| assert!(mill.start_through(runner, instead(&old)), "{runner}");
    // Who is first owns the store: it is this one's, then the older one's, and back.
    RUNNERS.iter().for_each(|runner| mill.start(runner));
    let writers = Writers::start(&mill.traffic, 2, Duration::from_millis(20));
    for runner in RUNNERS {
        mill.stop(runner);
        start_old(&mut mill, runner);
        pass(TURN);
    }
    for runner in RUNNERS.into_iter().rev() {
        mill.stop(runner);
        mill.start(runner);
        pass(TURN);
    }
    writers.stop();
    let start = Instant::now();
    mill.settled().unwrap();
    let books = mill.close_books();
    let injection = "each runner replaced by an older one, and back, while mail flows";
    let (runs, lost, doubled) = (2 * RUNNERS.len(), books.lost(), books.doubled());
    println!("{books}{}", Line { row: "R34", injection, runs, lost, doubled, recovery: start.elapsed() });
    assert_eq!((lost, doubled, books.phantom()), (0, 0, 0), "{books}");
}
