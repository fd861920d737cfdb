//! SMTP and LMTP: the greeting is lettre's, the wire below it and the transactions are ours.

mod believed;
mod connect;
mod group;
mod offers;
mod pipe;
mod talk;
mod tls;
mod wire;
mod wire_reply;

pub(crate) use connect::{Endpoint, Security};
pub(crate) use talk::SmtpRelay;
pub(crate) use tls::Trust;
