//! Queue backends: where entries wait between two runners.
//!
//! [`QueueBackend`] is what a runner sees; [`DiskQueues`] keeps the entries as message files in a spool directory,
//! [`MemoryQueues`] keeps them in memory, for tests. One conformance suite (`tests/backends`) binds them all.
//! Architecture invariant: a backend carries entries and never looks at what they mean.
#![expect(clippy::disallowed_methods, reason = "an effects crate: files, the clock and waiting are its work")]

mod amqp;
mod backend;
mod board;
mod clock;
mod disk;
mod error;
mod lineup;
mod lock;
mod memory;

pub use amqp::{AmqpConfig, AmqpQueues};
pub use backend::{Claim, Claimed, Found, Listed, QueueBackend, QueueStatus, ShuntReason, State};
pub use board::Board;
pub use disk::{DiskBoard, DiskQueues};
pub use error::{Kind, QueueError};
pub use memory::MemoryQueues;
