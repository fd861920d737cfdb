//! The notice board at the broker: a stream, of which the last message is read without being taken.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use futures_util::stream::StreamExt as _;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::time::{Instant, timeout_at};

use super::declare::count;
use super::fault::Fault;
use super::link::Session;
use super::message::Outgoing;
use super::names::{DIRECTORY, NOTICE};
use super::queues::AmqpQueues;
use crate::{Board, QueueError};

/// A stream hands out its last chunk, which may hold more notices than one.
const PREFETCH: u16 = 100;

impl Board for AmqpQueues {
    fn post(&self, notice: &[u8]) -> Result<(), QueueError> {
        let notice = Outgoing {
            exchange: DIRECTORY.to_owned(),
            key: NOTICE.to_owned(),
            properties: BasicProperties::default().with_delivery_mode(2).with_message_id("notice".into()),
            body: notice.to_vec(),
        };
        self.publish(vec![notice]).map_err(|fault| fault.at("post to", DIRECTORY))
    }

    fn newest(&self, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, QueueError> {
        self.for_long(wait, move |session| newest(session, seen, wait)).map_err(|fault| fault.at("read", DIRECTORY))
    }
}

async fn newest(session: Arc<Session>, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    let until = Instant::now() + wait;
    let channel = session.channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let mut from = FieldTable::default();
    from.insert("x-stream-offset".into(), AMQPValue::LongString("last".into()));
    let options = BasicConsumeOptions::default();
    let mut notices = channel.basic_consume(DIRECTORY.into(), "".into(), options, from).await?;
    let mut newest: Option<(u64, Vec<u8>)> = None;
    // What the stream has is under way; behind the answers to these questions it is here.
    count(&channel, DIRECTORY).await?;
    count(&channel, DIRECTORY).await?;
    loop {
        while let Some(Some(notice)) = notices.next().now_or_never() {
            newest = Some(read(notice?).await?);
        }
        if newest.as_ref().is_some_and(|(mark, _)| Some(*mark) != seen) {
            return Ok(newest);
        }
        match timeout_at(until, notices.next()).await {
            Ok(Some(notice)) => newest = Some(read(notice?).await?),
            Ok(None) => return Err(Fault::Away("the notice board is gone".to_owned())),
            Err(_) => return Ok(None),
        }
    }
}

/// A notice and its mark: what it says and where it stands, so that one that is posted again counts as another.
async fn read(notice: Delivery) -> Result<(u64, Vec<u8>), Fault> {
    notice.acker.ack(BasicAckOptions::default()).await?;
    let headers = notice.properties.headers().as_ref();
    let offset = match headers.and_then(|headers| headers.inner().get("x-stream-offset")) {
        Some(AMQPValue::LongLongInt(offset)) => *offset,
        _ => 0,
    };
    let mut mark = DefaultHasher::new();
    (offset, &notice.data).hash(&mut mark);
    Ok((mark.finish(), notice.data))
}
