//! Bounces: what a message at a list's bounce address is, and whom and what it tells of.
//!
//! [`read()`] tells a bounce from a delay notice, a feedback report, an automatic reply and all else, and gives each recipient
//! that a bounce names, once, with the cause of the failure. [`classify`] is the same judgement for a reply that a host
//! gave us while we sent.
//!
//! Reports by the standards (RFC 3464, RFC 6533, RFC 5965, RFC 8098) are read by code, all other forms by recognisers, which are
//! data (`data/bounces/`), each with a message that it must read. What no recogniser knows is read with general rules and
//! more caution.
//!
//! Nothing here knows members or lists. Who wrote a bounce nobody can tell; what ties it to a member is our signed return
//! path ([`crate::verp`]), and that is for the stage to look at.

mod address;
mod cause;
mod complaint;
mod delivery_status;
mod feedback;
mod forms;
mod general;
mod letter;
mod lines;
mod parts;
mod read;
mod report;
mod status;

pub use cause::{Verdict, classify};
pub use feedback::Feedback;
pub use read::read;
pub use report::{Failure, Kind, Original, Report};
pub use status::StatusCode;
