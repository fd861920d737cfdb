//! One task per queue that is claimed from: it consumes, as long as there is a session and somebody claims.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, ready};
use futures_util::stream::{SelectAll, Stream, StreamExt as _, once};
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use listmill_queue_format::{Priority, encode};
use tokio::sync::{mpsc, oneshot};

use super::declare::count;
use super::fault::Fault;
use super::line::{Held, Line};
use super::link::{Link, Session};
use super::message::{self, Outgoing};
use super::names;
use super::sort::{Sorted, move_on, sort};
use crate::clock;
use crate::lineup::Place;

/// How often it is looked whether the queue is paused.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without a claim, what is held goes back: another process may have hands free. (RabbitMQ ends a channel on which
/// a message is unacknowledged for 30 minutes.)
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Octets of messages, or one message, that go behind the others in one look because their list has its share in hand.
const ROUND: usize = 8 << 20;

/// What the task is asked for.
pub(super) enum Order {
    /// Consume, as soon as there is a session: somebody waits in the line for what comes.
    Begin,
    /// Consume, and say when what the broker has for us has arrived.
    Settle(oneshot::Sender<Result<(), Fault>>),
    /// Give back what is held, and consume no more until somebody claims.
    Leave(oneshot::Sender<Result<(), Fault>>),
    /// The queue may have been paused or resumed.
    Look,
}

/// What a consumer brings; `None` is its end.
type Brought = Option<lapin::Result<Delivery>>;
type Deliveries = SelectAll<Pin<Box<dyn Stream<Item = (usize, Brought)> + Send>>>;

/// Consuming in one session.
struct Feed<'a> {
    line: &'a Arc<Line>,
    session: Arc<Session>,
    /// Tells what came in over this channel from what came before.
    generation: u64,
    channel: Channel,
    deliveries: Deliveries,
    consumers: Vec<Consumer>,
    prefetch: u16,
    /// Somebody claims: whenever there is a session, it is consumed by itself.
    wanted: &'a mut bool,
}

/// One consumer of a class, from its beginning; a class has several one after the other.
struct Consumer {
    class: Priority,
    tag: String,
    /// It takes as many as it may. Before that one at a time: what others had in hand when they died comes first, and an
    /// entry that kills its runner shall not take its neighbours with it.
    wide: bool,
    /// How many it has brought.
    brought: u64,
    /// It has brought one that nobody had in hand before.
    fresh: bool,
    /// It was cancelled by us.
    over: bool,
}

