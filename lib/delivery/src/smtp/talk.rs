//! One mail transaction over lettre's connection: MAIL, RCPT, DATA, the dot.
//!
//! Deviation from RFC 6152 §3, decided: a message with octets above 127 goes to a host that does not offer 8BITMIME as it is.
//! To convert it would break every signature in it, to return it would lose a post over a relay that has passed eight bits
//! since the nineties without saying so; this is what MTAs do in the field.
//!
//! NOTIFY, RET, ENVID and ORCPT are never sent: those of a post MUST NOT be derived from it (RFC 3461 §5.2.7.1).

use std::fmt;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Quit, Rset};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::connect::innermost;
use super::offers::Offers;
use super::wire::Wire;
use crate::addresses::is_sendable;
use crate::content::blocks;
use crate::{Broken, Outgoing, Relay, Reply, Timeouts};

/// How long QUIT may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection to a host that speaks SMTP or LMTP.
pub(crate) struct SmtpRelay {
    connection: AsyncSmtpConnection,
    wire: Wire,
    offers: Offers,
    timeouts: Timeouts,
    is_lmtp: bool,
    broken: bool,
    /// A reply came that no command asked for: none of this transaction is known to be the reply to its command.
    out_of_step: bool,
}

impl SmtpRelay {
    /// A connection that has said EHLO.
    pub(crate) fn new(
        connection: AsyncSmtpConnection,
        wire: Wire,
        offers: Offers,
        timeouts: Timeouts,
        is_lmtp: bool,
    ) -> Self {
        SmtpRelay { connection, wire, offers, timeouts, is_lmtp, broken: false, out_of_step: false }
    }

    /// One command and its reply, whatever its code; after a 421 or no reply at all the connection is broken.
    async fn say(&mut self, command: impl fmt::Display + Send, limit: Duration) -> Result<Reply, Reply> {
        self.wire.set_patience(limit);
        let said = self.connection.command(command).await;
        self.heard(said)
    }

    fn heard(&mut self, said: Result<Response, lettre::transport::smtp::Error>) -> Result<Reply, Reply> {
        let reply = match (&said, self.wire.last_reply()) {
            (Ok(_), Some((code, lines))) => Reply::of(code, &lines),
            (Err(error), Some((code, lines))) if error.status().is_some() => Reply::of(code, &lines),
            (Err(error), _) => {
                self.broken = true;
                self.out_of_step |= self.wire.is_out_of_step();
                return Err(Reply::none("4.4.2", innermost(error)));
            }
            (Ok(_), None) => {
                self.broken = true;
                return Err(Reply::none("4.4.2", "no reply"));
            }
        };
        // RFC 5321 §3.8: the next host closes the connection, whatever the command was.
        if reply.code == 421 {
            self.broken = true;
            return Err(reply);
        }
        Ok(reply)
    }

    fn mail(&self, outgoing: &Outgoing<'_>) -> String {
        let mut command = format!("MAIL FROM:<{}>", outgoing.return_path);
        if self.offers.size {
            // RFC 1870 §5: CRLF counted, the dots of transparency and the final dot not.
            command.push_str(&format!(" SIZE={}", outgoing.prefix.len() + outgoing.message.len()));
        }
        if outgoing.eight_bit && self.offers.eight_bit {
            command.push_str(" BODY=8BITMIME");
        }
        if outgoing.smtputf8 {
            command.push_str(" SMTPUTF8");
        }
        command + "\r\n"
    }

    /// RCPT for each; the replies so far, none for a recipient that waits for the final reply.
    async fn rcpts(&mut self, recipients: &[String]) -> Result<Vec<Option<Reply>>, (Vec<Option<Reply>>, Reply)> {
        let mut replies = Vec::with_capacity(recipients.len());
        for address in recipients {
            if !is_sendable(address) {
                replies.push(Some(not_sendable(address, "5.1.3")));
                continue;
            }
            match self.say(format!("RCPT TO:<{address}>\r\n"), self.timeouts.rcpt).await {
                Ok(reply) if reply.is_positive() => replies.push(None),
                Ok(reply) => replies.push(Some(reply)),
                Err(broken) => return Err((replies, broken)),
            }
        }
        Ok(replies)
    }

