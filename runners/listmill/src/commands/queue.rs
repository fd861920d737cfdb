//! `listmill queue`: what waits where, and a hand for what was set aside.

use listmill_queue::{Found, Kind, Listed, QueueBackend, QueueStatus, State};
use listmill_queue_format::{Entry, EntryId, Queue, Timestamp, decode, decode_head};
use listmill_runner::QueueFigures;
use listmill_runner::config::Site;
use serde_json::{Value, json};

use crate::cli::{Json, QueueCommand};
use crate::commands::{carry, drain};
use crate::failure::{Failure, Outcome};
use crate::{backends, output};

pub(crate) fn run(site: &Site, command: QueueCommand) -> Outcome {
    if let QueueCommand::Drain { runner } = command {
        return drain::run(site, runner);
    }
    let queues = &*backends::queues(site)?;
    match command {
        QueueCommand::Drain { .. } => Ok(()),
        QueueCommand::Move { queue, from } => carry::run(site, queue, &from, queues),
        QueueCommand::Ls { json } => ls(site, queues, json),
        QueueCommand::Show { what, limit, json } => match (what.parse::<Queue>(), what.parse::<EntryId>()) {
            (Ok(queue), _) => entries(queues, queue, limit, json),
            (_, Ok(id)) => entry(&found(queues, id)?, json),
            (Err(_), Err(_)) => {
                Err(Failure::usage(format!("{what:?} is neither a queue nor an entry's id: see `listmill queue ls`")))
            }
        },
        QueueCommand::Cat { entry, message, recipients } => cat(&found(queues, entry)?, message, recipients),
        QueueCommand::Retry { entry } => each(&entry, |id| queues.retry(id), "is neither shunted nor deferred"),
        QueueCommand::Remove { entry } => {
            each(&entry, |id| queues.remove(id), "is not there, or a runner has it in hand")
        }
        QueueCommand::Pause { queue } => Ok(queues.set_paused(queue, true)?),
        QueueCommand::Resume { queue } => Ok(queues.set_paused(queue, false)?),
    }
}

/// Recipients that `queue show` lists before it says how to see the rest.
const SHOWN: usize = 20;

/// The figures of one queue, or why they cannot be had.
pub(crate) struct Figures {
    queue: Queue,
    backend: &'static str,
    status: Result<QueueStatus, String>,
}

/// The figures of every queue; those of a broker that cannot be reached are missing, and the others are there.
pub(crate) fn figures(site: &Site, queues: &dyn QueueBackend) -> Vec<Figures> {
    let of = &|queue| Figures {
        queue,
        backend: site.queue.backend(queue).name(),
        status: queues.status(queue).map_err(|error| error.to_string()),
    };
    // All at once: a broker that does not answer is waited for once.
    std::thread::scope(|scope| {
        let asked = Queue::ALL.map(|queue| (queue, scope.spawn(move || of(queue))));
        let figures = asked.into_iter().map(|(queue, thread)| {
            thread.join().unwrap_or_else(|_| Figures { queue, backend: "", status: Err("a software fault".to_owned()) })
        });
        figures.collect()
    })
}

impl Figures {
    /// What is known, for the watch.
    pub(crate) fn known(&self) -> QueueFigures {
        QueueFigures { queue: self.queue, status: self.status.clone() }
    }

    /// Nobody answers for this queue.
    pub(crate) fn is_missing(&self) -> bool {
        self.status.is_err()
    }

    /// One object per queue; `depth` counts what waits and what a runner has in hand.
    pub(crate) fn object(&self) -> Value {
        match &self.status {
            Ok(status) => json!({
                "queue": self.queue, "backend": self.backend, "depth": status.depth, "claimed": status.claimed,
                "oldest_s": status.oldest_s, "deferred": status.deferred, "shunted": status.shunted, "corrupt": status.corrupt,
                "paused": status.paused, "unsent": status.unsent,
            }),
            Err(reason) => json!({ "queue": self.queue, "backend": self.backend, "unreachable": reason }),
        }
    }

