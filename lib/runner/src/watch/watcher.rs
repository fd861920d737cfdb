//! The threads that look, and what they saw last.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_queue::QueueStatus;
use listmill_queue_format::{EntryId, Queue};

use super::look;
use super::{Disk, QueueFigures, Roots, Sights};
use crate::{Crew, Shell, Stop};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(2);
/// How often at the disks: from this it is known whether there is room for more mail.
const LOOK_AT_DISKS: Duration = Duration::from_secs(1);
/// One in so many of those looks is a write.
const LOOKS_TO_A_WRITE: u32 = 4;
/// What is in trouble when a disk takes no writes.
const DISK: &str = "disk";
/// What was seen last is too old to be believed: whatever was asked does not answer.
const OLD: Duration = Duration::from_secs(6);
/// A queue in which nothing moves for so long is stuck, a thread that does not come by for so long hangs.
const STUCK: Duration = Duration::from_secs(5);

/// Looks at what the runners of a process work with; clones are the same one.
#[derive(Clone)]
pub struct Watch {
    shell: Shell,
    crew: Crew,
    roots: Roots,
    seen: Arc<Mutex<Seen>>,
    /// Work that is done inside of entries, by queue.
    moved: Arc<Mutex<BTreeMap<Queue, Moved>>>,
}

/// How much has been done inside of entries since the process started.
type Moved = Box<dyn Fn() -> u64 + Send>;

struct Seen {
    queues: Sight<Vec<QueueFigures>>,
    store: Sight<Result<(), String>>,
    disks: Sight<Result<Vec<Disk>, String>>,
    still: BTreeMap<Queue, Still>,
}

/// What was seen last, and when.
struct Sight<T> {
    at: Instant,
    took: Duration,
    value: Option<T>,
}

/// Since when nothing has moved in a queue, as far as it has been looked.
struct Still {
    done: u64,
    since: Instant,
    waiting: u64,
}

impl<T: Clone> Sight<T> {
    fn nothing() -> Sight<T> {
        Sight { at: Instant::now(), took: Duration::ZERO, value: None }
    }

    /// What was seen, unless it is too old: then for how long nothing has been seen.
    fn fresh(&self) -> Result<Option<T>, Duration> {
        let age = self.at.elapsed();
        if age > OLD + self.took * 2 { Err(age) } else { Ok(self.value.clone()) }
    }
}

impl Watch {
    /// Watches over what this crew works with, and the disks of these directories.
    pub fn new(shell: &Shell, crew: &Crew, roots: Roots) -> Watch {
        let seen =
            Seen { queues: Sight::nothing(), store: Sight::nothing(), disks: Sight::nothing(), still: BTreeMap::new() };
        let seen = Arc::new(Mutex::new(seen));
        Watch { shell: shell.clone(), crew: crew.clone(), roots, seen, moved: Arc::default() }
    }

    /// The runner of this queue does much inside of one entry; `count` says how much it has done.
    pub fn counts(&self, queue: Queue, count: impl Fn() -> u64 + Send + 'static) {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).insert(queue, Box::new(count));
    }

