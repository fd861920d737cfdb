//! Locks that outlive a panic: what they guard is whole after each statement, so a poisoned one is as good as any.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until notified, or until `until`; for good without one.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
    match until {
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(until) => {
            let left: Duration = until.saturating_duration_since(Instant::now());
            condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

/// A condition that knows how many wait for it: nobody has to ask the system to wake nobody.
///
/// Whoever rings has held the mutex with which the others wait, since what they wait for came true.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    condvar: Condvar,
    waiting: AtomicUsize,
}

impl Bell {
    /// As [`wait`].
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, until: Option<Instant>) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let guard = wait(&self.condvar, guard, until);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        guard
    }

    /// Wakes so many of those who wait.
    pub(crate) fn ring(&self, most: usize) {
        for _ in 0..most.min(self.waiting.load(Ordering::SeqCst)) {
            self.condvar.notify_one();
        }
    }

    /// Wakes all who wait.
    pub(crate) fn ring_all(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.condvar.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken_and_nobody_is_forgotten() {
        const TURNS: u32 = 5_000;
        let (ball, bell) = (Mutex::new(0_u32), Bell::default());
        std::thread::scope(|threads| {
            for player in 0..2 {
                let (ball, bell) = (&ball, &bell);
                threads.spawn(move || {
                    for turn in 0..TURNS {
                        let mut at = lock(ball);
                        while *at != 2 * turn + player {
                            at = bell.wait(at, None);
                        }
                        *at += 1;
                        drop(at);
                        if turn % 2 == 0 { bell.ring(1) } else { bell.ring_all() }
                    }
                });
            }
        });
        assert_eq!((*lock(&ball), bell.waiting.into_inner()), (2 * TURNS, 0));
    }
}
