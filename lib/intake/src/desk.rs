//! Messages on their way to the reception. Those that arrive while others are being stored go together: they share what waits for the disk,
//! and for most of them no thread has to be woken.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::service::Share;
use crate::{Answer, Arrival, Reception};

/// So many clerks: while one waits for the disk, the other sees to what has arrived meanwhile.
const CLERKS: usize = 2;
/// One who has been at it for so long is not counted: what he waits for may have nothing to do with the others.
const LONG: Duration = Duration::from_millis(100);
/// So many messages go together at most, and no more when they have so many octets.
const MESSAGES: usize = 64;
const OCTETS: usize = 1 << 20;

/// Where messages wait for the reception.
pub(crate) struct Desk {
    reception: Arc<dyn Reception>,
    /// The most clerks there may be.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Since when each clerk has been at what he has in hand, by his number.
    clerks: Vec<(u64, Instant)>,
    last: u64,
}

/// A message, and who waits for its answers.
struct Waiting {
    arrival: Arrival,
    /// Its memory, which is taken until the reception has the message elsewhere, even when the connection goes away.
    _share: Option<Share>,
    answer: oneshot::Sender<Vec<Answer>>,
}

impl Desk {
    /// At most `most` calls of the reception at one time.
    pub(crate) fn new(reception: Arc<dyn Reception>, most: usize) -> Self {
        Desk { reception, most: most.max(1), state: Mutex::default() }
    }

    /// What the reception answers for this message; nothing when it panicked. A message that is here is stored even when the connection that
    /// brought it is gone by then.
    pub(crate) async fn store(self: &Arc<Self>, arrival: Arrival, share: Option<Share>) -> Vec<Answer> {
        let (answer, mut answered) = oneshot::channel();
        self.state().waiting.push_back(Waiting { arrival, _share: share, answer });
        loop {
            if let Some(clerk) = self.clerk() {
                let desk = Arc::clone(self);
                tokio::task::spawn_blocking(move || while desk.work(clerk) {});
            }
            // Those that are there may have become slow meanwhile.
            if let Ok(answers) = timeout(LONG, &mut answered).await {
                return answers.unwrap_or_default();
            }
        }
    }

    /// The number of a new clerk, when what waits needs one.
    fn clerk(&self) -> Option<u64> {
        let mut state = self.state();
        let lively = state.clerks.iter().filter(|(_, since)| since.elapsed() < LONG).count();
        if state.waiting.is_empty() || lively >= CLERKS || state.clerks.len() >= self.most {
            return None;
        }
        state.last += 1;
        let clerk = (state.last, Instant::now());
        state.clerks.push(clerk);
        Some(clerk.0)
    }

    /// Has what waits stored; `false` when nothing does, and the clerk may go.
    fn work(&self, clerk: u64) -> bool {
        let Some(batch) = self.take(clerk) else { return false };
        let (mut arrivals, mut others) = (Vec::new(), Vec::new());
        for Waiting { arrival, _share, answer } in batch {
            arrivals.push(arrival);
            others.push((answer, _share));
        }
        match catch_unwind(AssertUnwindSafe(|| self.reception.accept_all(arrivals))) {
            // Who waits may have gone.
            Ok(answers) => others.into_iter().zip(answers).for_each(|((to, _share), answers)| drop(to.send(answers))),
            Err(_) => tracing::error!("the reception failed, the clients try again"),
        }
        true
    }

    /// What goes together next.
    fn take(&self, clerk: u64) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        let (mut batch, mut octets) = (Vec::new(), 0);
        while batch.len() < MESSAGES && octets < OCTETS {
            let Some(next) = state.waiting.pop_front() else { break };
            octets += next.arrival.message.len();
            batch.push(next);
        }
        if batch.is_empty() {
            state.clerks.retain(|(number, _)| *number != clerk);
            return None;
        }
        let own = state.clerks.iter_mut().filter(|(number, _)| *number == clerk);
        own.for_each(|(_, since)| *since = Instant::now());
        Some(batch)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use listmill_queue_format::{EntryId, Envelope, Timestamp};

