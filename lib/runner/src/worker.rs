//! Worker threads: each claims one entry after the other and has it carried out.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_core::Stage;
use listmill_queue::Claimed;
use listmill_queue_format::{EntryId, Queue};

use crate::panics::guarded;
use crate::shell::line;
use crate::{Carried, Shell, Stop};

/// How long a worker waits for work before it looks around; new work wakes it at once.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// The first wait when something is not to be had, doubled each time, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often the outbox is looked at for what a crash left.
const SWEEP: Duration = Duration::from_secs(60);

/// So often may a process die with one entry in hand.
const TRIES: u8 = 3;

/// Carries out one claimed entry of one queue.
pub trait Runner: Send + Sync {
    /// The queue that it serves.
    fn queue(&self) -> Queue;

    /// Carries out one entry; its log line is entered.
    fn carry(&self, shell: &Shell, claimed: Claimed) -> Carried;

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

    fn carry(&self, shell: &Shell, claimed: Claimed) -> Carried {
        shell.carry_in_line(&self.0, claimed)
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
            std::thread::Builder::new().name(name).spawn(move || work(&*runner, &shell, &stop))
        })
        .collect()
}

fn work(runner: &dyn Runner, shell: &Shell, stop: &Stop) {
    let beat = (!runner.is_patient()).then(|| shell.health.beat_of(runner.queue()));
    let is_here = |here: bool| beat.iter().for_each(|beat| if here { beat.beat() } else { beat.rest() });
    let mut pause = BACKOFF.0;
    while !stop.is_stopped() {
        is_here(true);
        let carried = match shell.queues.claim(runner.queue(), LOOK_AROUND) {
            Ok(None) => continue,
            Ok(Some(claimed)) => {
                beat.iter().for_each(|beat| beat.has(Some(claimed.entry.id)));
                let carried = carry(runner, shell, claimed);
                beat.iter().for_each(|beat| beat.has(None));
                carried
            }
            Err(error) => {
                tracing::error!(runner = %runner.queue(), "the queue cannot be read: {error}");
                shell.health.error(runner.queue(), &error.to_string());
                Carried::GivenBack(error.to_string())
            }
        };
        match carried {
            Carried::Done | Carried::Shunted => pause = BACKOFF.0,
            // One after the other cannot be carried out: then it is not about the entry.
            Carried::PutOff(_) | Carried::GivenBack(_) => {
                is_here(false);
                stop.wait(pause);
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
    is_here(false);
}

/// A panic outside of a stage (of those the shell knows better what to do) drops the claim, as a kill would. The thread lives on.
fn carry(runner: &dyn Runner, shell: &Shell, claimed: Claimed) -> Carried {
    let queue = runner.queue();
    let _line = line(&claimed.entry, queue).entered();
    if claimed.claim.tries() >= TRIES {
        return shell.set_aside_as_deadly(claimed, queue);
    }
    shell.health.note(queue, |health| health.in_hand += 1);
    let carried = guarded(|| runner.carry(shell, claimed));
    shell.health.note(queue, |health| health.in_hand = health.in_hand.saturating_sub(1));
    carried.unwrap_or_else(|panic| {
        tracing::error!("dropped, and taken up again: {}\n{}", panic.reason, panic.trace);
        shell.health.error(queue, &panic.reason);
        Carried::GivenBack(panic.reason)
    })
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
