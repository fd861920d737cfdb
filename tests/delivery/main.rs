//! lib/delivery and the outbound stage against a scripted next host on real sockets.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "looks into maildirs and ledgers, and what goes wrong is the end of the test"
)]

mod broken;
mod connections;
mod content;
mod extensions;
mod ledger;
mod lmtp;
mod maildir;
mod outcomes;
mod pipelining;
mod replies;
mod setting;
mod shared;
mod tls;
mod uninvited;
