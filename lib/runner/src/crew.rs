//! The runners of one process: each can be let finish and stop while the others go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_queue_format::Queue;

use crate::{Shell, Stop};

/// Who is to stop and waits for work is woken again after so long, then after twice as long each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(500));

/// What is to be done when a runner's last thread has ended.
pub type Farewell = Box<dyn FnOnce() + Send>;

/// The runners of one process; clones are the same ones.
#[derive(Clone)]
pub struct Crew {
    shell: Shell,
    hands: Arc<Mutex<BTreeMap<Queue, Hand>>>,
    /// Held while somebody parts, so that nobody is told of the end before it is one.
    parting: Arc<Mutex<()>>,
}

/// The threads of one runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// All of them.
    pub threads: usize,
    /// Those that have ended, and were not told to.
    pub dead: usize,
}

/// One runner.
#[derive(Default)]
struct Hand {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    farewell: Vec<Farewell>,
}

impl Hand {
    fn working(&self) -> usize {
        self.threads.iter().filter(|thread| !thread.is_finished()).count()
    }

    fn part(self, queue: Queue) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of {queue} ended by a panic");
            }
        }
        self.farewell.into_iter().for_each(|farewell| farewell());
    }
}

impl Crew {
    /// Nobody yet; they will work with `shell`.
    pub fn new(shell: Shell) -> Crew {
        Crew { shell, hands: Arc::default(), parting: Arc::default() }
    }

    /// The switch that stops this runner alone.
    pub fn stop_of(&self, queue: Queue) -> Stop {
        self.hands().entry(queue).or_default().stop.clone()
    }

    /// These threads work for this runner, and end when its switch is thrown.
    pub fn add(&self, queue: Queue, threads: Vec<JoinHandle<()>>) {
        self.hands().entry(queue).or_default().threads.extend(threads);
    }

    /// To be done when its last thread has ended.
    pub fn at_end(&self, queue: Queue, farewell: Farewell) {
        self.hands().entry(queue).or_default().farewell.push(farewell);
    }

    /// Lets this runner finish what it has in hand, and take no more: how many of its threads are still at it; none when it is not served
    /// here, or no more.
    pub fn drain(&self, queue: Queue) -> Option<usize> {
        self.part_with_those_who_are_done();
        let stop = self.hands().get(&queue)?.stop.clone();
        if !stop.is_stopped() {
            tracing::info!("{queue} takes no more, and finishes what is in hand");
            stop.stop();
        }
        // Each time that somebody asks: who was about to wait for work when the others were woken has heard nothing.
        self.shell.queues.wake();
        self.part_with_those_who_are_done();
        self.hands().get(&queue).map(Hand::working)
    }

    /// Whether somebody was told to stop and is not gone, or nobody is left: there is something for [`part_with_those_who_are_done`](Self::part_with_those_who_are_done).
    pub fn is_anybody_stopped(&self) -> bool {
        let hands = self.hands();
        hands.is_empty() || hands.values().any(|hand| hand.stop.is_stopped())
    }

    /// Those who were to stop and have stopped are gone; says whether nobody is left.
    pub fn part_with_those_who_are_done(&self) -> bool {
        let _parting = self.parting.lock().unwrap_or_else(PoisonError::into_inner);
        let done: Vec<(Queue, Hand)> = {
            let mut hands = self.hands();
            let is_done = |hand: &Hand| hand.stop.is_stopped() && hand.working() == 0;
            let queues: Vec<Queue> = hands.iter().filter(|(_, hand)| is_done(hand)).map(|(queue, _)| *queue).collect();
            queues.into_iter().filter_map(|queue| Some((queue, hands.remove(&queue)?))).collect()
        };
        for (queue, hand) in done {
            hand.part(queue);
            // Before it is said to be done: somebody may be about to start it elsewhere.
            if let Err(error) = self.shell.queues.leave(queue) {
                tracing::error!("what was taken ahead from {queue} stays here until this process ends: {error}");
            }
            self.shell.health.forget(queue);
            tracing::info!("{queue} is drained");
        }
        self.hands().is_empty()
    }

    /// The threads of every runner that is to serve.
    pub fn roll(&self) -> BTreeMap<Queue, Roll> {
        let hands = self.hands();
        let serving = hands.iter().filter(|(_, hand)| !hand.stop.is_stopped());
        let roll = |hand: &Hand| Roll { threads: hand.threads.len(), dead: hand.threads.len() - hand.working() };
        serving.map(|(queue, hand)| (*queue, roll(hand))).collect()
    }

    /// Stops everybody, and returns when all have.
    pub fn stop(&self) {
        let hands = std::mem::take(&mut *self.hands());
        hands.values().for_each(|hand| hand.stop.stop());
        let mut pause = AGAIN.0;
        while hands.values().any(|hand| hand.working() > 0) {
            // Again and again: who was about to wait for work when the others were woken has heard nothing.
            self.shell.queues.wake();
            std::thread::sleep(pause);
            pause = (pause * 2).min(AGAIN.1);
        }
        hands.into_iter().for_each(|(queue, hand)| hand.part(queue));
    }

    fn hands(&self) -> MutexGuard<'_, BTreeMap<Queue, Hand>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use listmill_queue::MemoryQueues;

    use super::*;
    use crate::Health;
    use crate::trail::Trail;

    fn shell() -> Shell {
        let host = "mill.example.org".to_owned();
        Shell {
            queues: Arc::new(MemoryQueues::new()),
            store: None,
            directory: None,
            host,
            health: Health::default(),
            trail: Trail::default(),
            room: crate::Room::default(),
        }
    }

    #[test]
    fn a_thread_that_ends_untold_is_dead() {
        let crew = Crew::new(shell());
        let stop = crew.stop_of(Queue::Auth);
        let stays = std::thread::spawn(move || while !stop.wait(std::time::Duration::from_secs(60)) {});
        let ends = std::thread::spawn(|| {});
        while !ends.is_finished() {
            std::thread::yield_now();
        }
        crew.add(Queue::Auth, vec![stays, ends]);
        assert_eq!(crew.roll(), [(Queue::Auth, Roll { threads: 2, dead: 1 })].into());
        crew.stop();
        assert!(crew.roll().is_empty());
    }

    #[test]
    fn who_begins_to_wait_for_work_when_the_others_are_woken_is_not_waited_for() {
        for is_drained in [false, true] {
            let shell = shell();
            let (crew, queues) = (Crew::new(shell.clone()), shell.queues);
            // When it is woken it has not seen yet that it is to stop, and waits again.
            let works = move || [(); 2].map(|()| queues.claim(Queue::Auth, Duration::from_secs(3600)).unwrap());
            crew.add(Queue::Auth, vec![std::thread::spawn(move || drop(works()))]);
            let (gone, is_gone) = mpsc::channel();
            std::thread::spawn(move || {
                if is_drained {
                    while crew.drain(Queue::Auth).is_some() {}
                } else {
                    crew.stop();
                }
                gone.send(()).unwrap();
            });
            is_gone.recv_timeout(Duration::from_secs(60)).expect("they stop");
        }
    }
}
