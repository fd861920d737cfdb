//! What an operator sees and does: figures, and the entries that were set aside or wait for a clock.
//!
//! A broker shows a message only by handing it over. From the shunt, corrupt and wait queues, which nobody consumes from, messages are taken
//! and given back in their order. Not from the others: what is given back there counts as having failed, and stands in the way meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueuePurgeOptions};
use listmill_queue_format::{Entry, EntryId, Queue, Timestamp, decode, decode_head, encode};
use serde_json::Value;

use super::declare::count;
use super::fault::Fault;
use super::link::Session;
use super::message::{self, Outgoing};
use super::names;
use super::queues::AmqpQueues;
use crate::{Found, Listed, QueueError, QueueStatus, ShuntReason, State, clock};

/// How often, and how long after each other, it is looked whether what was given back is there.
const GIVING_BACK: u32 = 40;
const MOMENT: Duration = Duration::from_millis(25);

/// What to do with a message that is looked at.
enum Look<T> {
    /// It goes back; on to the next.
    On,
    /// It goes back, and this is the end.
    Enough,
    /// It is the one that was looked for.
    Take(T),
}

/// The broker's queues in which entries of a state lie, and that can be looked into.
fn places(queue: Queue, state: State) -> Option<Vec<String>> {
    match state {
        State::Deferred => Some(names::STEPS.iter().map(|step| names::wait_queue(queue, *step)).collect()),
        State::Shunted => Some(vec![names::shunt_queue(queue)]),
        State::Corrupt => Some(vec![names::corrupt_queue(queue)]),
        State::New | State::Claimed => None,
    }
}

/// Looks at one message after the other until `look` has enough; those that are not taken go back. The one that is taken is still
/// unacknowledged, and its channel is returned with it.
async fn browse<T>(
    session: &Session,
    name: &str,
    mut look: impl FnMut(&Delivery) -> Look<T>,
) -> Result<Option<(T, Delivery, Channel)>, Fault> {
    let channel = session.channel().await?;
    let (mut seen, mut last) = (0, None);
    let mut taken = None;
    for _ in 0..count(&channel, name).await? {
        let Some(got) = channel.basic_get(name.into(), BasicGetOptions::default()).await? else { break };
        let tag = got.delivery.delivery_tag;
        match look(&got.delivery) {
            Look::Take(value) => {
                taken = Some((value, got.delivery));
                break;
            }
            Look::On => (seen, last) = (seen + 1, Some(tag)),
            Look::Enough => {
                (seen, last) = (seen + 1, Some(tag));
                break;
            }
        }
    }
    if let Some(tag) = last {
        give_back(&channel, name, tag, seen).await?;
    }
    Ok(taken.map(|(value, delivery)| (value, delivery, channel)))
}

/// Gives back the `seen` messages up to this one, and waits until they can be seen again: nobody answers to it, and who looks next
/// must not miss them.
async fn give_back(channel: &Channel, name: &str, tag: u64, seen: u64) -> Result<(), Fault> {
    channel.basic_nack(tag, BasicNackOptions { multiple: true, requeue: true }).await?;
    for _ in 0..GIVING_BACK {
        if count(channel, name).await? >= seen {
            break;
        }
        tokio::time::sleep(MOMENT).await;
    }
    Ok(())
}

