//! SMTP and LMTP: the conversation is lettre's, the wire below it is ours.

mod connect;
mod offers;
mod talk;
mod tls;
mod wire;
mod wire_reply;

pub(crate) use connect::{Endpoint, Security};
pub(crate) use talk::SmtpRelay;
pub(crate) use tls::Trust;
