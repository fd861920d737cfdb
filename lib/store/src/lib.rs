//! The store: lists, rosters, held posts, and who changed what.
//!
//! [`Store`] is what the shell and the administration commands work with; behind it stand [`SledStore`], which owns a
//! directory on this machine, [`RemoteStore`](control::RemoteStore), which asks the process that owns it, and [`PostgresStore`], with which
//! several processes work at once. [`open`] picks whichever of the first two can be had; [`transfer`] moves a whole store.
//! Architecture invariant: no caller can tell them apart, and neither sled nor PostgreSQL is named elsewhere.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "an effects crate: it owns files and sockets")]

mod blocks;
pub mod control;
mod error;
mod open;
pub mod postgres;
mod sled_store;
mod store;
pub mod transfer;

pub use error::OpenError;
pub use open::{Opened, open};
pub use postgres::{PostgresConfig, PostgresStore};
pub use sled_store::SledStore;
pub use store::{Store, StoreFigures};
