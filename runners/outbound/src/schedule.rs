//! When to try again, and when to give up.

use std::time::Duration;

/// The intervals between attempts and the time after which an entry is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after the first failed attempt, after the second, …; the last one is repeated.
    pub intervals: Vec<Duration>,
    /// How long after its first attempt an entry is given up.
    pub lifetime: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Schedule { intervals: [5, 15, 30, 60, 120, 240].map(minutes).to_vec(), lifetime: minutes(5 * 24 * 60) }
    }
}