/// The entries of a queue in one state.
pub(super) async fn list(session: &Session, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, Fault> {
    let mut all = Vec::new();
    let Some(places) = places(queue, state) else { return Err(Fault::Unsupported) };
    for name in places {
        let mut some = Vec::new();
        let look = |delivery: &Delivery| -> Look<()> {
            if some.len() >= limit {
                return Look::Enough;
            }
            some.push(listed(queue, delivery));
            if some.len() >= limit { Look::Enough } else { Look::On }
        };
        if limit > 0 {
            browse(session, &name, look).await?;
        }
        all.append(&mut some);
    }
    if state == State::Deferred {
        all.sort_by_key(|listed| listed.at);
    }
    all.truncate(limit);
    Ok(all)
}

fn listed(queue: Queue, delivery: &Delivery) -> Listed {
    let entry = decode_head(&delivery.data).ok();
    let why = message::why(queue, &delivery.properties);
    let name = delivery.properties.message_id().as_ref().map_or("-", |id| id.as_str());
    Listed {
        name: name.escape_default().to_string(),
        bytes: delivery.data.len() as u64,
        at: message::due_or_written(entry.as_ref(), &delivery.properties),
        why: why.as_ref().and_then(|why| why["reason"].as_str()).map(str::to_owned),
        entry: entry.map(Box::new),
    }
}

/// Whose message it is.
fn is_of(delivery: &Delivery, id: EntryId) -> bool {
    match decode_head(&delivery.data) {
        Ok(entry) => entry.id == id,
        Err(_) => message::id(&delivery.properties) == Some(id),
    }
}

/// An entry that was sought: its queue and state, the broker's queue, the message, still unacknowledged, and its channel.
type Sought = (Queue, State, String, Delivery, Channel);

/// An entry in a state that can be looked into.
async fn seek(session: &Session, id: EntryId, states: &[State]) -> Result<Option<Sought>, Fault> {
    for queue in Queue::ALL {
        for state in states {
            for name in places(queue, *state).unwrap_or_default() {
                let look = |delivery: &Delivery| if is_of(delivery, id) { Look::Take(()) } else { Look::On };
                if let Some(((), delivery, channel)) = browse(session, &name, look).await? {
                    return Ok(Some((queue, *state, name, delivery, channel)));
                }
            }
        }
    }
    Ok(None)
}

async fn find(session: &Session, id: EntryId) -> Result<Option<Found>, Fault> {
    let states = [State::Shunted, State::Deferred, State::Corrupt];
    let Some((queue, state, name, delivery, channel)) = seek(session, id, &states).await? else { return Ok(None) };
    give_back(&channel, &name, delivery.delivery_tag, 1).await?;
    let why = message::why(queue, &delivery.properties).filter(|_| state == State::Shunted).and_then(reason);
    Ok(Some(Found { queue, state, bytes: delivery.data, why }))
}

fn reason(why: Value) -> Option<ShuntReason> {
    serde_json::from_value(why).ok()
}

/// Makes a shunted or deferred entry claimable.
pub(super) async fn retry(session: &Session, id: EntryId) -> Result<bool, Fault> {
    let Some((_, _, _, delivery, _channel)) = seek(session, id, &[State::Shunted, State::Deferred]).await? else {
        return Ok(false);
    };
    let unreadable = |why: String| Fault::Away(format!("the entry cannot be written again: {why}"));
    let entry = decode(&delivery.data).map_err(|error| unreadable(error.to_string()))?;
    let entry = Entry { not_before: None, ..entry };
    let body = encode(&entry).map_err(|error| unreadable(error.to_string()))?;
    session.publish(vec![Outgoing::entry(&entry, body)]).await?;
    Ok(delivery.acker.ack(BasicAckOptions::default()).await?)
}

async fn remove(session: &Session, id: EntryId) -> Result<bool, Fault> {
    let states = [State::Shunted, State::Deferred, State::Corrupt];
    let Some((_, _, _, delivery, _channel)) = seek(session, id, &states).await? else { return Ok(false) };
    Ok(delivery.acker.ack(BasicAckOptions::default()).await?)
}

/// Puts the mark up by which all processes know that a queue is paused, or takes it down.
pub(super) async fn mark(session: &Session, queue: Queue, paused: bool) -> Result<(), Fault> {
    if paused {
        let body = Timestamp::now().to_string().into_bytes();
        return session.publish(vec![Outgoing::moved(queue, None, "paused", body)]).await;
    }
    let channel = session.channel().await?;
    channel.queue_purge(names::paused_queue(queue).into(), QueuePurgeOptions::default()).await?;
    Ok(())
}

/// How much of a queue is where, as the broker says.
struct Depths {
    new: u64,
    deferred: u64,
    shunted: u64,
    corrupt: u64,
    paused: bool,
}

async fn depths(session: &Session, queue: Queue) -> Result<Depths, Fault> {
    let channel = &session.channel().await?;
    let sum = |names: Vec<String>| async move {
        let counts = try_join_all(names.iter().map(|name| count(channel, name))).await?;
        Ok::<u64, Fault>(counts.into_iter().sum())
    };
    let of = |state| sum(places(queue, state).unwrap_or_default());
    Ok(Depths {
        new: sum(names::CLASSES.map(|class| names::class_queue(queue, class)).into()).await?,
        deferred: of(State::Deferred).await?,
        shunted: of(State::Shunted).await?,
        corrupt: of(State::Corrupt).await?,
        paused: sum(vec![names::paused_queue(queue)]).await? > 0,
    })
}

impl AmqpQueues {
    /// What this process holds is counted; what others hold a broker does not tell.
    pub(super) fn figures(&self, queue: Queue) -> Result<QueueStatus, QueueError> {
        let depths = self.with_session(move |session| async move { depths(&session, queue).await });
        let depths = depths.map_err(|fault| fault.at("count the entries of", names::exchange(queue)))?;
        let here = self.line(queue).count();
        Ok(QueueStatus {
            queue,
            depth: depths.new + here.held + here.in_hand,
            claimed: here.in_hand,
            deferred: depths.deferred,
            shunted: depths.shunted,
            corrupt: depths.corrupt,
            oldest_s: here.oldest.map(|oldest| clock::now().saturating_sub(oldest) / 1_000_000),
            unsent: 0,
            paused: depths.paused,
        })
    }

    pub(super) fn search(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        for queue in Queue::ALL {
            if let Some(entry) = self.line(queue).look(id) {
                let bytes = encode(&entry).map_err(|error| QueueError::new("encode", id, error))?;
                return Ok(Some(Found { queue, state: State::New, bytes, why: None }));
            }
        }
        let found = self.with_session(move |session| async move {
            match find(&session, id).await? {
                None if may_hide(&session).await? => Err(Fault::Unsupported),
                found => Ok(found),
            }
        });
        found.map_err(|fault| fault.at("find", id))
    }

    pub(super) fn destroy(&self, id: EntryId) -> Result<bool, QueueError> {
        for queue in Queue::ALL {
            if let Some((_, held)) = self.line(queue).take_out(Some(id)).pop() {
                let acked = self.with_session(|_| async move { Ok(held.acker.ack(BasicAckOptions::default()).await?) });
                return acked.map_err(|fault| fault.at("remove", id));
            }
        }
        let in_hand = Queue::ALL.into_iter().any(|queue| self.line(queue).is_in_hand(id));
        let removed = self.with_session(move |session| async move {
            match remove(&session, id).await? {
                false if !in_hand && may_hide(&session).await? => Err(Fault::Unsupported),
                removed => Ok(removed),
            }
        });
        removed.map_err(|fault| fault.at("remove", id))
    }
}

/// Whether there are entries into which nobody can look.
async fn may_hide(session: &Arc<Session>) -> Result<bool, Fault> {
    let channel = &session.channel().await?;
    let all = Queue::ALL.into_iter().flat_map(|queue| names::CLASSES.map(|class| names::class_queue(queue, class)));
    let counts = try_join_all(all.map(|name| async move { count(channel, &name).await })).await?;
    Ok(counts.into_iter().any(|count| count > 0))
}
