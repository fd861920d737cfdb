//! One batch of sled's, and one sync, for all who commit at the same time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Makes committers who come at the same time share what is written and its sync.
///
/// A committer arrives, makes its batch on top of those before it, leaves, and then waits until the batch is durable. Whoever waits first
/// while nobody leads is the leader of a *round*: it lets those who have arrived make theirs too, applies all that has been made, and
/// syncs once for all of them. Meanwhile others make theirs, for the round after it. Only a leader applies, because sled would let no
/// reader in while a writer waits for a sync.
#[derive(Default)]
pub(super) struct Group {
    state: Mutex<State>,
    /// The leader waits here until nobody is arriving.
    quiet: Condvar,
    /// Here wait those of the even rounds, and those of the odd ones.
    ended: [Condvar; 2],
}

#[derive(Default)]
struct State {
    /// Committers between `arrive` and the end of their arrival.
    arriving: usize,
    /// Batches known to be durable.
    durable: u64,
    /// Somebody leads.
    led: bool,
    /// The round that is led, or was led last.
    round: usize,
    /// The last batch of it; none before it is applied.
    last: Option<u64>,
    /// How many wait for the end of the even rounds, and of the odd ones.
    waiting: [usize; 2],
    /// There is a batch that nobody waits for: the leader is to apply it.
    left: bool,
}

impl State {
    /// Which of the two waits for this batch: it is in this round, or in the one after it.
    fn side(&self, batch: u64) -> usize {
        let is_here = self.last.is_none_or(|last| batch <= last);
        self.round.wrapping_add(usize::from(!is_here)) % 2
    }
}

/// A committer has arrived; a leader waits until this is dropped.
pub(super) struct Arrival<'a>(&'a Group);

impl Group {
    /// Announces a batch.
    pub(super) fn arrive(&self) -> Arrival<'_> {
        self.state().arriving += 1;
        Arrival(self)
    }

    /// Returns when batch number `batch`, and all before it, are durable. `apply` applies what has been made and says which batch was the
    /// last; `sync` makes durable what was applied before its call.
    pub(super) fn wait_durable<E>(
        &self,
        batch: u64,
        apply: impl Fn() -> Result<u64, E>,
        sync: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.state();
        while state.durable < batch && state.led {
            let side = state.side(batch);
            state.waiting[side] += 1;
            state = wait(&self.ended[side], state);
            state.waiting[side] -= 1;
        }
        if state.durable >= batch {
            // A leader may have taken this one, who was woken already, for one that leads the next round.
            return if state.left && !state.led { self.apply_left(state, apply) } else { Ok(()) };
        }
        let lead = self.lead(&mut state);
        while state.arriving > 0 {
            state = wait(&self.quiet, state);
        }
        drop(state);
        let last = apply()?;
        self.state().last = Some(last);
        sync()?;
        self.state().durable = last;
        lead.end(apply)
    }

    /// Sees to it that what has been made is applied soon, though nobody waits for it: by the next leader, if there is one about.
    pub(super) fn leave<E>(&self, apply: impl Fn() -> Result<u64, E>) -> Result<(), E> {
        let mut state = self.state();
        state.left = true;
        if state.led { Ok(()) } else { self.apply_left(state, apply) }
    }

    /// Leads only to apply what was left.
    fn apply_left<E>(&self, mut state: MutexGuard<'_, State>, apply: impl Fn() -> Result<u64, E>) -> Result<(), E> {
        let lead = self.lead(&mut state);
        state.left = true;
        drop(state);
        lead.end(apply)
    }

    /// Lets nobody apply anything while `look` looks, behind all that has been made by then.
    pub(super) fn hold<T, E>(&self, apply: impl Fn() -> Result<u64, E>, look: impl FnOnce() -> T) -> Result<T, E> {
        let mut state = self.state();
        while state.led {
            let side = state.round.wrapping_add(1) % 2;
            state.waiting[side] += 1;
            state = wait(&self.ended[side], state);
            state.waiting[side] -= 1;
        }
        let lead = self.lead(&mut state);
        drop(state);
        apply()?;
        let seen = look();
        lead.end(apply).map(|()| seen)
    }

    fn lead(&self, state: &mut State) -> Lead<'_> {
        (state.led, state.round, state.last, state.left) = (true, state.round.wrapping_add(1), None, false);
        Lead { group: self, failed: true }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is one assignment: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
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

/// Leads until it is dropped, also by a panic or a failure: the next who waits leads then.
struct Lead<'a> {
    group: &'a Group,
    failed: bool,
}

