//! The wall clock in microseconds, as places in a queue count it.

use std::sync::atomic::{AtomicU64, Ordering};

use listmill_queue_format::Timestamp;

/// Now, in microseconds since 1970.
pub(crate) fn now() -> u64 {
    micros(Timestamp::now())
}

/// Now, and later than every answer that this process has had before: entries put one after the other stand so.
pub(crate) fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now();
    let last = LAST.fetch_max(now, Ordering::Relaxed);
    if last < now { now } else { LAST.fetch_add(1, Ordering::Relaxed) + 1 }
}

/// An instant in microseconds since 1970; earlier ones are 0.
pub(crate) fn micros(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(0)
}

/// The instant that many microseconds after 1970.
pub(crate) fn timestamp(micros: u64) -> Option<Timestamp> {
    i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_have_one_time() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (0..10_000).map(|_| next()).collect())).collect();
        let mut all: Vec<u64> = Vec::new();
        for thread in threads {
            let times: Vec<u64> = thread.join().unwrap();
            assert!(times.is_sorted());
            all.extend(times);
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 40_000);
    }
}
