//! The line that each fault prints, as specs/reliability.md quotes it.

use std::time::Duration;

use listmill_tests::faults::Line;

#[test]
fn a_line_says_what_was_done_and_what_came_of_it() {
    let line = Line {
        row: "R9",
        injection: "EIO at the k-th fsync",
        runs: 50,
        lost: 0,
        doubled: 1,
        recovery: Duration::from_millis(1_240),
    };
    assert_eq!(line.to_string(), "row=R9 injection=\"EIO at the k-th fsync\" runs=50 lost=0 doubled=1 recovery=1.2s");
}
