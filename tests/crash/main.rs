//! The shell's commit argument (`specs/architecture.md`, "Commit"), with stages of our own and the real backends: whichever call fails, and
//! wherever the process dies, nothing is lost and nothing happens twice.
//!
//! Each module says which rows of `specs/crash-states.md` it is about.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "processes that work with threads, and a clock to hold them against")]

mod batches;
mod bounces;
mod breaking;
mod dialogue;
mod fake;
mod faults;
mod kills;
mod logs;
mod mill;
mod outbound;
mod outbox;
mod panics;
mod races;
mod traces;
mod waiting;