    /// A row of the table of queues.
    pub(crate) fn row(&self) -> Vec<String> {
        let (queue, backend) = (self.queue.to_string(), self.backend.to_owned());
        match &self.status {
            Ok(status) => {
                let mut state = if status.paused { "paused".to_owned() } else { String::new() };
                if status.unsent > 0 {
                    state = format!("{state} {} wait here for the broker", status.unsent).trim_start().to_owned();
                }
                let numbers = [status.depth, status.deferred, status.shunted, status.corrupt].map(|n| n.to_string());
                let oldest = status.oldest_s.map_or_else(|| "-".to_owned(), output::age);
                let [depth, deferred, shunted, corrupt] = numbers;
                vec![queue, backend, depth, oldest, deferred, shunted, corrupt, state]
            }
            Err(reason) => {
                let none = || "?".to_owned();
                vec![queue, backend, none(), none(), none(), none(), none(), format!("unreachable: {reason}")]
            }
        }
    }
}

/// The head of the table of queues.
pub(crate) const HEAD: &[&str] = &["QUEUE", "BACKEND", "DEPTH", "OLDEST", "DEFERRED", "SHUNTED", "CORRUPT", ""];

fn ls(site: &Site, queues: &dyn QueueBackend, json: Json) -> Outcome {
    let figures = figures(site, queues);
    if json.on {
        output::json(&figures.iter().map(Figures::object).collect::<Vec<_>>())?;
    } else {
        output::table(HEAD, &figures.iter().map(Figures::row).collect::<Vec<_>>())?;
    }
    match figures.iter().filter(|figures| figures.is_missing()).count() {
        0 => Ok(()),
        missing => Err(Failure::try_again(format!("{missing} of the queues cannot be reached: see above"))),
    }
}

fn entries(queues: &dyn QueueBackend, queue: Queue, limit: usize, json: Json) -> Outcome {
    let mut all = Vec::new();
    for state in [State::Claimed, State::New, State::Deferred, State::Shunted, State::Corrupt] {
        let page = match queues.list(queue, state, limit.saturating_sub(all.len())) {
            // A broker lets nobody look at what waits for a claim; `queue ls` has the number.
            Err(error) if matches!(error.kind(), Kind::Unsupported) => continue,
            page => page?,
        };
        all.extend(page.into_iter().map(|listed| (state, listed)));
    }
    if json.on {
        return output::json(&all.iter().map(|(state, listed)| listed_object(*state, listed)).collect::<Vec<_>>());
    }
    let rows: Vec<_> = all.iter().map(|(state, listed)| listed_row(*state, listed)).collect();
    output::table(&["ENTRY", "STATE", "ARRIVED", "LIST", "SENDER", "SIZE", "TRIES", "WHY"], &rows)
}

fn listed_object(state: State, listed: &Listed) -> Value {
    let entry = listed.entry.as_deref();
    json!({
        "entry": entry.map(|entry| entry.id), "state": state, "name": listed.name, "bytes": listed.bytes, "at": listed.at,
        "list": entry.and_then(|entry| entry.list.as_deref()), "sender": entry.map(|entry| &entry.envelope.sender),
        "arrived": entry.map(|entry| entry.arrived), "attempts": entry.map(|entry| entry.attempts),
        "not_before": entry.and_then(|entry| entry.not_before), "why": why(listed),
    })
}

fn listed_row(state: State, listed: &Listed) -> Vec<String> {
    let of = |value: fn(&Entry) -> String| listed.entry.as_deref().map_or_else(|| "-".to_owned(), value);
    let id = listed.entry.as_deref().map_or_else(|| listed.name.clone(), |entry| entry.id.to_string());
    vec![
        id,
        state.to_string(),
        of(|entry| seconds(entry.arrived)),
        of(|entry| entry.list.clone().unwrap_or_default()),
        of(|entry| format!("<{}>", entry.envelope.sender)),
        output::octets(listed.bytes),
        of(|entry| entry.attempts.to_string()),
        why(listed).unwrap_or_default(),
    ]
}

