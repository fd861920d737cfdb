//! The command stage: somebody asks for something, or decides about something, by mail.
//!
//! Reads: the command queue; from the store, lists, memberships, held posts and decisions, open requests, the ban lists, the budget of
//! letters and the signing keys.
//! Writes: pending (posts that a moderator lets through), outbound (letters), command (the next page of a round of the clock); changes go into the store.
//! Never: answers automatic mail (RFC 3834), changes anything on the word of a mail that may be forged, but for who joins or leaves
//! a list whose owners say `open`, or writes to a stranger beyond the budget.
//!
//! A message becomes lines (`ask`), each line is carried out in a `session`, which collects changes and letters, and
//! whoever asked gets one answer with a result for each line. `specs/runners/command.md` has the commands.

mod ask;
mod clock;
mod config;
mod draft;
mod grammar;
mod held;
mod members;
mod owners;
mod read;
mod requests;
mod session;
mod stage;
mod who;

pub use config::CommandConfig;
pub use held::{Operated, Order};
pub use stage::Command;
