//! What the dialogue asks of the rest of the program: which recipients there are, and to store a message.

use std::sync::Arc;

use listmill_queue_format::{EntryId, Envelope};

/// The side that knows the lists and owns the queues.
///
/// Both questions may block (they read the store and write to disk): the server asks them on blocking threads, of either never
/// more than [`Limits::calls`](crate::Limits::calls) at once. A call that panics is answered to the client with
/// `451 4.3.0`, as any passing failure.
pub trait Reception: Send + Sync {
    /// Asked at RCPT: is there such an envelope recipient?
    ///
    /// `address` is what stood between the angle brackets, without a source route (RFC 5321 appendix C), in its own
    /// spelling: `local@domain`, the local part possibly quoted.
    fn recipient(&self, address: &str) -> Verdict;

    /// The same, where it can be said without waiting for anything; none: [`recipient`](Self::recipient) must be asked. Must not block, nor panic.
    fn recipient_at_once(&self, _address: &str) -> Option<Verdict> {
        None
    }

    /// Asked after the final dot: store the message for these envelope recipients, durably.
    ///
    /// `envelope.recipients` are the accepted ones in the order of their RCPT commands, none twice; the answers are one
    /// for each, in that order. The message is as the client sent it, without the dots of transparency; every line of
    /// it ends in CRLF and it holds no NUL. It has no Received field of ours yet: see
    /// [`received_field`](crate::received_field).
    ///
    /// With [`Replies::Together`] the client can be told one thing only, so it is all or nothing: either every answer
    /// is [`Answer::Stored`], or nothing was stored.
    fn accept(&self, envelope: Envelope, message: Arc<[u8]>, replies: Replies) -> Vec<Answer>;

    /// The same for several messages, each for itself: the answers of each, in their order. What waits for a disk they can share.
    fn accept_all(&self, arrivals: Vec<Arrival>) -> Vec<Vec<Answer>> {
        let accept = |Arrival { envelope, message, replies }| self.accept(envelope, message, replies);
        arrivals.into_iter().map(accept).collect()
    }

    /// Asked at MAIL and at DATA: is there room for one more message of so many octets, as far as the client has said, else 0?
    /// `false`: the client is answered `452 4.3.1` and comes again. Must not block.
    fn has_room(&self, octets: u64) -> bool {
        let _ = octets;
        true
    }

    /// The address that the bare `RCPT TO:<postmaster>` stands for, which RFC 5321 §4.1.1.3 wants accepted; without one
    /// it is answered `550 5.1.1`. Must not block.
    fn postmaster(&self) -> Option<String> {
        None
    }

    /// The largest message that any list takes, in octets; announced as SIZE (RFC 1870); 0 when there is no limit but
    /// [`Limits::memory`](crate::Limits::memory). Must not block.
    fn max_message_size(&self) -> u64;
}

/// A message that has come in whole.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who sends it, and the accepted recipients.
    pub envelope: Envelope,
    /// The message as the client sent it.
    pub message: Arc<[u8]>,
    /// How many replies the client reads.
    pub replies: Replies,
}

/// What RCPT is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// `250`: there is such a recipient.
    Accept {
        /// The largest message that it takes, in octets; 0 when it has no limit of its own.
        max_size: u64,
    },
    /// `550 5.1.1`: there is none.
    Unknown,
    /// `553 5.1.3`: that is no address; why.
    Invalid(String),
    /// `451 4.3.0`: it cannot be said now. The reason is logged, the client is not told it.
    Unavailable(String),
}

/// What became of a message for one envelope recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `250`: it is durable, as this entry.
    Stored(EntryId),
    /// It was not taken, and never will be.
    Refused {
        /// Reply code, 4yz or 5yz.
        code: u16,
        /// Enhanced status code (RFC 3463), as in "5.4.6".
        status: String,
        /// The reason, for the author.
        text: String,
    },
    /// `452 4.3.1`: it could not be stored now; the client is to try again.
    Later {
        /// The reason.
        text: String,
    },
}

/// How many replies the client reads after the final dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// LMTP: one for each recipient (RFC 2033 §4.2).
    Each,
    /// SMTP: one for all of them.
    Together,
}
