//! An SMTP and LMTP server that records what it is sent, on a real socket, and answers as a script says.
//!
//! It is strict: a bare CR or LF, a parameter that was not offered, a non-ASCII address without SMTPUTF8, a command out of order
//! are [`Sink::violations`], whatever the script says.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a server for tests: a socket, and a limit to waiting"
)]

mod certificates;
mod script;
mod server;
mod session;

pub use certificates::{Authority, Identity};
pub use script::{Answer, Asked, Gate, Script, Security, Step};
pub use server::{Received, Sink};
