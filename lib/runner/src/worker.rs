//! Worker threads: each claims what there is, a few entries at a time, and has them carried out.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_core::Stage;
use listmill_queue::{Claimed, QueueError};
use listmill_queue_format::{EntryId, Queue};

use crate::panics::guarded;
use crate::{Carried, Shell, Stop};

/// How long a worker waits for work before it shows that it is alive; new work wakes it at once. Who does not show for five seconds is taken to hang.
const LOOK_AROUND: Duration = Duration::from_secs(3);
/// The same for a worker that need not show.
const LOOK_AROUND_PATIENTLY: Duration = Duration::from_secs(30);
/// The first wait when something is not to be had, doubled each time, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often the outbox is looked at for what a crash left, or a store that was opened anew: what is seen twice is sent.
const SWEEP: Duration = Duration::from_secs(10);
/// So many entries a thread takes at once, of those that are there: they share what waits for a disk. None is waited for.
pub(crate) const AT_ONCE: usize = 16;
/// And no more when their messages have so many octets.
const OCTETS: usize = 256 << 10;

/// So often may a process die with one entry in hand.
const TRIES: u8 = 3;

/// Carries out claimed entries of one queue.
pub trait Runner: Send + Sync {
    /// The queue that it serves.
    fn queue(&self) -> Queue;

    /// How many entries it takes at once.
    fn at_once(&self) -> usize {
        1
    }

    /// Carries these entries out: what became of each.
    fn carry(&self, shell: &Shell, batch: Vec<Claimed>) -> Vec<Carried>;

    /// It waits for somebody outside, with an end to its patience of its own: that its threads do not come by is no sign of a fault.
    fn is_patient(&self) -> bool {
        false
    }
}

/// The runner of a stage that is one function.
pub struct StageWorker<S>(pub S);

