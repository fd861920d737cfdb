//! Before the attempt: the plan.

use listmill_core::{Context, DeliveryPlan, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

use crate::Schedule;

/// The outbound stage.
#[derive(Debug, Clone, Default)]
pub struct Outbound {
    /// When to try again.
    pub schedule: Schedule,
}

impl Stage for Outbound {
    const READS: Queue = Queue::Outbound;
    const WRITES: &'static [Queue] = &[Queue::Outbound, Queue::Bounce];

    fn decide(&self, _entry: &Entry, _view: &dyn StoreView, _cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Deliver(DeliveryPlan { transactions: Vec::new() })])
    }
}
