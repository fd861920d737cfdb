//! Queue backends: where entries wait between two runners.
//!
//! [`QueueBackend`] is what a runner sees; [`DiskQueues`] keeps the entries as message files in a spool directory,
//! [`AmqpQueues`] at a broker, [`MemoryQueues`] in memory, for tests. [`MixedQueues`] gives each queue a backend of its own, and
//! [`ForwardQueues`] keeps on this host's disk what a broker does not take. One conformance suite (`tests/backends`) binds them all.
//! Architecture invariant: a backend carries entries and never looks at what they mean; only whose they are, for the turns.
#![expect(clippy::disallowed_methods, reason = "an effects crate: files, the clock and waiting are its work")]

mod amqp;
mod backend;
mod board;
mod clock;
mod disk;
mod error;
mod forward;
mod fronted;
mod lineup;
mod lock;
mod memory;
mod mixed;
mod oldest;
mod shares;

pub use amqp::{AmqpConfig, AmqpHost, AmqpQueues, amqp_check, amqp_definitions};
pub use backend::{Claim, Claimed, Found, Listed, QueueBackend, QueueStatus, ShuntReason, State};
pub use board::Board;
pub use disk::{DiskBoard, DiskQueues};
pub use error::{Kind, QueueError};
pub use forward::{ForwardConfig, ForwardQueues};
pub use fronted::FrontedQueues;
pub use memory::MemoryQueues;
pub use mixed::MixedQueues;