    /// Starts looking, until `stop` is thrown. A look may hang for as long as what it looks at: the threads are not to be waited for without bound.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(&self, stop: &Stop) -> std::io::Result<Vec<JoinHandle<()>>> {
        let queues = self.looking("watch-queues", LOOK, stop, |watch| {
            let seen = look::queues(&*watch.shell.queues);
            move |all: &mut Seen, watch: &Watch, took| {
                watch.note_movement(&mut all.still, &seen);
                all.queues = Sight { at: Instant::now(), took, value: Some(seen) };
            }
        })?;
        let looks = AtomicU32::new(0);
        let disks = self.looking("watch-disks", LOOK_AT_DISKS, stop, move |watch| {
            let seen = look::disks(&watch.roots);
            watch.shell.room.saw(&seen);
            // A write, though a small one: not each second on a host that does nothing. What it says stays until the next.
            if looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_TO_A_WRITE) {
                watch.shell.health.trouble(DISK, look::refused(&watch.roots));
            }
            move |all: &mut Seen, _: &Watch, took| all.disks = Sight { at: Instant::now(), took, value: Some(seen) }
        })?;
        let mut threads = vec![queues, disks];
        if let Some(store) = self.shell.store.clone() {
            threads.push(self.looking("watch-store", LOOK, stop, move |_| {
                let seen = look::store(&*store);
                move |all: &mut Seen, _: &Watch, took| all.store = Sight { at: Instant::now(), took, value: Some(seen) }
            })?);
        }
        Ok(threads)
    }

    /// Looks, and notes what it saw, again and again; the longer a look takes, the seldomer.
    fn looking<N: FnOnce(&mut Seen, &Watch, Duration)>(
        &self,
        name: &str,
        often: Duration,
        stop: &Stop,
        look: impl Fn(&Watch) -> N + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (watch, stop) = (self.clone(), stop.clone());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            loop {
                let start = Instant::now();
                let note = look(&watch);
                let took = start.elapsed();
                note(&mut watch.seen(), &watch, took);
                if stop.wait(often.max(took * 2)) {
                    return;
                }
            }
        })
    }

    /// Something has moved in a queue when entries were decided, or copies handed over, or when there is nothing to be done.
    fn note_movement(&self, still: &mut BTreeMap<Queue, Still>, seen: &[QueueFigures]) {
        let runners = self.shell.health.all();
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        for figures in seen {
            let Some(health) = runners.get(&figures.queue) else {
                still.remove(&figures.queue);
                continue;
            };
            let inside = moved.get(&figures.queue).map_or(0, |count| count());
            let done = health.decided + health.shunted + inside;
            let waiting = figures.status.as_ref().map_or(0, |status| waiting(status, health.in_hand));
            let before = still.get(&figures.queue).filter(|before| before.done == done && before.waiting > 0);
            let since = before.filter(|_| waiting > 0).map_or_else(Instant::now, |before| before.since);
            still.insert(figures.queue, Still { done, since, waiting });
        }
    }

    /// What was seen last, and what is wrong with it.
    pub fn sights(&self) -> Sights {
        let seen = self.seen();
        let mut wrong = self.runners_at_fault(STUCK);
        for (queue, still) in &seen.still {
            let silent = still.since.elapsed();
            if still.waiting > 0 && silent > STUCK {
                wrong.push(format!(
                    "{queue} is stuck: {} wait, and nothing has moved for {} s",
                    still.waiting,
                    silent.as_secs()
                ));
            }
        }
        for (what, reason) in self.shell.health.troubles() {
            wrong.push(format!("waiting for the {what}: {reason}"));
        }
        let (queues, store, disks) = (seen.queues.fresh(), seen.store.fresh(), seen.disks.fresh());
        let mut late = |what: &str, age: &Duration| wrong.push(format!("{what} not answered for {} s", age.as_secs()));
        queues.as_ref().err().iter().for_each(|age| late("the queues have", age));
        disks.as_ref().err().iter().for_each(|age| late("the disks have", age));
        if self.shell.store.is_some() {
            store.as_ref().err().iter().for_each(|age| late("the store has", age));
        }
        let disks = match disks {
            Ok(Some(Err(error))) => {
                wrong.push(error);
                Vec::new()
            }
            Ok(Some(Ok(disks))) => disks,
            Ok(None) | Err(_) => Vec::new(),
        };
        let silent = || Err("it does not answer".to_owned());
        Sights {
            queues: queues.unwrap_or_default().unwrap_or_default(),
            // Before the first look nothing is known to be wrong.
            store: self.shell.store.as_ref().map(|_| store.map_or_else(|_| silent(), |seen| seen.unwrap_or(Ok(())))),
            disks,
            floor: self.shell.room.floor(),
            wrong,
        }
    }

    /// Nobody of this process has ended by a fault, or has had an entry in hand for longer than this without coming by. It is what systemd is told.
    ///
    /// # Errors
    /// Who has.
    pub fn fit(&self, limit: Duration) -> Result<(), String> {
        let wrong = self.runners_at_fault(limit);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    fn runners_at_fault(&self, limit: Duration) -> Vec<String> {
        let roll = self.crew.roll();
        let dead = roll.iter().filter(|(_, roll)| roll.dead > 0);
        let dead = dead.map(|(queue, roll)| {
            format!("{queue} is dead: {} of its {} threads have ended by a fault", roll.dead, roll.threads)
        });
        dead.chain(self.hung(limit)).collect()
    }

    /// Who has had an entry in hand for longer than this without coming by, a sentence each.
    pub fn hung(&self, limit: Duration) -> Vec<String> {
        let roll = self.crew.roll();
        let silent = self.shell.health.silent(|silent, entry| is_too_long(silent, entry, limit)).into_iter();
        let hung = silent.filter(|(queue, _)| roll.contains_key(queue));
        let told = hung.map(|(queue, (silent, entry))| {
            let seconds = silent.as_secs();
            let entry = entry.map_or_else(String::new, |entry| format!(", with {entry} in hand"));
            format!("{queue} hangs: one of its threads has not come back for {seconds} s{entry}")
        });
        told.collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a thread that has not come by for so long hangs. One without an entry in hand may be waiting for work, however short the limit.
fn is_too_long(silent: Duration, in_hand: Option<EntryId>, limit: Duration) -> bool {
    silent > if in_hand.is_some() { limit } else { limit.max(STUCK) }
}

/// How many entries wait for this process. What others have in hand is for them to say.
fn waiting(status: &QueueStatus, in_hand: u64) -> u64 {
    let is_for_us = in_hand > 0 || status.depth > status.claimed;
    if is_for_us && !status.paused { status.depth } else { 0 }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::Timestamp;

    use super::*;

    #[test]
    fn who_waits_for_work_does_not_hang_however_short_the_limit() {
        let (entry, second) = (Some(EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10])), Duration::from_secs(1));
        assert!(is_too_long(second * 2, entry, second), "it has an entry in hand");
        assert!(!is_too_long(second * 3, None, second), "it comes by every three seconds");
        assert!(is_too_long(second * 6, None, second), "it does not come by");
        assert!(!is_too_long(second * 6, None, second * 600));
    }

    #[test]
    fn what_others_have_in_hand_and_what_is_paused_waits_for_nobody_here() {
        let status = |depth, claimed, paused| QueueStatus {
            queue: Queue::Outbound,
            depth,
            claimed,
            deferred: 0,
            shunted: 0,
            corrupt: 0,
            oldest_s: None,
            unsent: 0,
            paused,
        };
        assert_eq!(waiting(&status(2, 2, false), 0), 0, "another process delivers");
        assert_eq!(waiting(&status(2, 2, false), 1), 2);
        assert_eq!(waiting(&status(3, 2, false), 0), 3, "nobody takes it");
        assert_eq!(waiting(&status(3, 0, true), 3), 0);
    }
}
