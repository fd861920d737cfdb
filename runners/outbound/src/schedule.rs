//! When to try again, and when to give up.

use std::time::Duration;

use listmill_core::{Context, Timestamp};
use listmill_queue_format::Entry;

/// The intervals between attempts and the time after which an entry is given up.
///
/// RFC 5321 §4.5.4.1 wants intervals of 30 minutes or more and allows cleverer ones; it wants to give up after four to five
/// days. The first intervals here are shorter, because the next host is the site's own relay, whose 4xx is mostly about itself
/// and soon over, and because many a receiver greylists for 5 minutes; from the third attempt on they are as it wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after the first failed attempt, after the second, …; the last one is repeated. Up to a tenth is added or taken
    /// away by chance, so that what failed together does not come back together.
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

impl Schedule {
    /// When the recipients of this entry that wait are tried again.
    pub(crate) fn next(&self, entry: &Entry, cx: Context) -> Timestamp {
        let last = self.intervals.len().saturating_sub(1);
        let attempt = usize::try_from(entry.attempts).unwrap_or(last).min(last);
        let interval = self.intervals.get(attempt).copied().unwrap_or_default();
        later(cx.now, jittered(interval, cx.seed.wrapping_add(u64::from(entry.attempts))))
    }

    /// When this entry is given up.
    ///
    /// Counted from the first attempt and not from the message's arrival: a post that a moderator held for a week has
    /// not been tried for a week.
    pub(crate) fn expires(&self, entry: &Entry, cx: Context) -> Timestamp {
        entry.expires.unwrap_or_else(|| later(cx.now, self.lifetime))
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The interval and at most a tenth more or less, by chance.
fn jittered(interval: Duration, seed: u64) -> Duration {
    let thousandths = u32::try_from(900 + mixed(seed) % 201).expect("is at most 1100");
    interval * thousandths / 1000
}

/// SplitMix64's finalizer: seeds that differ a little give numbers that differ a lot.
fn mixed(seed: u64) -> u64 {
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_tenth_and_uses_the_whole_of_it() {
        let interval = Duration::from_secs(1000);
        let all: Vec<u64> = (0..10_000).map(|seed| jittered(interval, seed).as_secs()).collect();
        assert_eq!(all.iter().min(), Some(&900));
        assert_eq!(all.iter().max(), Some(&1100));
    }
}
