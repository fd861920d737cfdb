//! The clock: tells the command stage and the bounce stage of the time, because a stage has none.
//!
//! A stroke is an entry in the queue of its stage, with no message and an id that derives from its moment: whichever process rings it, and
//! however often, a stroke that changed something is carried out once.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use listmill_core::CLOCK;
use listmill_queue_format::{Entry, EntryId, Envelope, Priority, Queue, Subaddress, Timestamp};

use crate::{Shell, Stop};

/// When the clock rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How often `tick` rings.
    pub every: Duration,
    /// When `day` rings (UTC).
    pub summary_at: Time,
}

impl Clock {
    /// The strokes that are due at `now` in this queue: the tick of this interval, and the day's once its time has come.
    fn due(&self, queue: Queue, now: Timestamp) -> Vec<Entry> {
        let every = i64::try_from(self.every.as_secs()).unwrap_or(i64::MAX).max(1);
        let seconds = now.as_second();
        let tick = Timestamp::from_second(seconds - seconds.rem_euclid(every)).unwrap_or(now);
        let day = now.to_zoned(TimeZone::UTC).date().to_datetime(self.summary_at).to_zoned(TimeZone::UTC);
        let day = day.map(|zoned| zoned.timestamp()).ok().filter(|day| *day <= now);
        std::iter::once(stroke(queue, "tick", tick, now)).chain(day.map(|day| stroke(queue, "day", day, now))).collect()
    }
}

/// One stroke. Its id says which one it is; it is dated `now`.
fn stroke(queue: Queue, what: &str, moment: Timestamp, now: Timestamp) -> Entry {
    let id = EntryId::fresh(moment, *b"the clock:").derive(queue.name(), 0).derive(what, 0);
    let mut entry = Entry::arrived(id, now, Envelope::default(), Arc::from(&b""[..]));
    entry.queue = queue;
    // Nobody waits for it; it must not stand in front of what people do.
    entry.priority = Priority::Low;
    entry.facts.subaddress =
        Some(Subaddress { word: CLOCK.to_owned(), detail: what.to_owned(), other: Default::default() });
    entry
}

/// The queues whose stages are told of the time.
pub const TOLD_OF_THE_TIME: [Queue; 2] = [Queue::Command, Queue::Bounce];

/// Rings in this queue until `stop` is thrown.
///
/// # Errors
/// The system gives no thread.
pub fn keep_time(clock: Clock, queue: Queue, shell: &Shell, stop: &Stop) -> std::io::Result<JoinHandle<()>> {
    let (shell, stop) = (shell.clone(), stop.clone());
    std::thread::Builder::new().name("clock".to_owned()).spawn(move || {
        let mut rung: Vec<EntryId> = Vec::new();
        loop {
            let due = clock.due(queue, Timestamp::now());
            let new: Vec<_> = due.iter().filter(|entry| !rung.contains(&entry.id)).cloned().collect();
            match shell.queues.put(&new) {
                Ok(()) => rung = due.iter().map(|entry| entry.id).collect(),
                Err(error) => tracing::warn!("the clock could not ring: {error}"),
            }
            if stop.wait(clock.every) {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stroke_is_one_however_often_it_rings() {
        let clock = Clock { every: Duration::from_secs(300), summary_at: "06:00".parse().unwrap() };
        let at = |time: &str| clock.due(Queue::Command, format!("2026-11-22T{time}Z").parse().unwrap());
        let what = |entries: &[Entry]| {
            entries.iter().map(|entry| entry.facts.subaddress.as_ref().unwrap().detail.clone()).collect::<Vec<_>>()
        };
        assert_eq!(what(&at("05:59:59")), ["tick"]);
        assert_eq!(what(&at("06:00:00")), ["tick", "day"]);
        assert_eq!(at("06:00:01")[0].id, at("06:04:59")[0].id);
        assert_ne!(at("06:00:01")[0].id, at("06:05:00")[0].id);
        assert_eq!(at("06:00:01")[1].id, at("23:59:59")[1].id);
        assert_ne!(at("06:00:01")[0].id, at("06:00:01")[1].id);
        let bounce = clock.due(Queue::Bounce, "2026-11-22T06:00:01Z".parse().unwrap());
        assert_eq!((bounce[0].queue, bounce.len()), (Queue::Bounce, 2));
        assert_ne!(bounce[0].id, at("06:00:01")[0].id, "each queue has its own");
    }
}
