//! Carries a delivery plan out over a few connections that are kept.
//!
//! The transactions of a plan are spread over as many connections as its party gets ([`Turns`](crate::turns)). What can go wrong with a connection, and what it
//! means:
//!
//! | | |
//! | --- | --- |
//! | there is none, or no TLS, or no login | the other connections go on with the rest; when there is no other, every recipient that is left has the code 0 and 4.4.1 |
//! | the next host offers PIPELINING and answers a group with replies that cannot belong to it, hangs up on it, or says nothing | the transaction begins anew on another connection, in lock step, and so do all for ten minutes |
//! | it was kept, and the next host closed it meanwhile, with a 421 or without | the transaction goes to another connection: nothing of it had begun |
//! | there is a reply that nobody asked for, or an end, before MAIL | the same: to whom it was said is unknown, so it counts for nobody; on a new connection it counts as a break |
//! | such a reply is seen before a later command | nothing of this transaction is believed: its recipients have the code 0 and 4.4.2 |
//! | it breaks in the middle | the recipients of that transaction have the code 0 and 4.4.2, or the 421; the rest goes on over new connections, unless as many as there are and three more have broken in a row |
//! | a transaction needs return paths of the next host's making, and it makes none (XVERP), or refuses to be asked for them | each recipient of it is a transaction of its own, with the path that was made for them |
//! | some recipients are too many for a transaction (452) | the others have their reply, and they are in the next one, at once |
//! | it breaks with the next transaction's commands sent ahead | that one has not begun: it goes to another connection |
//! | it breaks between the final dot and the reply | the same, although the message may have been delivered: they wait and are sent to again, one copy too many at most (RFC 1047, R21 of specs/standards.md) |

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use listmill_core::{DeliveryPlan, Party};
use listmill_queue_format::{Entry, Outcome};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::connection::NextHost;
use crate::job::Job;
use crate::lane::Lane;
use crate::pool::Pool;
use crate::{Claimant, Ledger, LedgerError, Relay, RelayUrl, Timeouts};

/// Sends entries to the next host. One per process; deliveries of several entries may run at once and share the connections.
#[derive(Debug)]
pub struct Deliverer {
    pool: Arc<Pool>,
    connections: usize,
    ledger: Ledger,
    /// Transactions that are over.
    done: Arc<AtomicU64>,
}

/// The relay cannot be set up as configured, or cannot be reached.
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
    /// The certificates cannot be read, or the maildir cannot be made.
    pub fn new(
        relay: RelayUrl,
        connections: usize,
        helo: String,
        timeouts: Timeouts,
        ca_file: Option<PathBuf>,
        ledger: Ledger,
    ) -> Result<Deliverer, SetupError> {
        let connections = connections.max(1);
        let next_host = NextHost::new(relay, helo, timeouts, ca_file)?;
        let pool = Arc::new(Pool::new(next_host, connections, timeouts.idle));
        Ok(Deliverer { pool, connections, ledger, done: Arc::default() })
    }

    /// Sends the transactions of `plan`: every recipient in it once, with its outcome, in any order. Those that the ledger
    /// knows from before a kill are not sent to again.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn deliver(
        &self,
        entry: &Entry,
        plan: &DeliveryPlan,
        claimant: Claimant,
    ) -> Result<Vec<(usize, Outcome)>, DeliveryError> {
        let page = self.ledger.begin(entry, claimant)?;
        let job = Arc::new(Job::new(entry, plan, self.ledger.clone(), page, self.connections));
        let party = Party::of(entry);
        let (mut lanes, mut begun) = (JoinSet::new(), 0);
        loop {
            while begun < job.lanes() {
                let lane = Lane::new(Arc::clone(&self.pool), Arc::clone(&job), Arc::clone(&self.done));
                lanes.spawn(lane.run(party.clone()).in_current_span());
                begun += 1;
            }
            tokio::select! {
                ended = lanes.join_next() => match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::error!(entry = %entry.id, %error, "a connection's task failed"),
                    None => break,
                },
                () = job.wants_more_than(begun) => {}
            }
        }
        if self.pool.is_stopping() && job.left() > 0 { Err(DeliveryError::Stopped) } else { Ok(job.outcomes(plan)) }
    }

    /// How many transactions are over since the process started: while it grows, deliveries go on.
    pub fn transactions(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The ledger that this deliverer writes.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Begins no more transactions: running deliveries end with [`DeliveryError::Stopped`] after the transactions in flight.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// Closes the idle connections with QUIT.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Connects, greets, logs in and leaves again, for `listmill check`: the extensions that the next host offers, of those that can be of use.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn check(&self) -> Result<Vec<&'static str>, SetupError> {
        let connection = self.pool.connect().await.map_err(|reply| SetupError { reason: reply.text })?;
        let offers = connection.offers();
        connection.quit().await;
        Ok(offers)
    }
}
