//! One connection to the next host: the small interface at which everything behind it can be replaced.

use std::future::Future;

use crate::Reply;

/// One mail transaction as it leaves (RFC 5321 §3.3), ready for the wire: prefix and message are whole lines that end with
/// CRLF, have no bare CR or LF, and no line is a lone dot (RFC 5321 §4.5.2).
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
    /// So many dots were added for transparency, in both.
    pub dots: usize,
    /// SMTPUTF8 is needed (RFC 6531).
    pub smtputf8: bool,
    /// There are octets above 127 (RFC 6152).
    pub eight_bit: bool,
    /// The next host is to make a return path for each recipient of this one ([`Relay::makes_paths`]).
    pub makes_paths: bool,
}

impl Outgoing<'_> {
    /// The octets of the message as it will be read.
    pub(crate) fn size(&self) -> usize {
        self.prefix.len() + self.message.len() - self.dots
    }

    /// The same reply for every recipient.
    pub(crate) fn all(&self, reply: &Reply) -> Vec<Reply> {
        vec![reply.clone(); self.recipients.len()]
    }
}

/// The transaction did not begin: nobody has been asked for, and it may be sent on another connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection broke: {}", reply.in_one_line())]
pub struct Broken {
    /// The reply that ended the connection, a 421 (RFC 5321 §3.8), or what happened to it, with the code 0.
    pub reply: Reply,
    /// The transaction's first command had gone out. Where it had not, what happened has nothing to do with this transaction.
    pub asked: bool,
    /// Nobody is to blame for it but the way in which it was asked: it is sent again at once, on another connection.
    pub again: bool,
}

/// One connection to the next host.
pub trait Relay: Send {
    /// One transaction: a reply for each recipient, in their order. Behind its end the commands of `next` may be sent ahead
    /// ([`Relay::is_ahead`]): then the next call must be for that one.
    ///
    /// A connection that breaks in the middle still gives a reply for each recipient: those whose final reply was read
    /// have it, the others have the code 0 and 4.4.2.
    ///
    /// # Errors
    /// [`Broken`] when the transaction did not even begin.
    fn transact(
        &mut self,
        outgoing: &Outgoing<'_>,
        next: Option<&Outgoing<'_>>,
    ) -> impl Future<Output = Result<Vec<Reply>, Broken>> + Send;

    /// It would send a next transaction ahead.
    fn takes_ahead(&self) -> bool;

    /// It would make a return path for each recipient of a transaction.
    fn makes_paths(&self) -> bool;

    /// The last call's `next` has been sent ahead.
    fn is_ahead(&self) -> bool;

    /// The connection is gone, or will not do another transaction.
    fn is_broken(&self) -> bool;

    /// Says goodbye; bounded in time, and nothing can go wrong.
    fn quit(self) -> impl Future<Output = ()> + Send;
}
