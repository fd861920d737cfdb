//! Faults and what came of them: how long a fault's test takes, the line that it prints, and what they share: a site under fire with its ledgers.
#![expect(clippy::disallowed_methods, reason = "a harness for tests: the environment")]

pub mod books;
pub mod disk;
pub mod errors;
pub mod ledger;
pub mod mill;
pub mod smarthost;
pub mod soak;
pub mod storm;
pub mod strace;
pub mod sweep;
pub mod table;
pub mod traffic;

use std::fmt;
use std::time::Duration;

/// Whether the long form of a fault is wanted: `LISTMILL_TESTS_FULL=1`, as `tests/run --faults` sets it. Else the quick sample, of five seconds at most.
pub fn full() -> bool {
    std::env::var_os("LISTMILL_TESTS_FULL").is_some_and(|value| value == "1")
}

/// What came of a fault; specs/reliability.md quotes the line that this prints as.
pub struct Line<'a> {
    /// The row of the matrix, as `R9`.
    pub row: &'a str,
    /// What was injected, and where.
    pub injection: &'a str,
    /// How often.
    pub runs: usize,
    /// What was accepted and is nowhere.
    pub lost: usize,
    /// What happened more than once.
    pub doubled: usize,
    /// The longest time from the end of the fault until nothing waited any more.
    pub recovery: Duration,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { row, injection, runs, lost, doubled, recovery } = self;
        let recovery = recovery.as_secs_f64();
        write!(
            f,
            "row={row} injection=\"{injection}\" runs={runs} lost={lost} doubled={doubled} recovery={recovery:.1}s"
        )
    }
}
