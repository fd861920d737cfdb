//! What is handed in by LMTP, as a mail server does it; and what a trivial sender sends to the sink, or to a real relay.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Failure;
use crate::sender::Load;
use crate::tally::{POST_FIELD, member};

/// The list that every post goes to.
pub(crate) const LIST: &str = "bench@lists.example.org";

/// A post with a body of about `size` octets.
pub(crate) fn post(number: usize, size: usize) -> Vec<u8> {
    let line = "The stones turn, and what comes in at the top leaves at the bottom, finer.\r\n";
    let head = format!(
        "From: Alice <alice@example.net>\r\nTo: {LIST}\r\nSubject: post {number}\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\
         Message-ID: <bench-{number}@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n{POST_FIELD}{number}\r\n\r\n"
    );
    let mut message = head.into_bytes();
    (0..size.div_ceil(line.len())).for_each(|_| message.extend_from_slice(line.as_bytes()));
    message
}

/// Hands `posts` posts in by LMTP; returns when the last one has its 250.
pub(crate) fn hand_in(address: SocketAddr, posts: usize, size: usize, connections: usize) -> Result<(), Failure> {
    let envelope = |_: usize, to: &mut Vec<u8>| {
        to.extend_from_slice(format!("MAIL FROM:<alice@example.net>\r\nRCPT TO:<{LIST}>\r\n").as_bytes());
        1
    };
    let message = |number: usize, to: &mut Vec<u8>| to.extend_from_slice(&post(number, size));
    let (envelope, message) = (&envelope, &message);
    Load { address, lmtp: true, connections, riding: false, transactions: posts, envelope, message }.send().map(drop)
}

/// Hands in mails, each with its sender and its one recipient; returns when the last one has its 250.
pub(crate) fn hand_in_mails(
    address: SocketAddr,
    mails: &[(String, String, Vec<u8>)],
    connections: usize,
) -> Result<(), Failure> {
    let envelope = |number: usize, to: &mut Vec<u8>| {
        let (sender, recipient, _) = &mails[number];
        to.extend_from_slice(format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\n").as_bytes());
        1
    };
    let message = |number: usize, to: &mut Vec<u8>| to.extend_from_slice(&mails[number].2);
    let (envelope, message, transactions) = (&envelope, &message, mails.len());
    Load { address, lmtp: true, connections, riding: false, transactions, envelope, message }.send().map(drop)
}

/// What a trivial sender sends: copies of one post, of so many octets each, on so many connections.
#[derive(Clone, Copy)]
pub(crate) struct Trivial {
    pub(crate) copies: usize,
    pub(crate) octets: usize,
    pub(crate) connections: usize,
    /// Recipients of a transaction. With more than one, the relay is asked for return paths of its own making (XVERP).
    pub(crate) together: usize,
    pub(crate) riding: bool,
}

impl Trivial {
    /// How long that takes.
    pub(crate) fn send(self, address: SocketAddr) -> Result<Duration, Failure> {
        let mut copy = post(0, self.octets);
        copy.truncate(self.octets.max(200) - 2);
        copy.extend_from_slice(b"\r\n");
        let envelope = |number: usize, to: &mut Vec<u8>| self.envelope(number, to);
        let message = |_: usize, to: &mut Vec<u8>| to.extend_from_slice(&copy);
        let (envelope, message, transactions) = (&envelope, &message, self.copies.div_ceil(self.together));
        let Trivial { connections, riding, .. } = self;
        Load { address, lmtp: false, connections, riding, transactions, envelope, message }.send()
    }

    fn envelope(&self, number: usize, to: &mut Vec<u8>) -> usize {
        let recipients = number * self.together..self.copies.min((number + 1) * self.together);
        let (path, xverp) = match self.together {
            1 => (format!("+member{number:07}=example.net"), ""),
            _ => (format!("+{number}"), " XVERP==="),
        };
        to.extend_from_slice(format!("MAIL FROM:<bench-bounces{path}@lists.example.org>{xverp}\r\n").as_bytes());
        for recipient in recipients.clone() {
            to.extend_from_slice(format!("RCPT TO:<{}>\r\n", member(recipient)).as_bytes());
        }
        recipients.len()
    }
}
