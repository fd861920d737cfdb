//! SMTP out: connections, outcomes, and the ledger of recipients done.
//!
//! The outbound stage says what to send (a [`DeliveryPlan`](listmill_core::DeliveryPlan)); [`Deliverer`] sends it and says how each recipient
//! fared; [`Ledger`] remembers that across a kill. Architecture invariant: nothing here decides what becomes of a
//! recipient that was not served, and nothing here knows a store or a queue, or of a list more than its name, by which it takes turns.
//!
//! In the order in which the shell uses it:
//!
//! 1. `ledger.was_finished(entry.id)`: this entry was delivered and released before; release it again, send nothing.
//! 2. the stage's `decide` gives a plan; `deliverer.deliver(&entry, &plan, claimant)` gives one outcome per recipient, or an error:
//!    give the entry back.
//! 3. the stage's `settle` gives dispositions; write them durably, release the entry.
//! 4. `ledger.finish(entry.id)`.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "an effects crate: sockets, files, clock")]

mod addresses;
mod connection;
mod content;
mod deliverer;
mod job;
mod lane;
mod ledger;
mod limit;
mod maildir;
mod pool;
mod relay;
mod reply;
mod smtp;
mod timeouts;
mod turns;
mod url;
mod work;
mod worth;

pub use deliverer::{Deliverer, DeliveryError, SetupError};
pub use ledger::{Claimant, Ledger, LedgerError};
pub use relay::{Broken, Outgoing, Relay};
pub use reply::Reply;
pub use timeouts::Timeouts;
pub use url::{Host, Login, RelayUrl, RelayUrlError};
