//! The store: lists, rosters, held posts, and who changed what.
//!
//! [`Store`] is what the shell and the administration commands work with; behind it stand [`SledStore`], which owns a
//! directory on this machine, and [`RemoteStore`](control::RemoteStore), which asks the process that owns it. [`open`] picks
//! whichever of the two can be had. Architecture invariant: no caller can tell the two apart, and sled is named nowhere else.

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
