//! The outbound stage: what to send to whom, and what becomes of those that were not served.
//!
//! Reads: `outbound`, entries with a distribution list. It needs no store and no secret.
//! Writes: `outbound` (the recipients that wait for another attempt), `bounce` (those that were refused or given up).
//! Never: opens a connection, reads the clock, reads the store, changes a byte of the message, tells a person.
//!
//! Between [`Stage::decide`](listmill_core::Stage), which plans, and [`Settle::settle`](listmill_core::Settle), which says what
//! became of it, the shell delivers. Each recipient leaves `settle` in exactly one way:
//!
//! | the last reply | what becomes of the recipient |
//! | --- | --- |
//! | 2xx | done; it is in no entry any more |
//! | 5xx | `bounce`, with that outcome |
//! | 4xx, no reply, anything else | `outbound` again, not before the next interval of the [`Schedule`] has passed |
//! | the same, and the next attempt would come too late | `bounce`, with the status 4.4.7 (RFC 3463 §3.5) and the last reply in the text |
//!
//! The enhanced status code of a refusal goes to `bounce` as the next host gave it: whether 5.7.1 speaks about the recipient
//! or about the message is for that stage to judge.

mod plan;
mod schedule;
mod settle;
mod stage;

pub use plan::{MAX_RECIPIENTS, MAX_SHARED};
pub use schedule::Schedule;
pub use stage::Outbound;
