//! One task publishes for all threads: messages of many callers share the wait for the broker's disk.

use std::time::Duration;

use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, Error};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::declare;
use super::fault::Fault;
use super::message::Outgoing;

/// Before what is missing is declared again. A broker that deletes a queue lets those who consumed from it consume from the one that has its name by
/// then, if there is one already, and what that one brings them gets lost on its way (RabbitMQ 3.10). When there is none it tells them.
const PAUSE: Duration = Duration::from_secs(1);

/// A message that somebody waits for.
pub(super) struct Job {
    pub(super) message: Outgoing,
    /// Dropped unanswered when the connection is lost.
    pub(super) done: oneshot::Sender<Result<(), Fault>>,
    /// Its share of the memory for messages on their way; given back when the broker has answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// What the broker said to a message.
struct Answer {
    /// What tells messages apart: where it was to go, and its id.
    mark: Mark,
    said: Result<Confirmation, Error>,
    done: oneshot::Sender<Result<(), Fault>>,
}

type Mark = (String, String, Option<String>);

/// Publishes until `jobs` ends or the connection does; says why. What fails with a channel, because a queue is missing or this user may not write
/// there, is told to those who wait, and the next channel goes on: nobody's claims may suffer from it.
pub(super) async fn keep_publishing(connection: &Connection, mut jobs: mpsc::UnboundedReceiver<Job>) -> Fault {
    loop {
        let fault = match open(connection).await {
            Ok(channel) => publish(channel, &mut jobs).await,
            Err(error) => Fault::from(error),
        };
        if jobs.is_closed() || !connection.status().connected() {
            return fault;
        }
        if matches!(fault, Fault::Unroutable(_)) {
            tokio::time::sleep(PAUSE).await;
        }
        if let Err(error) = declare::ensure(connection).await {
            return Fault::from(error);
        }
    }
}

async fn open(connection: &Connection) -> Result<Channel, Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn publish(channel: Channel, jobs: &mut mpsc::UnboundedReceiver<Job>) -> Fault {
    let mut answers = FuturesUnordered::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => answers.push(send(&channel, job)),
                None => return Fault::Away("this process lets go of it".to_owned()),
            },
            Some(answer) = answers.next() => {
                // A returned message comes with the confirm of some message that was published before it, not with its own. That
                // one is answered no later than it: so all that are answered by now are looked at together.
                let mut batch = vec![answer];
                while let Some(Some(answer)) = answers.next().now_or_never() {
                    batch.push(answer);
                }
                if let Err(fault) = settle(batch) {
                    return fault;
                }
            }
        }
    }
}

async fn send(channel: &Channel, job: Job) -> Answer {
    let Job { message: Outgoing { exchange, key, properties, body }, done, room } = job;
    let id = properties.message_id().as_ref().map(|id| id.as_str().to_owned());
    let mandatory = BasicPublishOptions { mandatory: true, immediate: false };
    let (to, with) = (exchange.as_str().into(), key.as_str().into());
    let said = match channel.basic_publish(to, with, mandatory, &body, properties).await {
        Ok(confirm) => {
            drop(body);
            confirm.await
        }
        Err(error) => Err(error),
    };
    drop(room);
    Answer { mark: (exchange, key, id), said, done }
}

/// Tells those who wait. An error when the channel is no more.
fn settle(batch: Vec<Answer>) -> Result<(), Fault> {
    let mut end = Ok(());
    let mut returned: Vec<Mark> = Vec::new();
    let mut answers = Vec::with_capacity(batch.len());
    for Answer { mark, said, done } in batch {
        let said = match said {
            Ok(confirmation) => {
                let stored = confirmation.is_ack();
                returned.extend(confirmation.take_message().map(|back| {
                    let id = back.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
                    (back.delivery.exchange.as_str().to_owned(), back.delivery.routing_key.as_str().to_owned(), id)
                }));
                if stored { Ok(()) } else { Err(Fault::Away("it did not store the message".to_owned())) }
            }
            Err(error) => {
                end = Err(Fault::from(error.clone()));
                Err(Fault::from(error))
            }
        };
        answers.push((mark, said, done));
    }
    for (mark, said, done) in answers {
        let lost = returned.contains(&mark);
        if lost {
            tracing::error!(
                "the broker has no queue for what is published to {} with {}: nothing of it was stored",
                mark.0,
                mark.1
            );
        }
        let said = if lost { Err(Fault::Unroutable(format!("exchange {}, key {}", mark.0, mark.1))) } else { said };
        let _ = done.send(said); // nobody waits any more
    }
    if end.is_ok() && !returned.is_empty() {
        return Err(Fault::Unroutable("a queue is missing, so everything is looked at and declared again".to_owned()));
    }
    end
}
