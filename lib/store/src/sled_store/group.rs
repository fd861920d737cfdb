//! One sync for all who wait for one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use listmill_core::Unavailable;

/// Makes committers who come at the same time share their sync.
///
/// A committer arrives, applies its batch in memory, leaves, and then waits until the batch is durable. Whoever waits first while
/// nobody syncs is the leader: it lets those who have arrived apply theirs too, and syncs once for all of them. Nobody applies
/// during a sync, because sled would let no reader in while a writer waits for it.
#[derive(Default)]
pub(super) struct Group {
    state: Mutex<State>,
    /// The leader waits here until nobody is arriving.
    quiet: Condvar,
    /// Here waits who must not apply while somebody syncs.
    free: Condvar,
    /// Here waits who has applied, until that is durable or somebody else must lead.
    synced: Condvar,
}

#[derive(Default)]
struct State {
    /// Committers between `arrive` and the end of their arrival.
    arriving: usize,
    /// Batches applied.
    applied: u64,
    /// Batches known to be durable.
    durable: u64,
    /// Somebody waits for the arriving, or syncs.
    led: bool,
    /// Somebody syncs.
    syncing: bool,
}

/// A committer has arrived; a leader waits until this is dropped.
pub(super) struct Arrival<'a>(&'a Group);

impl Group {
    /// Announces a batch.
    pub(super) fn arrive(&self) -> Arrival<'_> {
        self.state().arriving += 1;
        Arrival(self)
    }

    /// The number of the last batch applied.
    pub(super) fn last(&self) -> u64 {
        self.state().applied
    }

    /// Returns when batch number `batch`, and all before it, are durable; `sync` makes durable what was applied before its call.
    pub(super) fn wait_durable(
        &self,
        batch: u64,
        sync: impl FnOnce() -> Result<(), Unavailable>,
    ) -> Result<(), Unavailable> {
        let mut state = self.state();
        while state.durable < batch && state.led {
            state = wait(&self.synced, state);
        }
        if state.durable >= batch {
            return Ok(());
        }
        state.led = true;
        let lead = Lead(self);
        while state.arriving > 0 {
            state = wait(&self.quiet, state);
        }
        let target = state.applied;
        state.syncing = true;
        drop(state);
        let synced = sync();
        if synced.is_ok() {
            self.state().durable = target;
        }
        drop(lead);
        synced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is one assignment: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

impl Arrival<'_> {
    /// Waits until nobody syncs; then the batch may be applied.
    pub(super) fn before_applying(&self) {
        let mut state = self.0.state();
        while state.syncing {
            state = wait(&self.0.free, state);
        }
    }

    /// The batch is applied; gives its number.
    pub(super) fn applied(&self) -> u64 {
        let mut state = self.0.state();
        state.applied += 1;
        state.applied
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.arriving -= 1;
        let quiet = state.arriving == 0 && state.led;
        drop(state);
        if quiet {
            self.0.quiet.notify_one();
        }
    }
}

/// Leads until it is dropped, also by a panic in the sync: the next who waits leads then.
struct Lead<'a>(&'a Group);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.led = false;
        state.syncing = false;
        drop(state);
        self.0.free.notify_all();
        self.0.synced.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn those_who_arrive_while_somebody_leads_share_the_sync() {
        const COMMITTERS: usize = 8;
        let group = Group::default();
        let (all, applied, syncs) = (Barrier::new(COMMITTERS), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|threads| {
            for _ in 0..COMMITTERS {
                threads.spawn(|| {
                    let arrival = group.arrive();
                    all.wait();
                    arrival.before_applying();
                    applied.fetch_add(1, Ordering::SeqCst);
                    let batch = arrival.applied();
                    drop(arrival);
                    let sync = || {
                        assert_eq!(applied.load(Ordering::SeqCst), COMMITTERS, "a sync for all who had arrived");
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    };
                    group.wait_durable(batch, sync).unwrap();
                });
            }
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn after_a_failed_sync_the_next_who_waits_leads() {
        let group = Group::default();
        let batch = group.arrive().applied();
        let failed = group.wait_durable(batch, || Err(Unavailable { reason: "disk full".to_owned() }));
        assert!(failed.is_err());
        assert_eq!(group.wait_durable(batch, || Ok(())), Ok(()));
        assert_eq!(group.wait_durable(batch, || unreachable!("it is durable")), Ok(()));
    }
}
