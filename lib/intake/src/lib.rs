//! SMTP and LMTP in: one reply per recipient, and none before the entry is durable.
//!
//! Reads: what SMTP (RFC 5321) and LMTP (RFC 2033) clients send, over TCP and Unix sockets.
//! Writes: replies; whatever arrived goes to a [`Reception`], which stores it, and only then is there a `250`.
//! Never: resolves a list, builds an entry, touches a queue or the store, sends mail, or speaks TLS and AUTH: a mail
//! transfer agent stands in front of it.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an effects crate: it owns the listening sockets and their files"
)]

mod command;
mod data;
mod desk;
mod limits;
mod listen;
mod path;
mod received;
mod reception;
mod reply;
mod server;
mod service;
mod session;
mod socket;
mod transaction;
mod wire;

pub use limits::Limits;
pub use listen::{Listen, ListenError};
pub use received::received_field;
pub use reception::{Answer, Arrival, Reception, Replies, Verdict};
pub use server::{BindError, Server};