    use super::*;
    use crate::{Replies, Verdict};

    /// Stores when it is told to, and says how many messages came together. A message of one octet is one at which it panics.
    struct Slow {
        begun: Mutex<Sender<usize>>,
        go_on: Mutex<Receiver<()>>,
    }

    impl Reception for Slow {
        fn recipient(&self, _: &str) -> Verdict {
            Verdict::Unknown
        }

        fn accept(&self, _: Envelope, message: Arc<[u8]>, _: Replies) -> Vec<Answer> {
            assert!(message.len() != 1, "this one");
            vec![Answer::Stored(EntryId::fresh(Timestamp::UNIX_EPOCH, [0; 10])); message.len()]
        }

        fn accept_all(&self, arrivals: Vec<Arrival>) -> Vec<Vec<Answer>> {
            self.begun.lock().unwrap().send(arrivals.len()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            arrivals.into_iter().map(|one| self.accept(one.envelope, one.message, one.replies)).collect()
        }

        fn max_message_size(&self) -> u64 {
            0
        }
    }

    fn arrival(size: usize) -> Arrival {
        Arrival { envelope: Envelope::default(), message: vec![b'x'; size].into(), replies: Replies::Each }
    }

    fn desk() -> (Arc<Desk>, Receiver<usize>, Sender<()>) {
        let ((begun, begins), (go, go_on)) = (channel(), channel());
        let reception = Slow { begun: Mutex::new(begun), go_on: Mutex::new(go_on) };
        (Arc::new(Desk::new(Arc::new(reception), 8)), begins, go)
    }

    #[tokio::test]
    async fn what_arrives_while_both_clerks_are_at_work_goes_together() {
        let (desk, begins, go) = desk();
        let store = |size| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.store(arrival(size), None).await.len() })
        };
        // One thread for the tasks: each has brought its message when the next yields.
        let tasks: Vec<_> = (2..8).map(store).collect();
        tokio::task::yield_now().await;
        let mut batches = vec![begins.recv().unwrap()];
        while batches.iter().sum::<usize>() < 6 {
            go.send(()).unwrap();
            batches.push(begins.recv().unwrap());
        }
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert!(batches.len() < 6, "{batches:?}");
        for (size, task) in (2..8).zip(tasks) {
            assert_eq!(task.await.unwrap(), size, "each has its own answers");
        }
        assert!(desk.state().waiting.is_empty());
    }

    #[tokio::test]
    async fn after_a_panic_nothing_is_answered_and_the_clerk_goes_on() {
        let (desk, begins, go) = desk();
        for (size, answers) in [(1, 0), (3, 3)] {
            go.send(()).unwrap();
            assert_eq!(desk.store(arrival(size), None).await.len(), answers);
            assert_eq!(begins.recv().unwrap(), 1);
        }
    }

    #[test]
    fn one_who_takes_long_does_not_count() {
        let (desk, ..) = desk();
        assert_eq!(desk.clerk(), None, "there is nothing to do");
        let (answer, _) = oneshot::channel();
        desk.state().waiting.push_back(Waiting { arrival: arrival(2), _share: None, answer });
        let now = Instant::now() + Duration::from_secs(3600);
        let long_ago = Instant::now().checked_sub(LONG).unwrap();
        let sees = |since| desk.state().clerks.iter_mut().for_each(|clerk| clerk.1 = since);
        for number in 1..9 {
            assert_eq!(desk.clerk(), Some(number));
            sees(long_ago);
        }
        assert_eq!(desk.clerk(), None, "there are no more than eight");
        desk.state().clerks.truncate(3);
        desk.state().clerks[1].1 = now;
        desk.state().clerks[2].1 = now;
        assert_eq!(desk.clerk(), None, "two are quick");
        desk.state().clerks[2].1 = long_ago;
        assert_eq!(desk.clerk(), Some(9));
    }
}
