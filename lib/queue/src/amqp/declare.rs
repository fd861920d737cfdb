//! The topology and the broker: what is missing is declared.

use futures_util::future::try_join_all;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Error, ExchangeKind};

use super::topology::Topology;

/// Looks whether everything is there, and declares it when something is not. A user who may not declare may still
/// use what an operator has imported, so a refusal is reported and no error: what is missing shows when it is used.
pub(super) async fn ensure(connection: &Connection) -> Result<(), Error> {
    let topology = Topology::whole();
    let is_there = look(&connection.create_channel().await?, &topology).await.is_ok();
    let made = async {
        if !is_there {
            declare(&connection.create_channel().await?, &topology).await?;
        }
        bind(&connection.create_channel().await?, &topology).await
    };
    match made.await {
        // The first refusal ends the channel, and what was to go over it after that fails with it.
        Err(error) if connection.status().connected() => {
            if is_there {
                // Nobody can look at bindings: that a user may not make them says nothing.
                tracing::debug!("this user cannot make bindings, so they are taken to be there: {error}");
            } else {
                tracing::warn!(
                    "the broker lacks a part of what listmill needs, and this user cannot mend it (see `listmill check`): {error}"
                );
            }
            Ok(())
        }
        made => made,
    }
}

/// Whether all of it is there. The first thing that is not ends the channel.
pub(super) async fn look(channel: &Channel, topology: &Topology) -> Result<(), Error> {
    let there = ExchangeDeclareOptions { passive: true, durable: true, ..Default::default() };
    try_join_all(topology.exchanges.iter().map(|exchange| {
        channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, there, FieldTable::default())
    }))
    .await?;
    try_join_all(topology.queues.iter().map(|queue| count(channel, &queue.name))).await?;
    let _ = channel.close(200, "OK".into()).await; // nothing was to be done over it any more
    Ok(())
}

/// How many messages can be delivered from a queue; an error that ends the channel when there is no such queue.
pub(super) async fn count(channel: &Channel, queue: &str) -> Result<u64, Error> {
    let there = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(queue.into(), there, FieldTable::default()).await?.message_count().into())
}

/// Declares exchanges and queues. What is there already in another shape is an error.
pub(super) async fn declare(channel: &Channel, topology: &Topology) -> Result<(), Error> {
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    try_join_all(topology.exchanges.iter().map(|exchange| {
        channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, durable, FieldTable::default())
    }))
    .await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    try_join_all(
        topology.queues.iter().map(|queue| channel.queue_declare(queue.name.as_str().into(), durable, queue.table())),
    )
    .await?;
    let _ = channel.close(200, "OK".into()).await; // nothing was to be done over it any more
    Ok(())
}

/// Makes all bindings; what is there stays. The broker does not say which are there, so they are made whenever it is connected to, and when
/// a message came back.
async fn bind(channel: &Channel, topology: &Topology) -> Result<(), Error> {
    try_join_all(topology.bindings.iter().map(|binding| {
        let (queue, exchange, key) = (binding.queue.as_str(), binding.exchange.as_str(), binding.key.as_str());
        channel.queue_bind(
            queue.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
    }))
    .await?;
    let _ = channel.close(200, "OK".into()).await; // nothing was to be done over it any more
    Ok(())
}
