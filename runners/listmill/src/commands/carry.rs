//! `listmill queue move`: what is left of a queue goes from the backend that had it to the one that has it now.
//!
//! An entry is written there before it is released here, under its own id: a crash in between leaves it in both, and whoever carries it
//! out knows it again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use listmill_queue::{DiskQueues, QueueBackend, State};
use listmill_queue_format::{Queue, decode};
use listmill_runner::config::{QueueBackendKind, Site};

use crate::backends::{self, Stay};
use crate::cli::MoveFrom;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How long the old backend may take to hand out the next entry. A broker needs a moment.
const WAIT: Duration = Duration::from_secs(3);
/// Deferred entries that are carried at a time.
const PAGE: usize = 100;

pub(crate) fn run(site: &Site, queue: Queue, from: &MoveFrom, target: &dyn QueueBackend) -> Outcome {
    let sources = sources(site, queue, from)?;
    for source in &sources {
        if source.status(queue)?.paused {
            return Err(Failure::data(format!(
                "{queue} is paused there, and gives nothing out: resume it before it is moved"
            )));
        }
    }
    let mut moved = 0;
    for source in &sources {
        moved += claimable(&**source, target, queue)? + deferred(&**source, target, queue)?;
        source.leave(queue)?;
    }
    output::line(format!("{moved} entries moved"))?;
    let mut left = 0;
    for source in &sources {
        let status = source.status(queue)?;
        left += status.depth + status.deferred;
        name_those_aside(&**source, queue)?;
    }
    match left {
        0 => Ok(()),
        left => {
            Err(Failure::try_again(format!("{left} entries are still there, in hand of a process: run this again")))
        }
    }
}

/// What was set aside is for a person to look at, where it is: a move is no second attempt. But nobody looks there any more, so it is named.
fn name_those_aside(source: &dyn QueueBackend, queue: Queue) -> Outcome {
    let mut aside = 0;
    for state in [State::Shunted, State::Corrupt] {
        let listed = source.list(queue, state, usize::MAX)?;
        aside += listed.len();
        for one in listed {
            let name = one.entry.map_or(one.name, |entry| entry.id.to_string());
            output::line(format!("{name} stays there, {state}: {}", one.why.unwrap_or_default()))?;
        }
    }
    if aside > 0 {
        output::line(format!(
            "those {aside} are reached with a site file that has {queue} where it was: `listmill -c FILE queue show`, `retry`, `remove`"
        ))?;
    }
    Ok(())
}

/// The backend that had the queue, and what this host had kept for it; it must be another than the one that has it.
fn sources(site: &Site, queue: Queue, from: &MoveFrom) -> Outcome<Vec<Arc<dyn QueueBackend>>> {
    let now = site.queue.backend(queue);
    let same =
        || Failure::usage(format!("the site file has {queue} there: change it first, then move what is left over"));
    match from {
        MoveFrom::Amqp if *now == QueueBackendKind::Amqp => Err(same()),
        MoveFrom::Amqp => {
            let mut sources: Vec<Arc<dyn QueueBackend>> = vec![backends::broker(site, Stay::Short)?];
            let unsent = site.queue.unsent();
            if unsent.join(queue.name()).is_dir() {
                sources.push(Arc::new(DiskQueues::open(&unsent)?));
            }
            Ok(sources)
        }
        MoveFrom::Disk(path) => {
            let path = path.as_deref().unwrap_or(&site.queue.spool);
            if matches!(now, QueueBackendKind::Disk(now) if is_same(now, path)) {
                return Err(same());
            }
            if !path.join(queue.name()).is_dir() {
                return Err(Failure::data(format!("{} is no spool with a queue {queue}", path.display())));
            }
            Ok(vec![Arc::new(DiskQueues::open(path)?)])
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn claimable(source: &dyn QueueBackend, target: &dyn QueueBackend, queue: Queue) -> Outcome<u64> {
    let mut moved = 0;
    while let Some(claimed) = source.claim(queue, WAIT)? {
        target.put(&[claimed.entry])?;
        source.release(claimed.claim)?;
        moved += 1;
    }
    Ok(moved)
}

/// Those that wait for a clock keep their time.
fn deferred(source: &dyn QueueBackend, target: &dyn QueueBackend, queue: Queue) -> Outcome<u64> {
    let mut moved = 0;
    loop {
        let page = source.list(queue, State::Deferred, PAGE)?;
        let before = moved;
        for id in page.iter().filter_map(|listed| Some(listed.entry.as_ref()?.id)) {
            let Some(found) = source.find(id)?.filter(|found| found.state == State::Deferred) else { continue };
            target.put(&[decode(&found.bytes).map_err(Failure::data)?])?;
            moved += u64::from(source.remove(id)?);
        }
        if page.len() < PAGE || moved == before {
            return Ok(moved);
        }
    }
}
