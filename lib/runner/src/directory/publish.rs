//! The store's side: puts up a new directory when the lists have changed, whoever has changed them.
//!
//! Each change of the store is a record of its audit log, also one by a command in another process; so the number of the last record
//! tells whether there is anything to look at. Now and then everything is looked at anyway: a broker may have lost the notice.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_core::{Directory, Unavailable};
use listmill_queue::Board;
use listmill_store::Store;

use crate::{Health, Stop};

/// How often the audit log is asked.
const LOOK: Duration = Duration::from_millis(500);
/// How often the notice is compared with the store although nothing seems to have changed.
const ANYWAY: Duration = Duration::from_secs(60);
/// Reading all lists may take this part of the time: one of so many.
const SHARE: u32 = 20;
/// The name in `status` of what is waited for.
const TROUBLE: &str = "directory";

/// What has been published.
struct Publisher {
    store: Arc<dyn Store>,
    board: Arc<dyn Board>,
    /// The audit log's last record when the lists were read.
    read_at: Option<Option<u64>>,
    last_look: Option<Instant>,
    /// What reading them took.
    took: Duration,
}

/// Publishes the directory of this store until `stop` is thrown.
///
/// # Errors
/// The system gives no thread.
pub fn publish_directory(
    store: &Arc<dyn Store>,
    board: Arc<dyn Board>,
    health: &Health,
    stop: &Stop,
) -> io::Result<JoinHandle<()>> {
    let (health, stop) = (health.clone(), stop.clone());
    let store = Arc::clone(store);
    let mut publisher = Publisher { store, board, read_at: None, last_look: None, took: Duration::ZERO };
    std::thread::Builder::new().name("directory".to_owned()).spawn(move || {
        loop {
            let published = publisher.look();
            match &published {
                Ok(Some(lists)) => tracing::info!("published a directory of {lists} lists"),
                Ok(None) => {}
                Err(reason) => tracing::warn!("the directory cannot be published now: {reason}"),
            }
            let pause = if published.is_err() { LOOK * 4 } else { LOOK.max(publisher.took * SHARE) };
            health.trouble(TROUBLE, published.err());
            if stop.wait(pause) {
                return;
            }
        }
    })
}

impl Publisher {
    /// Publishes if there is something new; how many lists were published.
    fn look(&mut self) -> Result<Option<usize>, String> {
        // Before the lists: what changes while they are read is looked at again.
        let last = self.last_record().map_err(|error| error.to_string())?;
        let is_due = self.last_look.is_none_or(|before| before.elapsed() >= ANYWAY);
        if !is_due && self.read_at == Some(last) {
            return Ok(None);
        }
        let start = Instant::now();
        let directory = Directory::of(&*self.store).map_err(|error| error.to_string())?;
        self.took = start.elapsed();
        let notice = directory.to_json();
        let hangs = self.board.newest(None, Duration::ZERO).map_err(|error| error.to_string())?;
        let is_new = hangs.is_none_or(|(_, hanging)| hanging != notice);
        if is_new {
            self.board.post(&notice).map_err(|error| error.to_string())?;
        }
        (self.read_at, self.last_look) = (Some(last), Some(Instant::now()));
        Ok(is_new.then_some(directory.len()))
    }

    /// The number of the last record of the audit log.
    fn last_record(&self) -> Result<Option<u64>, Unavailable> {
        let next = |after| Ok(self.store.audit(after, 1)?.first().map(|(number, _)| *number));
        last_record(next, self.read_at.flatten())
    }
}

/// The number of the last record, of which `known` is not ahead, when `next` tells the first one behind a number. Found by halving: few
/// records are read however long the log is.
fn last_record(
    next: impl Fn(Option<u64>) -> Result<Option<u64>, Unavailable>,
    known: Option<u64>,
) -> Result<Option<u64>, Unavailable> {
    let Some(mut low) = next(known)? else { return Ok(known) };
    // `low` is a record; none lies above `high`.
    let mut step = 1_u64;
    let mut high = loop {
        match next(Some(low.saturating_add(step)))? {
            Some(found) => (low, step) = (found, step.saturating_mul(2)),
            None => break low.saturating_add(step),
        }
    };
    while low < high {
        let middle = low + (high - low) / 2;
        match next(Some(middle))? {
            Some(found) => low = found,
            None => high = middle,
        }
    }
    Ok(Some(low))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_last_record_of_a_long_log_is_found_by_few_questions() {
        let logs: [Vec<u64>; 5] =
            [vec![], vec![1], vec![5, 9, 10], (1..100_000).collect(), (1..3_000).map(|n| n * n).collect()];
        for log in logs {
            let asked = Cell::new(0);
            let next = |after: Option<u64>| {
                asked.set(asked.get() + 1);
                Ok(log.iter().find(|number| after.is_none_or(|after| **number > after)).copied())
            };
            assert_eq!(last_record(next, None), Ok(log.last().copied()));
            assert!(asked.get() < 60, "{} questions for {} records", asked.get(), log.len());
            assert_eq!(last_record(next, log.last().copied()), Ok(log.last().copied()));
            assert_eq!(last_record(next, log.first().copied()), Ok(log.last().copied()));
        }
    }
}
