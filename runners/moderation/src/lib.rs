//! The moderation stage: does the list accept it?
//!
//! Reads: the moderation queue; from the store, the list and the author's membership.
//! Writes: pending (accepted posts), outbound (notices about rejected ones); held posts go into the store.
//! Never: changes a message, or answers automatic mail (RFC 3834).
//!
//! The chain is a table, [`chain()`]: one row a rule, one file a rule, in `rules/`.

mod chain;
mod notice;
mod post;
mod rules;
mod stage;

pub use chain::{Covers, Row, Then, chain};
pub use stage::{Moderation, ModerationConfig};
