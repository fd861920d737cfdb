//! Everything at once, for long: seven processes, killed at random, with posts, commands and bounces flowing. In is out, and memory is flat.

use std::time::Duration;

use listmill_tests::faults::soak::soak;
use listmill_tests::faults::sweep::place;
use listmill_tests::faults::{Line, full};
use listmill_tests::needs::skipped;

/// Minutes, unless `LISTMILL_SOAK_MINUTES` says otherwise.
const MINUTES: u64 = 30;
/// How much larger than a quarter more the median of a process may be in the last third than in the second, in KiB.
const GROWTH: u64 = 16 << 10;

#[test]
fn nothing_is_lost_in_a_long_time_of_kills_and_memory_is_flat() {
    if !full() {
        skipped("LISTMILL_TESTS_FULL=1 runs it");
        return;
    }
    let minutes = std::env::var("LISTMILL_SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
    let minutes = minutes.unwrap_or(MINUTES);
    let soaked = soak(&place(), Duration::from_secs(60 * minutes)).unwrap();
    let books = soaked.books;
    println!("{books}");
    for (runner, (before, after)) in soaked.memory {
        println!("{runner}: {before} KiB in the second third, {after} KiB in the last");
        assert!(after <= before + before / 4 + GROWTH, "{runner} grows: {before} KiB, then {after} KiB");
    }
    let injection = format!("{minutes} minutes, one or all of seven processes killed every few seconds");
    let (runs, lost, doubled) = (soaked.kills, books.lost(), books.doubled());
    println!("{}", Line { row: "soak", injection: &injection, runs, lost, doubled, recovery: soaked.drained });
    assert_eq!((lost, books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
}
