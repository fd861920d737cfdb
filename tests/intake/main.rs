//! The intake on real sockets: scripted dialogues, and clients that break, crawl, flood and smuggle.
//!
//! A dialogue is a file of `cases/`; `dialogue.rs` says how it is written.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clients with sockets of their own, cases that are files; a test fails by panicking"
)]

mod breaks;
mod client;
mod corpora;
mod crowd;
mod dialogue;
mod limits;
mod recorder;
mod running;
mod smuggling;
mod stopping;
