//! The outbound stage: what to send to whom, and what becomes of those that were not served.
//!
//! Reads: `outbound`, entries with a distribution list. It needs no store and no secret.
//! Writes: `outbound` (the recipients that wait for another attempt), `bounce` (those that were refused or given up).
//! Never: opens a connection, reads the clock, reads the store, changes a byte of the message.

mod schedule;
mod settle;
mod stage;

pub use schedule::Schedule;
pub use stage::Outbound;
