//! What a stage decides. Nothing has happened until the shell carries it out.

use listmill_queue_format::Entry;

use crate::{HeldPost, StoreChange, Timestamp};

/// One decision about an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// Write this entry to its queue.
    Forward {
        /// The entry, derived from the one that was read, with its queue set.
        entry: Entry,
        /// Why, for the trace.
        reason: String,
    },
    /// Keep the entry for a moderator.
    Hold {
        /// What the moderator sees; the reasons are in it.
        post: HeldPost,
    },
    /// Send the message back to its author, with a reason.
    Reject {
        /// Why.
        reason: String,
        /// The notice, an outbound entry; none where an answer would be backscatter (RFC 3834 §2).
        notice: Option<Entry>,
    },
    /// Drop the entry; the log says why.
    Discard {
        /// Why.
        reason: String,
    },
    /// Look at the entry again later: the same entry, under the same id. Not beside a change of the store, nor after a delivery.
    Defer {
        /// When.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Set the entry aside for an operator: it cannot be decided.
    Shunt {
        /// Why.
        reason: String,
    },
    /// Change the store.
    Change(StoreChange),
    /// Tell somebody: write this entry, a message of our own, to its queue.
    Notify {
        /// The entry.
        entry: Entry,
        /// Whom and why.
        reason: String,
    },
    /// Hand the message to the next host.
    Deliver(DeliveryPlan),
}

/// What outbound hands to the next host: one transaction after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// The transactions.
    pub transactions: Vec<Transaction>,
}

/// One SMTP mail transaction (RFC 5321 §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// MAIL FROM; empty for the null reverse-path.
    pub return_path: String,
    /// RCPT TO: indices into the distribution list.
    pub recipients: Vec<usize>,
    /// Where the next host is to make a return path for each recipient of `return_path` (XVERP): what each of them has where it makes none, in
    /// the order of `recipients`, and then each is a transaction of its own. Else empty.
    pub apart: Vec<String>,
    /// Header fields in front of the message, each with its CRLF.
    pub prefix: Vec<u8>,
    /// SMTPUTF8 is needed (RFC 6531 §3.4): an address or a header field is not ASCII.
    pub smtputf8: bool,
    /// The body has octets above 127: BODY=8BITMIME (RFC 6152).
    pub eight_bit: bool,
}
