//! One connection to the next host: the small interface that everything behind it can be replaced at.

use std::future::Future;

/// One mail transaction as it leaves (RFC 5321 §3.3), ready for the wire: every line ends with CRLF, no bare CR or LF.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// MAIL FROM; empty for the null reverse-path.
    pub return_path: &'a str,
    /// RCPT TO, in order.
    pub recipients: &'a [String],
    /// Header fields in front of the message.
    pub prefix: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// SMTPUTF8 is needed (RFC 6531).
    pub smtputf8: bool,
    /// There are octets above 127 (RFC 6152).
    pub eight_bit: bool,
}

/// The final reply about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Reply code (RFC 5321 §4.2); 0 where no reply came.
    pub code: u16,
    /// Enhanced status code (RFC 3463): the server's, or `X.0.0` of the code's class.
    pub status: String,
    /// The text of the reply, its lines joined by a space.
    pub text: String,
}

/// How far a transaction was when its connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The server had not answered MAIL: the transaction may be sent again on another connection.
    BeforeMail,
    /// MAIL was accepted and the final dot not yet written: nobody got the message.
    BeforeDot,
    /// The final dot was on its way: the server may have taken the message (RFC 1047).
    AfterDot,
}

/// The connection cannot be used any more, and the transaction has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke: {reason}")]
pub struct Broken {
    /// How far the transaction was.
    pub when: When,
    /// What happened.
    pub reason: String,
    /// The reply that ended it, a 421 (RFC 5321 §3.8), where there was one.
    pub reply: Option<Reply>,
}

/// One connection to the next host.
pub trait Relay: Send {
    /// One transaction: a reply for each recipient, in their order.
    ///
    /// # Errors
    /// [`Broken`] when the connection is gone; it must not be used again.
    fn transact(&mut self, outgoing: &Outgoing<'_>) -> impl Future<Output = Result<Vec<Reply>, Broken>> + Send;

    /// Says goodbye; bounded in time, and nothing can go wrong.
    fn quit(self) -> impl Future<Output = ()> + Send;
}
