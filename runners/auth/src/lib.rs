//! The auth stage: who is this really from?
//!
//! Reads: the auth queue; from the store, the list and the ban lists.
//! Writes: moderation.
//! Never: changes the message, drops what it doubts, or looks at a roster.

mod bans;
mod stage;

pub use stage::{Auth, AuthConfig};
