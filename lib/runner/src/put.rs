//! Putting what leaves several entries, or several messages at the door, with one wait for the disk.

use std::time::{Duration, Instant};

use listmill_queue::{QueueBackend, QueueError};
use listmill_queue_format::Entry;

/// Who has made one of a batch wait for so long, in vain, is not asked again for the others.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Why something was not put.
#[derive(Debug)]
pub(crate) enum Unput {
    /// The queues said so.
    Failed(QueueError),
    /// They said this to another, after a long wait, and were not asked again.
    Unasked(String),
}

/// Puts what leaves each; where that fails for all together, each one's for itself, so that one that cannot be written stands in nobody's way.
/// What came of it for each, in their order.
pub(crate) fn put_each(queues: &dyn QueueBackend, leaving: impl Iterator<Item = Vec<Entry>>) -> Vec<Result<(), Unput>> {
    let (mut all, mut ends) = (Vec::new(), Vec::new());
    for own in leaving {
        all.extend(own);
        ends.push(all.len());
    }
    let mut together = if all.is_empty() { Ok(()) } else { queues.put(&all) };
    let (mut from, mut away) = (0, None);
    let put = ends.into_iter().map(|end| {
        let own = &all[std::mem::replace(&mut from, end)..end];
        if own.is_empty() || together.is_ok() {
            return Ok(());
        }
        if own.len() == all.len() {
            return std::mem::replace(&mut together, Ok(())).map_err(Unput::Failed);
        }
        if let Some(reason) = &away {
            return Err(Unput::Unasked(String::clone(reason)));
        }
        let asked = Instant::now();
        queues.put(own).map_err(|error| {
            if asked.elapsed() > PATIENCE {
                away = Some(error.to_string());
            }
            Unput::Failed(error)
        })
    });
    put.collect()
}
