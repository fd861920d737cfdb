//! The queue backend over the broker: each method of the trait, and where it is done.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::Acker;
use lapin::options::BasicAckOptions;
use listmill_queue_format::{Entry, EntryId, Queue, encode};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::ask::ask;
use super::config::AmqpConfig;
use super::fault::Fault;
use super::feed::{Order, serve};
use super::line::{AmqpHold, Got, Line};
use super::link::{Link, Session};
use super::message::{Outgoing, shunt_reason};
use super::{names, operator};
use crate::backend::Hold;
use crate::error::Kind;
use crate::{Claim, Claimed, Found, Listed, QueueBackend, QueueError, QueueStatus, ShuntReason, State};

/// Threads that speak with the broker. The library has one more for each connection.
const THREADS: usize = 2;
/// For leaving in order, when the process ends.
const GOODBYE: Duration = Duration::from_secs(2);
/// What the slowest link carries in a second, in octets: for each such piece a message has a second more.
const PACE: usize = 256 << 10;

/// All queues at an AMQP broker (RabbitMQ, 3.10 to 3.13).
pub struct AmqpQueues {
    config: AmqpConfig,
    runtime: Option<Runtime>,
    handle: Handle,
    pub(super) link: Link,
    feeds: Vec<Feed>,
}

/// A queue, and the task that consumes from it.
struct Feed {
    line: Arc<Line>,
    orders: mpsc::UnboundedSender<Order>,
}

impl AmqpQueues {
    /// Begins to connect, and returns at once: a broker that is not there now is waited for, and connected to again whenever it is lost.
    ///
    /// # Errors
    /// The URL or the certificates cannot be read, or the system gives no threads.
    pub fn connect(config: AmqpConfig) -> Result<Self, QueueError> {
        config.uri()?;
        config.tls()?;
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("amqp").enable_all().build();
        let runtime = runtime.map_err(|error| QueueError::os("start threads for", config.broker(), error))?;
        let entered = runtime.enter();
        let link = Link::begin(config.clone());
        let feeds = Queue::ALL.map(|queue| {
            let (orders, received) = mpsc::unbounded_channel();
            let line = Arc::new(Line::new(queue));
            tokio::spawn(serve(Arc::clone(&line), link.clone(), config.prefetch.max(1), received));
            Feed { line, orders }
        });
        drop(entered);
        let handle = runtime.handle().clone();
        Ok(AmqpQueues { config, runtime: Some(runtime), handle, link, feeds: feeds.into() })
    }

    /// The broker takes messages now, as far as is known: it is connected, and has not said that it is short of memory or disk.
    pub fn is_ready(&self) -> bool {
        self.link.now().is_ok_and(|session| !session.is_blocked())
    }

    fn feed(&self, queue: Queue) -> &Feed {
        self.feeds.iter().find(|feed| feed.line.queue == queue).expect("every queue has its feed")
    }

    pub(super) fn line(&self, queue: Queue) -> &Arc<Line> {
        &self.feed(queue).line
    }

    /// Lets `work` be done with the session, as soon as there is one; waits at most for the configured patience, for each of the two.
    pub(super) fn with_session<T, F>(&self, work: impl FnOnce(Arc<Session>) -> F + Send + 'static) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        self.for_long(Duration::ZERO, work)
    }

    /// The same for work that itself takes so long.
    pub(super) fn for_long<T, F>(
        &self,
        more: Duration,
        work: impl FnOnce(Arc<Session>) -> F + Send + 'static,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let (link, patience) = (self.link.clone(), self.config.patience);
        ask(&self.handle, async move {
            let session = link.session(patience).await?;
            session.within(patience.saturating_add(more), work(Arc::clone(&session))).await
        })
    }

