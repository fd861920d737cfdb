//! An entry as a message of the broker, and back.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use listmill_queue_format::{Entry, EntryId, Queue, Timestamp};
use serde_json::{Value, json};

use super::names;
use crate::{ShuntReason, clock};

/// What the body is.
const CONTENT_TYPE: &str = "application/vnd.listmill.entry";
/// When the message was written, in microseconds: the order among classes.
const AT: &str = "listmill-at";
/// Why it was set aside: the JSON that stands beside a file on the disk.
const WHY: &str = "listmill-why";
/// Headers must fit into one frame.
const LONGEST_TRACE: usize = 32 << 10;
/// RabbitMQ knows no transient messages in quorum queues, but says so only here.
const PERSISTENT: u8 = 2;

/// A message on its way to the broker.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Outgoing {
    /// `body` is the message file of the entry.
    pub(super) fn entry(entry: &Entry, body: Vec<u8>) -> Self {
        let wait = entry.not_before.and_then(time_left);
        let key = match wait {
            Some(wait) => names::wait_key(names::step(wait), entry.priority),
            None => names::new_key(entry.priority),
        };
        Outgoing {
            exchange: names::exchange(entry.queue),
            key,
            properties: properties(entry.queue, Some(entry.id)),
            body,
        }
    }

    /// The same body goes to another queue of `queue`: `key` says to which.
    pub(super) fn moved(queue: Queue, id: Option<EntryId>, key: impl Into<String>, body: Vec<u8>) -> Self {
        Outgoing { exchange: names::exchange(queue), key: key.into(), properties: properties(queue, id), body }
    }

    /// A notice for the board.
    pub(super) fn notice(body: Vec<u8>) -> Self {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(names::NOTICE.into())
            .with_headers(written_at(clock::next()));
        Outgoing { exchange: names::DIRECTORY.to_owned(), key: names::NOTICE.to_owned(), properties, body }
    }

    /// With the reason why it was set aside.
    pub(super) fn because(mut self, why: &Value) -> Self {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        headers.insert(WHY.into(), AMQPValue::LongString(why.to_string().into()));
        self.properties = self.properties.with_headers(headers);
        self
    }

    /// With the time of an earlier message, which this one replaces.
    pub(super) fn written(mut self, micros: u64) -> Self {
        self.properties = self.properties.with_headers(written_at(micros));
        self
    }
}

/// How long an entry has to wait still.
pub(super) fn time_left(due: Timestamp) -> Option<std::time::Duration> {
    let left = clock::micros(due).checked_sub(clock::now())?;
    (left > 0).then(|| std::time::Duration::from_micros(left))
}

fn properties(queue: Queue, id: Option<EntryId>) -> BasicProperties {
    let micros = clock::next();
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(CONTENT_TYPE.into())
        .with_type(queue.name().into())
        .with_timestamp(micros / 1_000_000)
        .with_headers(written_at(micros));
    match id {
        Some(id) => properties.with_message_id(id.to_string().into()),
        None => properties,
    }
}

fn written_at(micros: u64) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(AT.into(), AMQPValue::LongLongInt(i64::try_from(micros).unwrap_or(i64::MAX)));
    headers
}

/// When a message was written into its queue, in microseconds since 1970, as far as it says.
pub(super) fn micros(properties: &BasicProperties) -> Option<u64> {
    let headers = properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(AT)) {
        Some(AMQPValue::LongLongInt(micros)) => u64::try_from(*micros).ok(),
        _ => properties.timestamp().map(|seconds| seconds.saturating_mul(1_000_000)),
    }
}

/// The id that the message says it has.
pub(super) fn id(properties: &BasicProperties) -> Option<EntryId> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}

/// The reason as it travels.
pub(super) fn shunt_reason(why: &ShuntReason) -> Value {
    let mut trace = why.trace.clone();
    let end = trace.floor_char_boundary(LONGEST_TRACE);
    trace.truncate(end);
    json!({"stage": why.stage, "reason": why.reason, "trace": trace, "at": why.at})
}

/// Why a message was set aside: as its header says, or as the broker does that gave it up.
pub(super) fn why(queue: Queue, properties: &BasicProperties) -> Option<Value> {
    let headers = properties.headers().as_ref()?;
    if let Some(AMQPValue::LongString(text)) = headers.inner().get(WHY) {
        return serde_json::from_slice(text.as_bytes()).ok();
    }
    let AMQPValue::FieldArray(deaths) = headers.inner().get("x-death")? else { return None };
    let death = deaths.as_slice().iter().find_map(|death| match death {
        AMQPValue::FieldTable(death) if is_text(death, "reason", "delivery_limit") => Some(death),
        _ => None,
    })?;
    let at = match death.inner().get("time") {
        Some(AMQPValue::Timestamp(seconds)) => clock::timestamp(seconds.saturating_mul(1_000_000)),
        _ => None,
    };
    let reason = "those who claimed it died, or lost the broker, again and again (delivery limit)";
    Some(json!({"stage": queue.name(), "reason": reason, "at": at.unwrap_or(Timestamp::UNIX_EPOCH)}))
}

fn is_text(table: &FieldTable, name: &str, text: &str) -> bool {
    matches!(table.inner().get(name), Some(AMQPValue::LongString(value)) if value.as_bytes() == text.as_bytes())
}

/// The time as the header of a `put` has it, for those who look at a deferred entry.
pub(super) fn due_or_written(entry: Option<&Entry>, properties: &BasicProperties) -> Option<Timestamp> {
    let due = entry.and_then(|entry| entry.not_before);
    due.or_else(|| micros(properties).and_then(clock::timestamp))
}
