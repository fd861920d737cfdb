//! A thread's sign of life.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use listmill_queue_format::EntryId;

/// When a thread last came by. One that rests is not waited for.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    since: Instant,
    /// Milliseconds from `since`, and one more; 0: it rests.
    last: Arc<AtomicU64>,
    in_hand: Arc<Mutex<Option<EntryId>>>,
}

impl Beat {
    pub(crate) fn new() -> Beat {
        Beat { since: Instant::now(), last: Arc::default(), in_hand: Arc::default() }
    }

    /// The thread is here.
    pub(crate) fn beat(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(millis + 1, Ordering::Relaxed);
    }

    /// It has this entry in hand, or none.
    pub(crate) fn has(&self, entry: Option<EntryId>) {
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner) = entry;
    }

    /// The entry that it has in hand.
    pub(crate) fn entry(&self) -> Option<EntryId> {
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It waits for a clock, or has ended.
    pub(crate) fn rest(&self) {
        self.last.store(0, Ordering::Relaxed);
    }

    /// How long it has not come by.
    pub(crate) fn silent_for(&self) -> Duration {
        match self.last.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            last => self.since.elapsed().saturating_sub(Duration::from_millis(last - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rests_is_not_silent() {
        let mut beat = Beat::new();
        assert_eq!(beat.silent_for(), Duration::ZERO);
        beat.beat();
        beat.since = beat.since.checked_sub(Duration::from_secs(9)).unwrap();
        assert!(beat.silent_for() >= Duration::from_secs(9));
        beat.rest();
        assert_eq!(beat.silent_for(), Duration::ZERO);
    }
}
