//! The notice board: where the side that has the store says what the others must know.

use std::time::Duration;

use crate::QueueError;

/// One notice, kept until the next one replaces it: the directory of lists, by which a host without a store knows whom to refuse.
///
/// It crosses hosts as entries do, so it is the queue backend's. Methods block, as those of
/// [`QueueBackend`](crate::QueueBackend) do.
pub trait Board: Send + Sync {
    /// Puts up `notice` in the place of the one before. It is durable when this returns, and every reader comes to see it, also
    /// one that is not there now.
    ///
    /// # Errors
    /// The one before may still stand there; put it up again.
    fn post(&self, notice: &[u8]) -> Result<(), QueueError>;

    /// The newest notice and its mark; blocks up to `wait` for one whose mark differs from `seen`. `None` when there is none yet, or
    /// still the one that was seen.
    ///
    /// # Errors
    /// The board cannot be read now.
    fn newest(&self, seen: Option<u64>, wait: Duration) -> Result<Option<(u64, Vec<u8>)>, QueueError>;
}