    /// DATA and the message; the final replies of those that still wait for one, in their order.
    async fn data(&mut self, outgoing: &Outgoing<'_>, waiting: usize) -> Vec<Reply> {
        match self.say(Data, self.timeouts.data).await {
            Ok(go) if go.code == 354 => {}
            Ok(reply) if reply.code >= 400 => {
                let reply = match self.reset().await {
                    Err(broken) if self.out_of_step => broken,
                    _ => reply,
                };
                return vec![reply; waiting];
            }
            Ok(other) => {
                self.broken = true;
                self.out_of_step = true;
                return vec![Reply::none("4.5.0", format!("{} to DATA", other.in_one_line())); waiting];
            }
            Err(broken) => return vec![broken; waiting],
        }
        self.wire.set_patience(self.timeouts.dot);
        let said = self.connection.message_iter(blocks(outgoing.prefix, outgoing.message)).await;
        let mut replies = vec![self.final_reply(said)];
        // RFC 2033 §4.2: LMTP has one for each recipient that was accepted.
        while self.is_lmtp && replies.len() < waiting {
            if self.broken {
                break;
            }
            let said = self.connection.read_response().await;
            replies.push(self.final_reply(said));
        }
        let last = replies.last().cloned().unwrap_or_else(|| Reply::none("4.4.2", "no reply"));
        replies.resize(waiting, last);
        replies
    }

    /// The reply behind the final dot. When none came although the dot went out, the next host may have the message: the
    /// recipient waits all the same, because a second copy is better than none (RFC 1047).
    fn final_reply(&mut self, said: Result<Response, lettre::transport::smtp::Error>) -> Reply {
        match self.heard(said) {
            Ok(reply) | Err(reply) if reply.code != 0 => reply,
            Ok(reply) | Err(reply) => match self.wire.is_flushed() {
                true => Reply { text: format!("{}; it may have been delivered", reply.text), ..reply },
                false => reply,
            },
        }
    }

    /// Ends a transaction without a message; what broke, if the connection did.
    async fn reset(&mut self) -> Result<(), Reply> {
        self.say(Rset, self.timeouts.mail).await.map(drop)
    }

    async fn after_mail(&mut self, outgoing: &Outgoing<'_>) -> Vec<Reply> {
        let (mut replies, broken) = match self.rcpts(outgoing.recipients).await {
            Ok(replies) => (replies, None),
            Err((replies, broken)) => (replies, Some(broken)),
        };
        replies.resize(outgoing.recipients.len(), None);
        let waiting = replies.iter().filter(|reply| reply.is_none()).count();
        let finals = match broken {
            Some(broken) => vec![broken; waiting],
            None if waiting == 0 => self.reset().await.err().into_iter().collect(),
            None => self.data(outgoing, waiting).await,
        };
        if let (true, Some(reply)) = (self.out_of_step, finals.last()) {
            // It is seen before the dot leaves, so nobody has been served; and a refusal may have been another's.
            return outgoing.all(reply);
        }
        let mut finals = finals.into_iter();
        let missing = || Reply::none("4.4.2", "no reply");
        replies.into_iter().map(|reply| reply.or_else(|| finals.next()).unwrap_or_else(missing)).collect()
    }
}

impl Relay for SmtpRelay {
    async fn transact(&mut self, outgoing: &Outgoing<'_>) -> Result<Vec<Reply>, Broken> {
        if outgoing.smtputf8 && !self.offers.smtputf8 {
            // RFC 6531 §3.5: these recipients alone; the connection is not touched.
            let text = "SMTPUTF8 is needed, and the next host does not offer it".to_owned();
            return Ok(outgoing.all(&Reply { code: 550, status: "5.6.7".to_owned(), text }));
        }
        if !outgoing.return_path.is_empty() && !is_sendable(outgoing.return_path) {
            return Ok(outgoing.all(&not_sendable(outgoing.return_path, "5.1.7")));
        }
        let mail = self.mail(outgoing);
        match self.say(mail, self.timeouts.mail).await {
            Ok(reply) if reply.is_positive() => Ok(self.after_mail(outgoing).await),
            // RFC 4954 §6: it wants a login or encryption first. That is about us, not about a recipient.
            Ok(reply) if matches!(reply.code, 530 | 535 | 538) => {
                Ok(outgoing.all(&Reply::none("4.7.0", format!("the relay's configuration: {}", reply.in_one_line()))))
            }
            Ok(reply) => Ok(outgoing.all(&reply)),
            Err(reply) => Err(Broken { reply, asked: !self.wire.is_unsent() }),
        }
    }

    fn is_broken(&self) -> bool {
        self.broken
    }

    async fn quit(mut self) {
        if !self.broken {
            let _ = timeout(GOODBYE, self.connection.command(Quit)).await;
        }
    }
}

fn not_sendable(address: &str, status: &str) -> Reply {
    Reply { code: 553, status: status.to_owned(), text: format!("{address:?} cannot stand in an SMTP command") }
}