    /// Waits with the session that there is now for what somebody else does with it.
    fn with_present<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let (session, patience) = (self.link.now()?, self.config.patience);
        ask(&self.handle, async move { session.within(patience, work).await })
    }

    /// What the broker has for this process has arrived when this returns.
    fn settle(&self, queue: Queue) -> Result<(), Fault> {
        let (done, settled) = oneshot::channel();
        let _ = self.feed(queue).orders.send(Order::Settle(done)); // without the task there is no answer either
        self.with_present(async move { settled.await.unwrap_or(Err(Fault::Lost)) })
    }

    /// Acknowledges the claimed entries, as the last thing that is done with them: what came of each.
    fn acknowledge(&self, claims: Vec<Claim>, doing: &'static str) -> Vec<Result<(), QueueError>> {
        let held = |claim: Claim| {
            let id = claim.id;
            let hold = hold_of(claim)?;
            let acker = hold.held().map(|held| held.acker.clone()).map_err(|fault| fault.at(doing, id))?;
            Ok((id, hold, acker))
        };
        let holds: Vec<Result<_, QueueError>> = claims.into_iter().map(held).collect();
        let ackers: Vec<Acker> = holds.iter().flatten().map(|(.., acker)| acker.clone()).collect();
        let acked = self.with_present(async move {
            let mut acked = Vec::with_capacity(ackers.len());
            for acker in ackers {
                // The library says false when the channel is gone.
                acked.push(acker.ack(BasicAckOptions::default()).await.unwrap_or(false));
            }
            Ok(acked)
        });
        let mut acked = acked.unwrap_or_default().into_iter();
        let finished = |hold: Result<(EntryId, AmqpHold, Acker), QueueError>| {
            let (id, hold, _) = hold?;
            hold.finish();
            if acked.next() == Some(true) { Ok(()) } else { Err(Fault::Lost.at(doing, id)) }
        };
        holds.into_iter().map(finished).collect()
    }

    fn acknowledge_one(&self, claim: Claim, doing: &'static str) -> Result<(), QueueError> {
        self.acknowledge(vec![claim], doing).pop().expect("one claim has one answer")
    }

    /// Publishes what takes the place of a claimed entry, then acknowledges that one.
    fn replace(&self, claim: Claim, doing: &'static str, by: Outgoing) -> Result<(), QueueError> {
        let id = claim.id;
        let Hold::Amqp(hold) = &claim.hold else { return Err(not_ours(id)) };
        hold.held().map_err(|fault| fault.at(doing, id))?;
        self.publish(vec![by]).map_err(|fault| fault.at(doing, id))?;
        self.acknowledge_one(claim, doing)
    }

    pub(super) fn publish(&self, messages: Vec<Outgoing>) -> Result<(), Fault> {
        let octets: usize = messages.iter().map(|message| message.body.len()).sum();
        let more = Duration::from_secs((octets / PACE) as u64);
        self.for_long(more, |session| async move { session.publish(messages).await })
    }
}

fn hold_of(claim: Claim) -> Result<AmqpHold, QueueError> {
    match claim.hold {
        Hold::Amqp(hold) => Ok(hold),
        _ => Err(not_ours(claim.id)),
    }
}

fn not_ours(id: EntryId) -> QueueError {
    QueueError::new("finish", id, Kind::Misuse("the claim is another backend's"))
}

fn claimed(entry: Entry, hold: AmqpHold) -> Claimed {
    let claim = Claim { queue: entry.queue, id: entry.id, hold: Hold::Amqp(hold) };
    Claimed { entry, claim }
}

fn encoded(entry: &Entry) -> Result<Vec<u8>, QueueError> {
    encode(entry).map_err(|error| QueueError::new("encode", entry.id, error))
}

impl QueueBackend for AmqpQueues {
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError> {
        if entries.is_empty() {
            return Ok(());
        }
        let message = |entry| encoded(entry).map(|body| Outgoing::entry(entry, body));
        let messages = entries.iter().map(message).collect::<Result<_, _>>()?;
        self.publish(messages).map_err(|fault| fault.at("write to", self.config.broker()))
    }

