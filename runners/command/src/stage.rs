//! The stage itself.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

/// The command stage.
#[derive(Debug, Default)]
pub struct Command {}

impl Command {
    /// A stage.
    pub fn new() -> Self {
        Command {}
    }
}

impl Stage for Command {
    const READS: Queue = Queue::Command;
    const WRITES: &'static [Queue] = &[Queue::Pending];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Shunt { reason: format!("{} cannot be decided yet", entry.id) }])
    }
}
