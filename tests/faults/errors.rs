//! R9, R12: a call to the disk that fails, and a disk that is slow.

use std::time::Duration;

use listmill_tests::faults::errors::{FAILING, failing, slow};
use listmill_tests::faults::mill::{CONNECTIONS, Mill, WHOLE};
use listmill_tests::faults::strace::strace;
use listmill_tests::faults::sweep::{memory, new_run, place};
use listmill_tests::faults::{Line, full};
use tempfile::TempDir;

/// How much longer each sync takes.
const SLOW: Duration = Duration::from_millis(200);

/// Lets the k-th of these calls fail, each k in its turn.
fn fails(failures: &[(&str, &str)]) {
    if strace().is_none() {
        return;
    }
    let temporary = TempDir::new().unwrap();
    let at = if full() { place() } else { temporary.path().to_owned() };
    let calls: Vec<u32> = if full() { (1..=50).collect() } else { vec![1] };
    for failure in failures {
        let mut mill = Mill::new(&memory(), &new_run(&at), calls.len() as u64 + 1);
        let done: Vec<_> = calls.iter().map(|call| failing(&mut mill, *failure, *call, &at).unwrap()).collect();
        mill.kill_all();
        mill.start(WHOLE);
        mill.settled().unwrap();
        let books = mill.close_books();
        let injection = format!("{} at the k-th {}, k to {}", failure.1, failure.0, calls.len());
        let line = Line {
            row: "R9",
            injection: &injection,
            runs: done.len(),
            lost: books.lost(),
            doubled: books.doubled(),
            recovery: Duration::from_millis(done.iter().map(|kill| kill.recovery).max().unwrap_or(0)),
        };
        println!("{line}");
        assert_eq!((books.lost(), books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
        assert!(books.doubled() <= CONNECTIONS * done.len(), "{books}");
    }
}

// The sample is that of `rename`: after a sync that fails in each of its threads a process takes its time, and the journal's part of that has a test of its own.
#[test]
fn a_call_to_the_disk_may_fail_rename() {
    fails(&FAILING[3..4]);
}

#[test]
fn a_call_to_the_disk_may_fail_unlink() {
    if full() {
        fails(&FAILING[4..]);
    }
}

#[test]
fn a_call_to_the_disk_may_fail_pwrite() {
    if full() {
        fails(&FAILING[1..3]);
    }
}

#[test]
fn a_call_to_the_disk_may_fail_fsync() {
    if full() {
        fails(&FAILING[..1]);
    }
}

#[test]
fn a_disk_may_be_slow() {
    if strace().is_none() {
        return;
    }
    let temporary = TempDir::new().unwrap();
    let (time, writers) = if full() { (Duration::from_secs(60), 20) } else { (Duration::from_millis(1500), 4) };
    let mut mill = Mill::new(&memory(), &temporary.path().join("run"), if full() { 3_000 } else { 100 });
    let slow = slow(&mut mill, SLOW, time, writers).unwrap();
    let books = mill.close_books();
    // Each writer waits for two syncs at most with each mail, that before its own and its own; whoever waits at the same time shares them.
    println!("accepted in {} s by {writers} writers: {}", time.as_secs_f64(), slow.accepted);
    let injection = "200 ms more for each sync";
    let (lost, doubled) = (books.lost(), books.doubled());
    println!("{}", Line { row: "R12", injection, runs: slow.accepted, lost, doubled, recovery: slow.drained });
    assert_eq!((books.lost(), books.doubled(), books.phantom()), (0, 0, 0), "{books}");
    assert!(slow.accepted > 0);
    if full() {
        assert!(slow.drained < Duration::from_secs(60), "{:?}", slow.drained);
        let theory = writers as f64 * time.as_secs_f64() / (2.0 * SLOW.as_secs_f64());
        assert!(slow.accepted as f64 >= 0.8 * theory, "{} of {theory}", slow.accepted);
    }
}