impl Lead<'_> {
    /// Applies what was left to this leader, unless somebody waits to lead the next round.
    fn end<E>(mut self, apply: impl Fn() -> Result<u64, E>) -> Result<(), E> {
        loop {
            let mut state = self.group.state();
            let next = state.round.wrapping_add(1) % 2;
            if !state.left || state.waiting[next] > 0 {
                self.failed = false;
                self.stop(&mut state);
                return Ok(());
            }
            state.left = false;
            drop(state);
            apply()?;
        }
    }

    /// Wakes all who have waited for this round, and one who waits for the next, to lead it. After a failure everybody sees for himself.
    fn stop(&self, state: &mut State) {
        state.led = false;
        let own = state.round % 2;
        for (side, condvar) in self.group.ended.iter().enumerate() {
            match state.waiting[side] {
                0 => {}
                _ if side == own || self.failed => condvar.notify_all(),
                _ => condvar.notify_one(),
            }
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if self.failed {
            self.stop(&mut self.group.state());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn those_who_arrive_while_somebody_leads_share_the_round() {
        const COMMITTERS: u64 = 8;
        let group = Group::default();
        let (all, made, syncs) = (Barrier::new(COMMITTERS as usize), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|threads| {
            for _ in 0..COMMITTERS {
                threads.spawn(|| {
                    let arrival = group.arrive();
                    all.wait();
                    let batch = made.fetch_add(1, Ordering::SeqCst) + 1;
                    drop(arrival);
                    let sync = || {
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Ok::<(), ()>(())
                    };
                    let apply = || {
                        let made = made.load(Ordering::SeqCst);
                        assert_eq!(made, COMMITTERS, "a round for all who had arrived");
                        Ok(made)
                    };
                    group.wait_durable(batch, apply, sync).unwrap();
                });
            }
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn everybody_is_durable_in_the_end_whatever_the_order() {
        const EACH: u64 = 2_000;
        let (group, made, durable) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
        let apply = || Ok::<u64, ()>(made.load(Ordering::SeqCst));
        std::thread::scope(|threads| {
            for number in 0..6 {
                let (group, made, durable) = (&group, &made, &durable);
                threads.spawn(move || {
                    for turn in 0..EACH {
                        let arrival = group.arrive();
                        let batch = made.fetch_add(1, Ordering::SeqCst) + 1;
                        drop(arrival);
                        if (turn + number) % 3 == 0 {
                            group.leave(apply).unwrap();
                            continue;
                        }
                        let sync = || {
                            durable.fetch_max(batch, Ordering::SeqCst);
                            Ok(())
                        };
                        group.wait_durable(batch, apply, sync).unwrap();
                        assert!(group.state().durable >= batch);
                    }
                });
            }
        });
        let state = group.state();
        assert_eq!((state.waiting, state.led, state.arriving), ([0, 0], false, 0));
        assert!(durable.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn what_nobody_waits_for_is_applied_though_all_others_are_done() {
        for _ in 0..3_000 {
            let (group, made, applied) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
            let apply = || {
                let made = made.load(Ordering::SeqCst);
                applied.fetch_max(made, Ordering::SeqCst);
                Ok::<u64, ()>(made)
            };
            let make = || {
                let _arrival = group.arrive();
                made.fetch_add(1, Ordering::SeqCst) + 1
            };
            std::thread::scope(|threads| {
                for _ in 0..3 {
                    threads.spawn(|| group.wait_durable(make(), apply, || Ok(())).unwrap());
                }
                group.wait_durable(make(), apply, || Ok(())).unwrap();
                make();
                group.leave(apply).unwrap();
            });
            assert_eq!(applied.load(Ordering::SeqCst), 5);
        }
    }

    #[test]
    fn what_nobody_waits_for_is_applied_by_who_leads() {
        let group = Group::default();
        let applied = AtomicU64::new(0);
        let apply = || Ok::<u64, ()>(applied.fetch_add(1, Ordering::SeqCst));
        group.leave(apply).unwrap();
        assert_eq!(applied.load(Ordering::SeqCst), 1, "nobody leads: at once");
        let sync = || {
            group.leave(|| -> Result<u64, ()> { unreachable!("somebody leads") })?;
            Ok(())
        };
        group.wait_durable(1, apply, sync).unwrap();
        assert_eq!(applied.load(Ordering::SeqCst), 3, "once for the round, and once for what was left meanwhile");
    }

    #[test]
    fn nobody_applies_while_somebody_looks() {
        let (group, made, applied) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
        let apply = || {
            let made = made.load(Ordering::SeqCst);
            applied.store(made, Ordering::SeqCst);
            Ok::<u64, ()>(made)
        };
        let stop = AtomicU64::new(0);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while stop.load(Ordering::SeqCst) == 0 {
                        let arrival = group.arrive();
                        let batch = made.fetch_add(1, Ordering::SeqCst) + 1;
                        drop(arrival);
                        group.wait_durable(batch, apply, || Ok(())).unwrap();
                    }
                });
            }
            for _ in 0..200 {
                let before = made.load(Ordering::SeqCst);
                let look = || {
                    let seen = applied.load(Ordering::SeqCst);
                    std::thread::yield_now();
                    (seen, applied.load(Ordering::SeqCst))
                };
                let (seen, still) = group.hold(apply, look).unwrap();
                assert!(seen >= before && seen == still, "{before} were made, {seen} and {still} applied");
            }
            stop.store(1, Ordering::SeqCst);
        });
        let state = group.state();
        assert_eq!((state.waiting, state.led, state.arriving), ([0, 0], false, 0));
    }

    #[test]
    fn after_a_failed_sync_the_next_who_waits_leads() {
        let group = Group::default();
        let apply = || Ok::<u64, &str>(1);
        assert_eq!(group.wait_durable(1, apply, || Err("disk full")), Err("disk full"));
        assert_eq!(group.wait_durable(1, apply, || Ok(())), Ok(()));
        assert_eq!(group.wait_durable(1, apply, || unreachable!("it is durable")), Ok(()));
    }
}