impl<S: Stage + Send + Sync> Runner for StageWorker<S> {
    fn queue(&self) -> Queue {
        S::READS
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn carry(&self, shell: &Shell, batch: Vec<Claimed>) -> Vec<Carried> {
        shell.carry(&self.0, batch)
    }
}

/// Starts `threads` workers of `runner`. They end when `stop` is thrown, each after the entry that it has in hand.
///
/// # Errors
/// The system gives no thread.
pub fn serve(
    runner: &Arc<dyn Runner>,
    threads: usize,
    shell: &Shell,
    stop: &Stop,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    shell.health.note(runner.queue(), |_| {});
    (0..threads)
        .map(|number| {
            let (runner, shell, stop) = (Arc::clone(runner), shell.clone(), stop.clone());
            let name = format!("runner-{}-{number}", runner.queue());
            // They began together, and would else all look at the same instant, in each other's way.
            let look_around = if runner.is_patient() { LOOK_AROUND_PATIENTLY } else { LOOK_AROUND };
            let look_around = look_around
                - look_around / 3 * u32::try_from(number).unwrap_or(0) / u32::try_from(threads).unwrap_or(1);
            std::thread::Builder::new().name(name).spawn(move || work(&*runner, &shell, &stop, look_around))
        })
        .collect()
}

fn work(runner: &dyn Runner, shell: &Shell, stop: &Stop, look_around: Duration) {
    let beat = (!runner.is_patient()).then(|| shell.health.beat_of(runner.queue()));
    let is_here = |here: bool| beat.iter().for_each(|beat| if here { beat.beat() } else { beat.rest() });
    let mut pause = BACKOFF.0;
    while !stop.is_stopped() {
        is_here(true);
        // After a failure one at a time, so that it is nobody's but the one's that fails.
        let batch = claim(runner, shell, if pause > BACKOFF.0 { 1 } else { runner.at_once() }, look_around);
        if batch.as_ref().is_ok_and(Vec::is_empty) {
            continue;
        }
        let has = |entry| beat.iter().for_each(|beat| beat.has(entry));
        has(batch.iter().flatten().next().map(|claimed| claimed.entry.id));
        let is_well =
            batch.map_err(|error| failed(runner, shell, &error)).is_ok_and(|batch| carry(runner, shell, batch));
        has(None);
        if is_well {
            pause = BACKOFF.0;
        } else {
            // One after the other cannot be carried out: then it is not about the entry.
            is_here(false);
            stop.wait(pause);
            pause = (pause * 2).min(BACKOFF.1);
        }
    }
    is_here(false);
}

/// Claims the next entry, for which it waits, and those that are there behind it, so many at most.
fn claim(runner: &dyn Runner, shell: &Shell, most: usize, wait: Duration) -> Result<Vec<Claimed>, QueueError> {
    let (mut batch, mut octets) = (Vec::new(), 0);
    while batch.len() < most && octets < OCTETS {
        let next = match batch.is_empty() {
            true => shell.queues.claim(runner.queue(), wait),
            false => shell.queues.claim_another(runner.queue()),
        };
        let claimed = match next {
            Ok(Some(claimed)) => claimed,
            Err(error) if batch.is_empty() => return Err(error),
            // What is in hand is carried out first; who claims next is told what is wrong.
            Ok(None) | Err(_) => break,
        };
        octets += claimed.entry.message.len();
        // Who is in doubt has nobody behind it who would be blamed for what it does.
        let is_in_doubt = claimed.claim.tries() + 1 >= TRIES;
        batch.push(claimed);
        if is_in_doubt {
            break;
        }
    }
    Ok(batch)
}

fn failed(runner: &dyn Runner, shell: &Shell, error: &QueueError) {
    tracing::error!(runner = %runner.queue(), "the queue cannot be read: {error}");
    shell.health.error(runner.queue(), &error.to_string());
}

/// Has these carried out; `false` when none of them could be: one that is put off alone waits aside, and says nothing about the others. A panic outside of a stage (of those the shell knows better what to do) drops
/// the claims, as a kill would. The thread lives on.
fn carry(runner: &dyn Runner, shell: &Shell, batch: Vec<Claimed>) -> bool {
    let queue = runner.queue();
    let (deadly, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|claimed| claimed.claim.tries() >= TRIES);
    let mut carried: Vec<_> = deadly.into_iter().map(|claimed| shell.set_aside_as_deadly(claimed, queue)).collect();
    let entries = batch.len() as u64;
    let ids: Vec<EntryId> = batch.iter().map(|claimed| claimed.entry.id).collect();
    shell.health.note(queue, |health| health.in_hand += entries);
    let others = guarded(|| runner.carry(shell, batch));
    shell.health.note(queue, |health| health.in_hand = health.in_hand.saturating_sub(entries));
    match others {
        Ok(others) => {
            carried.extend(others);
            carried.iter().any(|one| matches!(one, Carried::Done | Carried::Shunted))
        }
        Err(panic) => {
            tracing::error!(runner = %queue, ?ids, "dropped, and taken up again: {}\n{}", panic.reason, panic.trace);
            shell.health.error(queue, &panic.reason);
            false
        }
    }
}

/// Sends what a crash has left in the outbox, at once, and then, now and then, what an administration command that died has left. Of the
/// latter a record is left alone until it was seen twice: the runner that wrote it is most likely about to send it itself.
///
/// # Errors
/// The system gives no thread.
pub fn sweep_outbox(shell: &Shell, stop: &Stop) -> std::io::Result<JoinHandle<()>> {
    let (shell, stop) = (shell.clone(), stop.clone());
    std::thread::Builder::new().name("outbox".to_owned()).spawn(move || {
        // The store or the broker may be away when the process starts: what waits for them here is nobody else's work.
        while let Err(error) = shell.empty_outbox() {
            tracing::warn!("the outbox cannot be emptied now: {error}");
            if stop.wait(BACKOFF.1) {
                return;
            }
        }
        let mut seen: HashSet<EntryId> = HashSet::new();
        while !stop.wait(SWEEP) {
            match shell.sweep(&seen) {
                Ok(waiting) => seen = waiting,
                Err(error) => tracing::warn!("the outbox could not be emptied: {error}"),
            }
        }
    })
}
