//! The shape of a stage: it decides, the shell acts.

use listmill_queue_format::{Entry, Outcome, Queue};

use crate::{Disposition, StoreView, Timestamp, Unavailable};

/// Time and chance come from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Now.
    pub now: Timestamp,
    /// For whatever is decided by chance; derives from the entry's id.
    pub seed: u64,
}

/// One stage: the pure decision that a runner serves a queue with.
///
/// Architecture invariant: a stage does no I/O, reads no clock, and never knows which backend carried the entry.
pub trait Stage {
    /// The one queue that it takes entries from; its name is the stage's name.
    const READS: Queue;
    /// The only queues that it may write; the shell checks it.
    const WRITES: &'static [Queue];

    /// Decides. The same entry, view and context give the same dispositions, byte for byte.
    ///
    /// # Errors
    /// [`Unavailable`] is the only one: the view cannot be read now. The shell gives the entry back and tries again.
    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable>;
}

/// A stage that needs the world in the middle: it plans a delivery, the shell talks to the next host, and it settles what came of it.
pub trait Settle: Stage {
    /// Says what is done, deferred, failed: each outcome is a recipient's place in the distribution list and the last reply.
    fn settle(&self, entry: &Entry, outcomes: &[(usize, Outcome)], cx: Context) -> Vec<Disposition>;
}
