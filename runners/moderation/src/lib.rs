//! The moderation stage: does the list accept it?
//!
//! Reads: the moderation queue; from the store, the list, the author's membership and the budget of letters.
//! Writes: pending (accepted posts), outbound (notices about rejected ones), command (that a post is held, so that people are told);
//! held posts go into the store.
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
