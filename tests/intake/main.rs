//! The intake on real sockets: scripted dialogues, and clients that break, crawl, flood and smuggle.
//!
//! A dialogue is a file of `cases/`; `dialogue.rs` says how it is written.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "clients with sockets of their own, cases that are files"
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