/// Serves a queue for as long as there are orders.
pub(super) async fn serve(line: Arc<Line>, link: Link, prefetch: u16, mut orders: mpsc::UnboundedReceiver<Order>) {
    let (mut first, mut wanted) = (None, false);
    let mut generation = 0;
    loop {
        let session = tokio::select! {
            session = link.session(Duration::MAX) => session,
            order = orders.recv() => match order {
                Some(order) => match link.now() {
                    Ok(session) => { first = Some(order); Ok(session) }
                    Err(fault) => { refuse(order, fault, &mut wanted); continue }
                },
                None => return,
            },
        };
        let Ok(session) = session else { return };
        generation += 1;
        line.begin(generation);
        let channel = match session.channel().await {
            Ok(channel) => channel,
            Err(fault) => {
                session.give_up(fault);
                continue;
            }
        };
        let feed = Feed {
            line: &line,
            session: Arc::clone(&session),
            generation,
            channel,
            deliveries: SelectAll::new(),
            consumers: Vec::new(),
            prefetch,
            wanted: &mut wanted,
        };
        let ended = feed.run(first.take(), &mut orders).await;
        // Whoever claims finds nothing of what was lost.
        line.begin(0);
        match ended {
            Ok(()) => return,
            Err(fault) if session.is_lost() => tracing::debug!(queue = %line.queue, "{fault}"),
            Err(fault) => {
                // The claims of this queue are lost; those of others must not suffer.
                tracing::error!(queue = %line.queue, "consuming failed and is begun again: {fault}");
                session.mend().await;
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// There is no session: what can be answered is, and what is waited for is done when there is one.
fn refuse(order: Order, fault: Fault, wanted: &mut bool) {
    match order {
        Order::Begin => *wanted = true,
        Order::Settle(done) => drop(done.send(Err(fault))),
        Order::Leave(done) => {
            *wanted = false;
            let _ = done.send(Ok(())); // whoever asked may have given up
        }
        Order::Look => {}
    }
}

impl Feed<'_> {
    /// Until the session is lost (an error), or nobody gives orders any more.
    async fn run(mut self, first: Option<Order>, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<(), Fault> {
        let session = Arc::clone(&self.session);
        let mut lost = std::pin::pin!(session.lost());
        let mut look = tokio::time::interval(LOOK);
        for order in self.wanted.then_some(Order::Begin).into_iter().chain(first) {
            self.obey(order).await?;
        }
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => return Ok(()),
                },
                Some((number, delivery)) = self.deliveries.next() => {
                    self.take(number, delivery)?;
                    self.widen().await?;
                }
                _ = look.tick() => self.look_around().await?,
                fault = &mut lost => return Err(fault),
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), Fault> {
        match order {
            Order::Begin => {
                *self.wanted = true;
                if self.line.is_settled() { Ok(()) } else { self.settle().await }
            }
            Order::Settle(done) => {
                let settled = self.settle().await;
                *self.wanted |= settled.is_ok();
                let _ = done.send(settled.clone()); // the claimer may have given up
                settled
            }
            Order::Leave(done) => {
                let left = self.leave().await;
                let _ = done.send(left.clone()); // whoever asked may have given up
                left
            }
            Order::Look => self.look_around().await,
        }
    }

    fn is_consuming(&self) -> bool {
        self.consumers.iter().any(|consumer| !consumer.over)
    }

    /// Consumes if need be; when this returns, what the broker had for us has arrived.
    async fn settle(&mut self) -> Result<(), Fault> {
        self.look_at_pause().await?;
        if !self.is_consuming() && !self.line.is_paused() {
            for class in names::CLASSES {
                self.consume(class, false).await?;
            }
        }
        loop {
            self.flush().await?;
            // Who brings nothing finds no leftovers.
            self.consumers.iter_mut().for_each(|consumer| consumer.fresh |= consumer.brought == 0);
            // Widened consumers bring more, which has to arrive as well.
            if !self.widen().await? {
                break;
            }
        }
        self.line.settled(true);
        Ok(())
    }

    /// Answers on a channel come in the order of events: what was under way before the second question is here after its answer.
    async fn flush(&mut self) -> Result<(), Fault> {
        self.look_at_pause().await?;
        self.look_at_pause().await?;
        while let Some(Some((number, delivery))) = self.deliveries.next().now_or_never() {
            self.take(number, delivery)?;
        }
        Ok(())
    }

    /// Replaces each consumer that takes one at a time, and need no longer; says whether there was one.
    async fn widen(&mut self) -> Result<bool, Fault> {
        let narrow = |consumer: &Consumer| !consumer.wide && consumer.fresh && !consumer.over;
        let Some(number) = self.consumers.iter().position(narrow) else { return Ok(false) };
        for number in number..self.consumers.len() {
            let consumer = &mut self.consumers[number];
            if narrow(consumer) {
                consumer.over = true;
                let (class, tag) = (consumer.class, consumer.tag.clone());
                self.channel.basic_cancel(tag.into(), BasicCancelOptions::default()).await?;
                self.consume(class, true).await?;
            }
        }
        Ok(true)
    }

    async fn look_at_pause(&mut self) -> Result<(), Fault> {
        let decisions = self.line.decisions();
        let marks = count(&self.channel, &names::paused_queue(self.line.queue)).await?;
        self.session.heard();
        self.line.heard(marks > 0, decisions);
        Ok(())
    }

    async fn look_around(&mut self) -> Result<(), Fault> {
        self.look_at_pause().await?;
        if self.line.is_paused() {
            // What is held stays: giving it back would count as a failure of whoever had it.
            return self.cancel().await;
        }
        if self.line.is_settled() && !self.is_consuming() {
            return self.settle().await;
        }
        if self.line.last_claim().elapsed() > IDLE && self.is_consuming() {
            return self.leave().await;
        }
        self.unclog().await
    }

    async fn consume(&mut self, class: Priority, wide: bool) -> Result<(), Fault> {
        let number = self.consumers.len();
        let tag = format!("{}.{}.{number}", self.line.queue, names::word(class));
        let prefetch = if wide { self.prefetch } else { 1 };
        self.channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let queue = names::class_queue(self.line.queue, class);
        let options = BasicConsumeOptions::default();
        let consumer =
            self.channel.basic_consume(queue.into(), tag.clone().into(), options, FieldTable::default()).await?;
        self.consumers.push(Consumer { class, tag, wide, brought: 0, fresh: false, over: false });
        let ended = once(ready((number, None)));
        self.deliveries.push(Box::pin(consumer.map(move |delivery| (number, Some(delivery))).chain(ended)));
        Ok(())
    }

    async fn cancel(&mut self) -> Result<(), Fault> {
        for consumer in self.consumers.iter_mut().filter(|consumer| !consumer.over) {
            consumer.over = true;
            self.channel.basic_cancel(consumer.tag.as_str().into(), BasicCancelOptions::default()).await?;
        }
        Ok(())
    }

    /// What came from a consumer, `None` when it has ended.
    fn take(&mut self, number: usize, delivery: Brought) -> Result<(), Fault> {
        let consumer = &mut self.consumers[number];
        let mut delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(error.into()),
            None if consumer.over => return Ok(()),
            None => {
                let queue = names::class_queue(self.line.queue, consumer.class);
                tracing::error!(
                    "the broker has forgotten the queue {queue}: what was in it is gone, unless it is restored"
                );
                return Err(Fault::Away(format!("the queue {queue} is gone")));
            }
        };
        consumer.brought += 1;
        consumer.fresh |= !delivery.redelivered;
        let queue = self.line.queue;
        match sort(queue, &mut delivery) {
            Sorted::Entry(entry) => {
                let micros = message::micros(&delivery.properties).unwrap_or_else(clock::next);
                let place = Place { micros, rank: entry.priority.rank(), id: entry.id };
                let held = Held { entry: *entry, acker: delivery.acker, session: self.generation };
                self.line.arrived(place, held);
            }
            Sorted::Elsewhere(message) => {
                tokio::spawn(move_on(Arc::clone(&self.session), *message, delivery.acker));
            }
        }
        Ok(())
    }

    /// What is held goes back, behind all others: as new messages, for a message that is given back counts as one that failed.
    async fn leave(&mut self) -> Result<(), Fault> {
        *self.wanted = false;
        self.cancel().await?;
        self.flush().await?;
        self.line.settled(false);
        let held = self.line.take_out(None);
        self.put_behind(held).await
    }

    /// What is held only because its list has its share in hand must not keep out whoever is behind it at the broker.
    async fn unclog(&mut self) -> Result<(), Fault> {
        for class in self.line.clogged(usize::from(self.prefetch)) {
            if count(&self.channel, &names::class_queue(self.line.queue, class)).await? > 0 {
                let clogging = self.line.take_out_of(class, ROUND);
                self.put_behind(clogging).await?;
            }
        }
        Ok(())
    }

    /// These go behind all others.
    async fn put_behind(&mut self, entries: Vec<(Place, Held)>) -> Result<(), Fault> {
        for (place, held) in entries {
            let moved = match encode(&held.entry) {
                Ok(body) => self.session.publish(vec![Outgoing::entry(&held.entry, body).written(place.micros)]).await,
                Err(error) => Err(Fault::Away(error.to_string())),
            };
            match moved {
                Ok(()) => held.acker.ack(BasicAckOptions::default()).await?,
                Err(_) => held.acker.nack(BasicNackOptions { requeue: true, multiple: false }).await?,
            };
        }
        Ok(())
    }
}
