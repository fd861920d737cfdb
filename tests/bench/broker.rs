//! What a broker takes by itself: messages through so many queues in a row, as a durable pipeline moves them, and how much lies in a queue.
//!
//! Each hop consumes, publishes to the next queue, waits for that confirm, and only then acknowledges. It decides nothing, reads no store and has
//! no limit on what is under way but the window and the prefetch: that is the rate our own is held against.

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Error};
use tokio::runtime::Runtime;

use crate::Failure;

/// Messages that wait for their confirm, and entries taken ahead.
const WINDOW: usize = 200;
const PREFETCH: u16 = 50;

/// A connection of the benchmark's own.
pub(crate) struct Broker {
    runtime: Runtime,
    connection: Connection,
    channel: Channel,
    url: String,
}

impl Broker {
    pub(crate) fn connect(url: &str) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let connection = runtime.block_on(connect(url))?;
        let channel = runtime.block_on(connection.create_channel())?;
        Ok(Broker { runtime, connection, channel, url: url.to_owned() })
    }

    /// How many messages can be delivered from a queue.
    pub(crate) fn depth(&self, queue: &str) -> Result<usize, Failure> {
        let there = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = self.channel.queue_declare(queue.into(), there, FieldTable::default());
        Ok(self.runtime.block_on(asked)?.message_count().try_into()?)
    }

    /// Sends `messages` of so many octets through `hops` queues; how long that took, from the first to the last acknowledgement.
    pub(crate) fn chain(&self, messages: usize, size: usize, hops: usize) -> Result<Duration, Failure> {
        let took = self.runtime.block_on(chain(&self.url, &self.connection, messages, size, hops))?;
        Ok(took)
    }
}

async fn connect(url: &str) -> Result<Connection, Error> {
    Connection::connect(url, ConnectionProperties::default()).await
}

async fn chain(
    url: &str,
    connection: &Connection,
    messages: usize,
    size: usize,
    hops: usize,
) -> Result<Duration, Failure> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for hop in 0..hops {
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name(hop).into(), durable, quorum).await?;
    }
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for hop in 0..hops {
        // A connection each: hosts do not share one either.
        let connection = connect(url).await?;
        tasks.push(tokio::spawn(async move { pass_on(&connection, hop, hop + 1 == hops, messages).await }));
    }
    let body = vec![b'x'; size];
    let mut unconfirmed = FuturesUnordered::new();
    for _ in 0..messages {
        if unconfirmed.len() >= WINDOW {
            unconfirmed.next().await.ok_or("it is not empty")??;
        }
        unconfirmed.push(publish(&channel, 0, &body).await?);
    }
    while let Some(confirmed) = unconfirmed.next().await {
        confirmed?;
    }
    for task in tasks {
        task.await??;
    }
    let took = begun.elapsed();
    for hop in 0..hops {
        channel.queue_delete(name(hop).into(), QueueDeleteOptions::default()).await?;
    }
    Ok(took)
}

fn name(hop: usize) -> String {
    format!("chain{hop}")
}

async fn publish(channel: &Channel, hop: usize, body: &[u8]) -> Result<lapin::PublisherConfirm, Error> {
    let durable = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish("".into(), name(hop).into(), BasicPublishOptions::default(), body, durable).await
}

/// One hop, until all have passed.
async fn pass_on(connection: &Connection, hop: usize, last: bool, messages: usize) -> Result<(), Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(name(hop).into(), "chain".into(), options, none).await?;
    let (mut taken, mut done) = (0, 0);
    let mut unconfirmed = FuturesUnordered::new();
    while done < messages {
        tokio::select! {
            Some(delivery) = consumer.next(), if taken < messages => {
                let delivery = delivery?;
                taken += 1;
                if last {
                    delivery.ack(BasicAckOptions::default()).await?;
                    done += 1;
                } else {
                    let confirm = publish(&channel, hop + 1, &delivery.data).await?;
                    unconfirmed.push(async move { confirm.await.map(|_| delivery) });
                }
            }
            Some(confirmed) = unconfirmed.next(), if !unconfirmed.is_empty() => {
                confirmed?.ack(BasicAckOptions::default()).await?;
                done += 1;
            }
        }
    }
    // A round trip: the last acknowledgements have reached the broker.
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    connection.close(200, "OK".into()).await
}
