//! The notice board at the broker: a queue that keeps one message, the last.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicGetOptions, BasicNackOptions};
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
        let got = channel.basic_get(DIRECTORY.into(), BasicGetOptions::default()).await?;
        let there = got.is_some();
        if let Some(got) = got {
            let mark = mark(&got.delivery);
            got.delivery.acker.nack(BasicNackOptions { multiple: false, requeue: true }).await?;
            if Some(mark) != seen {
                return Ok(Some((mark, got.delivery.data)));
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

/// What it says and when it was posted, so that one that is posted again counts as another.
fn mark(notice: &Delivery) -> u64 {
    let mut mark = DefaultHasher::new();
    (message::micros(&notice.properties), &notice.data).hash(&mut mark);
    mark.finish()
}
