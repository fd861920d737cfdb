//! The stage itself.

use listmill_core::{Address, Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

/// What the site file says about distribution.
#[derive(Debug, Clone)]
pub struct PendingConfig {
    /// How many people of the roster one hop looks at: the most recipients that an outbound entry has.
    pub chunk: usize,
    /// The site admins: they get mail to `postmaster@`, and to the owners of a list that has none.
    pub admins: Vec<Address>,
    /// The site's domains.
    pub domains: Vec<String>,
}

/// The pending stage.
#[derive(Debug)]
pub struct Pending {
    config: PendingConfig,
}

impl Pending {
    /// A stage for this site.
    pub fn new(config: PendingConfig) -> Self {
        Pending { config }
    }
}

impl Stage for Pending {
    const READS: Queue = Queue::Pending;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Shunt { reason: format!("{} cannot be decided yet", entry.id) }])
    }
}
