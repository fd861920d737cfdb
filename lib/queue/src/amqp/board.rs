//! The notice board at the broker: a short queue of which the newest message counts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use tokio::time::Instant;

use super::fault::Fault;
use super::link::Session;
use super::message::{self, Outgoing};
use super::names::DIRECTORY;
use super::queues::AmqpQueues;
use crate::{Board, QueueError};

/// How often a reader that waits looks for another notice.
const LOOK: Duration = Duration::from_secs(1);
/// Another reader may have it in hand: so often it is looked again before that is taken for an empty board, and after so long.
const IN_HAND: (u32, Duration) = (10, Duration::from_millis(20));

impl Board for AmqpQueues {
    fn post(&self, notice: &[u8]) -> Result<(), QueueError> {
        self.publish(vec![Outgoing::notice(notice.to_vec())]).map_err(|fault| fault.at("post to", DIRECTORY))
    }

    fn newest(&self, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, QueueError> {
        self.for_long(wait, move |session| newest(session, seen, wait)).map_err(|fault| fault.at("read", DIRECTORY))
    }
}

async fn newest(session: Arc<Session>, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, Fault> {
    let until = Instant::now() + wait;
    let channel = session.channel().await?;
    let mut looked = 0;
    loop {
        let newest = take_newest(&channel).await?;
        let there = newest.is_some();
        if let Some(notice) = newest {
            let mark = mark(&notice);
            notice.acker.nack(BasicNackOptions { multiple: false, requeue: true }).await?;
            if Some(mark) != seen {
                return Ok(Some((mark, notice.data)));
            }
        }
        looked += 1;
        if !there && looked < IN_HAND.0 {
            tokio::time::sleep(IN_HAND.1).await;
        } else if Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
        } else {
            return Ok(None);
        }
    }
}

/// Takes the newest notice in hand and clears the others away.
async fn take_newest(channel: &Channel) -> Result<Option<Delivery>, Fault> {
    let mut newest: Option<Delivery> = None;
    while let Some(got) = channel.basic_get(DIRECTORY.into(), BasicGetOptions::default()).await? {
        let last = got.message_count == 0;
        let (older, newer) = match newest.take() {
            Some(other) if posted(&other) > posted(&got.delivery) => (Some(got.delivery), other),
            other => (other, got.delivery),
        };
        if let Some(older) = older {
            older.acker.ack(BasicAckOptions::default()).await?;
        }
        newest = Some(newer);
        if last {
            break;
        }
    }
    Ok(newest)
}

fn posted(notice: &Delivery) -> Option<u64> {
    message::micros(&notice.properties)
}

/// What it says and when it was posted, so that one that is posted again counts as another.
fn mark(notice: &Delivery) -> u64 {
    let mut mark = DefaultHasher::new();
    (posted(notice), &notice.data).hash(&mut mark);
    mark.finish()
}
