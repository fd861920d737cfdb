//! What people and mail servers hand in, and the lists that it goes to.
#![expect(clippy::disallowed_types, reason = "a harness for tests: sockets")]

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ledger::{Kind, Ledger, Outcome};
use super::smarthost::{POST_FIELD, Smarthost};
use crate::lmtp::Lmtp;
use crate::program::wait_for;

/// The list that posts go to.
pub const DEV: &str = "dev@lists.example.org";
/// The list that people join.
pub const CLUB: &str = "club@lists.example.org";
/// The list that holds posts.
pub const GUARDED: &str = "guarded@lists.example.org";
/// The list whose copies bounce.
pub const WIDE: &str = "wide@lists.example.org";
/// Members of [`DEV`].
pub const MEMBERS: usize = 12;

/// A member of [`DEV`].
pub fn member(number: usize) -> String {
    format!("member{number}@example.net")
}

/// Who hands in this, or whom it is about.
pub fn person(kind: Kind, number: u64) -> String {
    let name = match kind {
        Kind::Post => return member(0),
        Kind::Join => "joiner",
        Kind::Held => "stranger",
        Kind::Bounce => "wide",
    };
    format!("{name}{number}@example.net")
}

/// What goes in and comes out of a site; shared by those who hand in and those who count.
pub struct Traffic {
    /// What was handed in.
    pub ledger: Ledger,
    /// Where mail leaves to.
    pub smarthost: Smarthost,
    address: Mutex<Option<SocketAddr>>,
    next: AtomicU64,
    wide: u64,
}

impl Traffic {
    /// Nothing yet; so many can bounce.
    pub(super) fn new(ledger: Ledger, smarthost: Smarthost, wide: u64) -> Traffic {
        Traffic { ledger, smarthost, address: Mutex::default(), next: AtomicU64::new(0), wide }
    }

    /// The site takes mail there from now on.
    pub(super) fn goes_to(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One post to those who bounce later, so that each has a return path.
    pub(super) fn give_return_paths(&self) {
        let mut post = mail(Kind::Post, u64::MAX, None);
        post.message = post.message.replace(DEV, WIDE);
        let before = self.smarthost.total();
        let mut lmtp = Lmtp::connect(self.address().expect("it serves"));
        lmtp.post(&post.sender, WIDE, post.message.as_bytes());
        wait_for("a copy for everybody", || self.smarthost.total() == before + self.wide);
    }

    /// The number of the next submission.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Whether there is still somebody whose copy has not bounced.
    pub fn has_more(&self) -> bool {
        self.next() < self.wide
    }

    /// Hands in one of each of these kinds, which differ, in this order; how many were accepted.
    pub fn send(&self, kinds: &[Kind]) -> usize {
        let Some(at) = self.address() else { return 0 };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.smarthost.return_path(&person(Kind::Bounce, number));
        let kinds = kinds.iter().filter(|kind| **kind != Kind::Bounce || path.is_some());
        let mails: Vec<_> = kinds.map(|kind| (*kind, number, mail(*kind, number, path.clone()))).collect();
        hand_in(at, &mails, &self.ledger)
    }
}

/// A mail on its way in.
pub(super) struct Mail {
    pub(super) sender: String,
    pub(super) to: String,
    pub(super) message: String,
}

/// The submission with this number; `return_path` is where a copy of its person comes back to.
pub(super) fn mail(kind: Kind, number: u64, return_path: Option<String>) -> Mail {
    let from = person(kind, number);
    let to = match kind {
        Kind::Post => DEV.to_owned(),
        Kind::Join => CLUB.replace('@', "-join@"),
        Kind::Held => GUARDED.to_owned(),
        Kind::Bounce => return_path.unwrap_or_default(),
    };
    if kind == Kind::Bounce {
        return Mail { sender: String::new(), message: report(&from, &to, number), to };
    }
    let message = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: number {number}\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\
         Message-ID: <{number}.{from}>\r\n{POST_FIELD}: {number}\r\n\r\nThe stones turn.\r\n"
    );
    Mail { sender: from, to, message }
}

/// What a mail server says of a mailbox that is gone (RFC 3464).
fn report(recipient: &str, path: &str, number: u64) -> String {
    format!(
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.com>\r\nTo: <{path}>\r\nSubject: Undelivered Mail Returned to Sender\r\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{number}.bounce@mx.example.com>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nYour message could not be delivered.\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: Recipient address rejected\r\n\r\n--b--\r\n"
    )
}

/// Hands the mails in, one after the other, until the connection breaks or all are there; how many were accepted.
///
/// Each stands in the ledger before its last octet leaves, and again once its `250` was read.
pub(super) fn hand_in(at: SocketAddr, mails: &[(Kind, u64, Mail)], ledger: &Ledger) -> usize {
    let mut accepted = 0;
    // What was not accepted stands in the ledger; the error itself says no more than that.
    let _: io::Result<()> = (|| {
        let mut client = Client::connect(at)?;
        for (kind, number, mail) in mails {
            let outcome = client.submit(mail, || ledger.sends(*kind, *number))?;
            outcome.into_iter().for_each(|outcome| ledger.answered(*kind, *number, outcome));
            accepted += usize::from(outcome == Some(Outcome::Accepted));
        }
        client.say("QUIT").map(drop)
    })();
    accepted
}

struct Client {
    to: std::net::TcpStream,
    from: BufReader<std::net::TcpStream>,
}

impl Client {
    fn connect(at: SocketAddr) -> io::Result<Client> {
        let to = std::net::TcpStream::connect(at)?;
        to.set_nodelay(true)?;
        to.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Client { from: BufReader::new(to.try_clone()?), to };
        client.reply()?;
        client.say("LHLO mx.example.com")?;
        Ok(client)
    }

    /// None: refused before anything of the message was sent.
    fn submit(&mut self, mail: &Mail, before: impl FnOnce()) -> io::Result<Option<Outcome>> {
        for line in [format!("MAIL FROM:<{}>", mail.sender), format!("RCPT TO:<{}>", mail.to), "DATA".to_owned()] {
            if !self.say(&line)?.starts_with(['2', '3']) {
                self.say("RSET")?;
                return Ok(None);
            }
        }
        before();
        self.to.write_all(format!("{}.\r\n", mail.message).as_bytes())?;
        Ok(Some(if self.reply()?.starts_with("250") { Outcome::Accepted } else { Outcome::Refused }))
    }

    fn say(&mut self, line: &str) -> io::Result<String> {
        self.to.write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// The last line of a reply.
    fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line);
            }
        }
    }
}
