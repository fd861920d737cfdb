//! Group commit: who waits for the same directory at the same time shares one fsync.

use std::sync::{Arc, Condvar, Mutex, OnceLock};

use rustix::io::Errno;

use crate::lock::{lock, wait};

/// The syncs of one directory.
#[derive(Debug, Default)]
pub(super) struct GroupCommit {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Those who came since the sync that runs now has begun.
    gathering: Arc<Round>,
    /// Somebody is syncing for an earlier round.
    busy: bool,
}

/// One sync, and what came of it. Each round has its own answer: after a failed fsync the next one may succeed
/// although pages were dropped, so who was in the failed round must learn it.
type Round = OnceLock<Result<(), Errno>>;

impl GroupCommit {
    /// Returns when a sync that began after this call has ended. The first of those who wait does it for all.
    pub(super) fn commit(&self, sync: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        let mine = Arc::clone(&state.gathering);
        while state.busy {
            state = wait(&self.done, state, None);
            if let Some(outcome) = mine.get() {
                return *outcome;
            }
        }
        state.busy = true;
        state.gathering = Arc::default();
        drop(state);
        let outcome = sync();
        let mut state = lock(&self.state);
        let outcome = *mine.get_or_init(|| outcome);
        state.busy = false;
        drop(state);
        self.done.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn those_who_come_during_a_sync_share_the_next_one_and_its_failure() {
        let group = GroupCommit::default();
        let (began, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let syncs = AtomicUsize::new(0);
        thread::scope(|scope| {
            let group = &group;
            let first = scope.spawn(move || {
                group.commit(|| {
                    began.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    Ok(())
                })
            });
            has_begun.recv().unwrap();
            let later: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        group.commit(|| {
                            syncs.fetch_add(1, Ordering::Relaxed);
                            Err(Errno::IO)
                        })
                    })
                })
                .collect();
            // All eight hold the round that gathers, beside the group itself and this look at it.
            while Arc::strong_count(&lock(&group.state).gathering) < 9 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
            assert_eq!(first.join().unwrap(), Ok(()));
            for one in later {
                assert_eq!(one.join().unwrap(), Err(Errno::IO));
            }
        });
        assert_eq!(syncs.into_inner(), 1);
        assert_eq!(group.commit(|| Ok(())), Ok(()), "the next round has its own answer");
    }
}
