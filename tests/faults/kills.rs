//! R1: a process dies at its first, second, … call of each kind, with traffic flowing. And the sum of what every sweep so far came to.

use std::time::Duration;

use listmill_tests::faults::mill::{CONNECTIONS, WHOLE};
use listmill_tests::faults::strace::strace;
use listmill_tests::faults::sweep::{self, Kill};
use listmill_tests::faults::{Line, full};
use tempfile::TempDir;

/// How long the long form sweeps; it goes on where the last one stopped.
const SWEEP: Duration = Duration::from_secs(600);

/// One of each set that matters, where the whole is in one process.
const SAMPLE: [(&str, &str, u32); 4] = [
    (WHOLE, "fsync,fdatasync", 1),
    (WHOLE, "write,pwrite64,writev,pwritev", 4),
    (WHOLE, "unlink,unlinkat", 1),
    (WHOLE, "start:openat", 40),
];

#[test]
fn a_process_may_die_at_any_call() {
    if strace().is_none() {
        return;
    }
    let kills = if full() {
        let place = sweep::place();
        let before = sweep::kills(&place).len();
        let books = sweep::go_on(&place, SWEEP);
        assert_eq!((books.lost(), books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
        sweep::kills(&place).split_off(before)
    } else {
        let place = TempDir::new_in(sweep::memory()).unwrap();
        let (kills, books) = sweep::sample(place.path(), &SAMPLE);
        assert_eq!((books.lost(), books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
        kills
    };
    let kills: Vec<Kill> = kills.into_iter().filter(|kill| kill.killed).collect();
    assert!(!kills.is_empty(), "nobody was killed");
    for kill in &kills {
        assert!(kill.doubled <= CONNECTIONS && kill.trouble.is_none(), "{kill:?}");
    }
    let line = Line {
        row: "R1",
        injection: "kill -9 at the n-th call of a set, each runner and the whole",
        runs: kills.len(),
        lost: kills.iter().map(|kill| kill.lost).sum(),
        doubled: kills.iter().map(|kill| kill.doubled + kill.doubled_in_store).sum(),
        recovery: Duration::from_millis(kills.iter().map(|kill| kill.recovery).max().unwrap_or(0)),
    };
    println!("{line}");
}
