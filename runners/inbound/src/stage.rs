//! The stage itself.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

/// What the site file says about intake.
#[derive(Debug, Clone, Default)]
pub struct InboundConfig {
    /// The site's domains: `postmaster@` and `abuse@` each of them reach the site admins.
    pub domains: Vec<String>,
    /// Octets of the largest message; 0: no limit. A list may lower it.
    pub max_message_size: u64,
}

/// The inbound stage.
#[derive(Debug)]
pub struct Inbound {
    config: InboundConfig,
}

impl Inbound {
    /// A stage for this site.
    pub fn new(config: InboundConfig) -> Self {
        Inbound { config }
    }
}

impl Stage for Inbound {
    const READS: Queue = Queue::Inbound;
    const WRITES: &'static [Queue] = &[Queue::Auth, Queue::Bounce, Queue::Command];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Shunt { reason: format!("{} cannot be decided yet", entry.id) }])
    }
}