    fn knows_repeats(&self) -> bool {
        false
    }

    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError> {
        let until = Instant::now().checked_add(wait);
        let line = self.line(queue);
        let wakes = line.wakes();
        if !line.is_settled() && !wait.is_zero() {
            let _ = self.feed(queue).orders.send(Order::Begin); // it is waited for below
        }
        match line.next(wakes, until) {
            Got::Entry(entry, hold) => return Ok(Some(claimed(*entry, hold))),
            Got::Woken => return Ok(None),
            Got::Nothing => {}
        }
        // Something may be on its way, or the broker away: that is no "nothing".
        self.settle(queue).map_err(|fault| fault.at("claim from", names::exchange(queue)))?;
        match line.next(wakes, Some(Instant::now())) {
            Got::Entry(entry, hold) => Ok(Some(claimed(*entry, hold))),
            Got::Woken | Got::Nothing => Ok(None),
        }
    }

    /// Only what has arrived: to ask the broker whether more is on its way takes longer than the next turn.
    fn claim_another(&self, queue: Queue) -> Result<Option<Claimed>, QueueError> {
        let line = self.line(queue);
        match line.next(line.wakes(), Some(Instant::now())) {
            Got::Entry(entry, hold) => Ok(Some(claimed(*entry, hold))),
            Got::Woken | Got::Nothing => Ok(None),
        }
    }

    fn release(&self, claim: Claim) -> Result<(), QueueError> {
        self.acknowledge_one(claim, "release")
    }

    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        self.acknowledge(claims, "release")
    }

    /// Without asking the broker, which would count it as a failure of this process: the entry waits here for the next claim. When the
    /// process ends, or leaves the queue, the broker has it again.
    fn give_back(&self, claim: Claim) -> Result<(), QueueError> {
        hold_of(claim).map(drop)
    }

    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        if entry.id != claim.id || entry.queue != claim.queue {
            let what = "the entry that replaces a claimed one must have its id and queue";
            return Err(QueueError::new("defer", claim.id, Kind::Misuse(what)));
        }
        self.replace(claim, "defer", Outgoing::entry(entry, encoded(entry)?))
    }

    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        let (queue, id) = (claim.queue, claim.id);
        let Hold::Amqp(AmqpHold { held: Some(held), .. }) = &claim.hold else {
            return Err(not_ours(id));
        };
        let moved = Outgoing::moved(queue, Some(id), "shunt", encoded(&held.entry)?).because(&shunt_reason(why));
        self.replace(claim, "shunt", moved)
    }

    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        self.figures(queue)
    }

    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let at = names::exchange(queue);
        self.with_session(move |session| async move { operator::list(&session, queue, state, limit).await })
            .map_err(|fault| fault.at("list the entries of", at))
    }

    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        self.search(id)
    }

    fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        self.with_session(move |session| async move { operator::retry(&session, id).await })
            .map_err(|fault| fault.at("retry", id))
    }

    fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        self.destroy(id)
    }

    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError> {
        let marked = self.with_session(move |session| async move { operator::mark(&session, queue, paused).await });
        marked.map_err(|fault| fault.at("pause", names::exchange(queue)))?;
        let feed = self.feed(queue);
        feed.line.decide(paused);
        let _ = feed.orders.send(Order::Look); // without the task nobody claims
        Ok(())
    }

    fn wake(&self) {
        self.feeds.iter().for_each(|feed| feed.line.wake());
    }

    fn share(&self, queue: Queue, places: usize) {
        self.feed(queue).line.share(places);
    }

    fn leave(&self, queue: Queue) -> Result<(), QueueError> {
        let (done, left) = oneshot::channel();
        let _ = self.feed(queue).orders.send(Order::Leave(done)); // without the task nothing is held
        if self.link.now().is_err() {
            return Ok(()); // the broker has it all again
        }
        self.with_present(async move { left.await.unwrap_or(Ok(())) })
            .map_err(|fault| fault.at("leave", names::exchange(queue)))
    }
}

impl Drop for AmqpQueues {
    fn drop(&mut self) {
        if let Ok(session) = self.link.now() {
            let close = async move { timeout(GOODBYE, session.close()).await.map_err(|_| Fault::Lost) };
            let _ = ask(&self.handle, close); // else the broker notices by itself
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for AmqpQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AmqpQueues({})", self.config.broker())
    }
}
