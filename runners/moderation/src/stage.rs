//! The stage itself.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

/// What the site file says about moderation.
#[derive(Debug, Clone, Default)]
pub struct ModerationConfig {}

/// The moderation stage.
#[derive(Debug)]
pub struct Moderation {
    config: ModerationConfig,
}

impl Moderation {
    /// A stage for this site.
    pub fn new(config: ModerationConfig) -> Self {
        Moderation { config }
    }
}

impl Stage for Moderation {
    const READS: Queue = Queue::Moderation;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Shunt { reason: format!("{} cannot be decided yet", entry.id) }])
    }
}