/// Why it was set aside or put off; else what brought it here.
fn why(listed: &Listed) -> Option<String> {
    let hop = listed.entry.as_deref().and_then(|entry| entry.trace.last());
    listed.why.clone().or_else(|| hop.map(|hop| hop.reason.clone()))
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn found(queues: &dyn QueueBackend, id: EntryId) -> Outcome<Found> {
    queues
        .find(id)?
        .ok_or_else(|| Failure::data(format!("no queue holds the entry {id}: it may have gone on meanwhile")))
}

fn entry(found: &Found, json: Json) -> Outcome {
    // A corrupt file may still have a first line.
    let entry = decode(&found.bytes).or_else(|_| decode_head(&found.bytes)).map_err(Failure::data)?;
    if json.on {
        return output::json(&json!({
            "entry": entry.id, "queue": found.queue, "state": found.state, "list": entry.list, "arrived": entry.arrived,
            "attempts": entry.attempts, "not_before": entry.not_before, "envelope": entry.envelope, "facts": entry.facts,
            "trace": entry.trace, "why": found.why, "recipients": entry.recipients,
        }));
    }
    output::line(format!("{} is {} in {}", entry.id, found.state, found.queue))?;
    output::line(format!("arrived {} for {}", seconds(entry.arrived), entry.envelope.recipients.join(", ")))?;
    output::line(format!(
        "envelope sender <{}>, list {}",
        entry.envelope.sender,
        entry.list.as_deref().unwrap_or("-")
    ))?;
    for hop in &entry.trace {
        output::line(format!(
            "  {} {} on {}: {} {}",
            seconds(hop.at),
            hop.runner,
            hop.host,
            hop.disposition,
            output::printable(&hop.reason)
        ))?;
    }
    if let Some(at) = entry.not_before {
        output::line(format!("next attempt (number {}) at {}", entry.attempts + 1, seconds(at)))?;
    }
    recipients(&entry)?;
    if let Some(why) = &found.why {
        output::line(format!("set aside by {} at {}: {}", why.stage, seconds(why.at), output::printable(&why.reason)))?;
        output::line(&why.trace)?;
    }
    Ok(())
}

/// The distribution list, and what the next host said last.
fn recipients(entry: &Entry) -> Outcome {
    if entry.recipients.is_empty() {
        return Ok(());
    }
    output::line(output::number(entry.recipients.len(), "recipient", "recipients"))?;
    for recipient in entry.recipients.iter().take(SHOWN) {
        let said = recipient.outcome.as_ref().map_or_else(String::new, |last| {
            format!(": {} {} {}", last.code, last.status, output::printable(&last.text))
        });
        output::line(format!("  <{}>{said}", output::printable(&recipient.address)))?;
    }
    if entry.recipients.len() > SHOWN {
        output::line(format!("  ... all of them: `listmill queue cat {} --recipients`", entry.id))?;
    }
    Ok(())
}

fn cat(found: &Found, message: bool, recipients: bool) -> Outcome {
    if recipients {
        let entry = decode(&found.bytes).map_err(Failure::data)?;
        return entry
            .recipients
            .iter()
            .try_for_each(|recipient| output::line(serde_json::to_string(recipient).map_err(Failure::data)?));
    }
    if message {
        return output::bytes(&decode(&found.bytes).map_err(Failure::data)?.message);
    }
    let end = found.bytes.iter().position(|byte| *byte == b'\n').map_or(found.bytes.len(), |at| at + 1);
    output::bytes(&found.bytes[..end])
}

fn each(ids: &[EntryId], act: impl Fn(EntryId) -> Result<bool, listmill_queue::QueueError>, refusal: &str) -> Outcome {
    ids.iter()
        .try_for_each(|id| if act(*id)? { Ok(()) } else { Err(Failure::data(format!("the entry {id} {refusal}"))) })
}
