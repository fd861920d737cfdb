//! What arrives from the broker: entries to hand out, and what must go elsewhere first.

use std::sync::Arc;
use std::time::Duration;

use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use listmill_queue_format::{DecodeError, Entry, Priority, Queue, Timestamp, decode};
use serde_json::json;

use super::link::Session;
use super::message::{self, Outgoing};
use super::names;

/// How long an entry waits that only a newer version can read. It must not come round at once, and not be lost.
const NEWER: u64 = 120;
/// Between two attempts to move something on.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be done with a message.
pub(super) enum Sorted {
    /// It can be claimed.
    Entry(Box<Entry>),
    /// It goes elsewhere.
    Elsewhere(Box<Outgoing>),
}

/// Looks at a message that came from `queue`.
pub(super) fn sort(queue: Queue, delivery: &mut Delivery) -> Sorted {
    let body = std::mem::take(&mut delivery.data);
    let id = message::id(&delivery.properties);
    match decode(&body) {
        Ok(entry) if entry.queue != queue => {
            corrupt(queue, delivery, body, &format!("it says that it belongs to {}", entry.queue))
        }
        Ok(entry) if !entry.format.is_writable() => newer(queue, delivery, body, &entry.format.to_string()),
        Ok(entry) => match entry.not_before.and_then(message::time_left) {
            Some(left) => {
                let key = names::wait_key(names::step(left), entry.priority);
                Sorted::Elsewhere(Box::new(Outgoing::moved(queue, id, key, body)))
            }
            None => Sorted::Entry(Box::new(entry)),
        },
        Err(DecodeError::NewerMajor(version)) => newer(queue, delivery, body, &version.to_string()),
        Err(error) => corrupt(queue, delivery, body, &format!("{}: {error}", error.word())),
    }
}

fn newer(queue: Queue, delivery: &Delivery, body: Vec<u8>, version: &str) -> Sorted {
    tracing::warn!(%queue, "an entry in format {version} waits for a newer version of listmill");
    let key = names::wait_key(NEWER, Priority::Normal);
    Sorted::Elsewhere(Box::new(Outgoing::moved(queue, message::id(&delivery.properties), key, body)))
}

fn corrupt(queue: Queue, delivery: &Delivery, body: Vec<u8>, reason: &str) -> Sorted {
    tracing::error!(%queue, "a message is no entry and is set aside: {reason}");
    let name = delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
    let why = json!({"name": name, "from": delivery.routing_key.as_str(), "reason": reason, "at": Timestamp::now()});
    let moved = Outgoing::moved(queue, message::id(&delivery.properties), "corrupt", body).because(&why);
    Sorted::Elsewhere(Box::new(moved))
}

/// Publishes it where it belongs and acknowledges it here; tries again for as long as the session lasts, after which it comes again.
pub(super) async fn move_on(session: Arc<Session>, message: Outgoing, acker: Acker) {
    while let Err(fault) = session.publish(vec![message.clone()]).await {
        if acker.poisoned() {
            return;
        }
        tracing::warn!("an entry cannot be moved with {}: {fault}", message.key);
        tokio::time::sleep(AGAIN).await;
    }
    let _ = acker.ack(BasicAckOptions::default()).await; // if the connection is lost it comes again
}
