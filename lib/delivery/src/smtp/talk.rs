//! One mail transaction over a connection that has said EHLO: MAIL, RCPT, DATA, the dot.
//!
//! Where the next host offers PIPELINING the commands leave together (`group.rs`); here is what both ways of asking have in common, and the way
//! in which each command waits for its reply.
//!
//! Deviation from RFC 6152 §3, decided: a message with octets above 127 goes to a host that does not offer 8BITMIME as it is.
//! To convert it would break every signature in it, to return it would lose a post over a relay that has passed eight bits
//! since the nineties without saying so; this is what MTAs do in the field.
//!
//! NOTIFY, RET, ENVID and ORCPT are never sent: those of a post MUST NOT be derived from it (RFC 3461 §5.2.7.1).

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::believed::Believed;
use super::offers::Offers;
use super::pipe::{Pipe, Unsent};
use crate::addresses::is_sendable;
use crate::{Broken, Outgoing, Relay, Reply, Timeouts};
use listmill_mail::verp::DELIMITERS;

/// How long QUIT may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// A next host that is through with a transaction within this is quick: behind its dots the next one rides.
const QUICK: Duration = Duration::from_millis(250);

/// A connection to a host that speaks SMTP or LMTP.
pub(crate) struct SmtpRelay {
    pub(super) pipe: Pipe,
    pub(super) offers: Offers,
    pub(super) timeouts: Timeouts,
    pub(super) believed: Arc<Believed>,
    pub(super) is_lmtp: bool,
    pub(super) broken: bool,
    /// The next transaction's commands have gone out behind the last one's dot.
    pub(super) ahead: bool,
    /// When the transaction began that is under way, or was last.
    begun: Instant,
    /// The last one was over soon.
    quick: bool,
    /// No transaction has been answered yet.
    pub(super) fresh: bool,
}

/// The conversation is over.
#[derive(Debug)]
pub(super) struct Break {
    /// What those are told who wait for a reply.
    pub(super) reply: Reply,
    /// What was said does not belong to what was asked.
    pub(super) out_of_step: bool,
    /// Nothing was said in time.
    pub(super) late: bool,
    /// The command had gone out.
    asked: bool,
}

impl From<Unsent> for Break {
    fn from(unsent: Unsent) -> Break {
        let reply = Reply::none("4.4.2", unsent.error.to_string());
        Break { reply, out_of_step: unsent.out_of_step, late: false, asked: unsent.sent > 0 }
    }
}

/// The message has left, or a part of it, or nothing.
pub(super) enum Sent {
    /// All, and these are the final replies of those who waited for one.
    Replies(Vec<Reply>),
    /// Nothing.
    Nothing(Break),
}

impl SmtpRelay {
    /// A connection that has said EHLO.
    pub(super) fn new(pipe: Pipe, offers: Offers, timeouts: Timeouts, believed: Arc<Believed>, is_lmtp: bool) -> Self {
        let (broken, ahead, begun, quick, fresh) = (false, false, Instant::now(), false, true);
        SmtpRelay { pipe, offers, timeouts, believed, is_lmtp, broken, ahead, begun, quick, fresh }
    }

    /// One command and its reply, whatever its code; after a 421 or no reply at all the connection is broken.
    pub(super) async fn ask(&mut self, command: &str, limit: Duration) -> Result<Reply, Break> {
        if let Err(unsent) = self.pipe.send([command.as_bytes(), b"", b""]).await {
            self.broken = true;
            return Err(unsent.into());
        }
        self.hear(limit).await
    }

    /// The next reply.
    pub(super) async fn hear(&mut self, limit: Duration) -> Result<Reply, Break> {
        let broke = match self.pipe.reply(limit).await {
            // RFC 5321 §3.8: the next host closes the connection, whatever the command was.
            Ok((421, lines)) => Break { reply: Reply::of(421, &lines), out_of_step: false, late: false, asked: true },
            Ok((code, lines)) => return Ok(Reply::of(code, &lines)),
            Err(error) => Break {
                late: error.kind() == std::io::ErrorKind::TimedOut,
                reply: Reply::none("4.4.2", error.to_string()),
                out_of_step: false,
                asked: true,
            },
        };
        self.broken = true;
        Err(broke)
    }

    /// A reply that cannot be the one to this command.
    pub(super) fn out_of_step(&mut self, reply: &Reply, to: &str) -> Break {
        self.broken = true;
        let reply = Reply::none("4.5.0", format!("{} to {to}", reply.in_one_line()));
        Break { reply, out_of_step: true, late: false, asked: true }
    }

    /// What these recipients are told without asking.
    pub(super) fn refused_here(&self, outgoing: &Outgoing<'_>) -> Option<Vec<Reply>> {
        if outgoing.smtputf8 && !self.offers.smtputf8 {
            // RFC 6531 §3.5: these recipients alone; the connection is not touched.
            let text = "SMTPUTF8 is needed, and the next host does not offer it".to_owned();
            return Some(outgoing.all(&Reply { code: 550, status: "5.6.7".to_owned(), text }));
        }
        if !outgoing.return_path.is_empty() && !is_sendable(outgoing.return_path) {
            return Some(outgoing.all(&not_sendable(outgoing.return_path, "5.1.7")));
        }
        let nobody = !outgoing.recipients.iter().any(|address| is_sendable(address));
        nobody.then(|| outgoing.recipients.iter().map(|address| not_sendable(address, "5.1.3")).collect())
    }

    /// Appends MAIL.
    pub(super) fn mail(&self, outgoing: &Outgoing<'_>, commands: &mut String) {
        let told = "a String takes all";
        write!(commands, "MAIL FROM:<{}>", outgoing.return_path).expect(told);
        if self.offers.size {
            // RFC 1870 §5: CRLF counted, the dots of transparency and the final dot not.
            write!(commands, " SIZE={}", outgoing.size()).expect(told);
        }
        if outgoing.eight_bit && self.offers.eight_bit {
            commands.push_str(" BODY=8BITMIME");
        }
        if outgoing.smtputf8 {
            commands.push_str(" SMTPUTF8");
        }
        if outgoing.makes_paths {
            commands.push_str(" XVERP=");
            commands.push_str(DELIMITERS);
        }
        commands.push_str("\r\n");
    }

    /// MAIL was refused for good, and it said how return paths are to be made: that is what was refused, and no recipient. From now on each is asked for
    /// alone, and what is refused then is theirs.
    pub(super) fn is_about_paths(&self, outgoing: &Outgoing<'_>, mail: &Reply) -> bool {
        let is_about_paths = outgoing.makes_paths && mail.code >= 500;
        if is_about_paths {
            self.believed.no_xverp(mail);
        }
        is_about_paths
    }

    /// What the next host offers, by name.
    pub(crate) fn offers(&self) -> Vec<&'static str> {
        self.offers.names()
    }

    /// The message, its dot, and what rides behind it; the final replies of those that still wait for one, in their order.
    pub(super) async fn message(
        &mut self,
        outgoing: &Outgoing<'_>,
        waiting: usize,
        next: Option<&Outgoing<'_>>,
    ) -> Sent {
        let mut tail = if outgoing.size() == 0 { "\r\n.\r\n".to_owned() } else { ".\r\n".to_owned() };
        let to_dot = outgoing.prefix.len() + outgoing.message.len() + tail.len();
        if let Some(next) = next {
            self.group(next, &mut tail);
        }
        if let Err(unsent) = self.pipe.send([outgoing.prefix, outgoing.message, tail.as_bytes()]).await {
            self.broken = true;
            let is_in_doubt = unsent.sent >= to_dot;
            let broke = Break::from(unsent);
            return match broke.asked {
                false => Sent::Nothing(broke),
                true => Sent::Replies(vec![in_doubt(broke.reply, is_in_doubt); waiting]),
            };
        }
        let mut replies = Vec::with_capacity(waiting);
        // RFC 2033 §4.2: LMTP has one for each recipient that was accepted.
        let expected = if self.is_lmtp { waiting } else { 1 };
        while replies.len() < expected && !self.broken {
            replies.push(match self.hear(self.timeouts.dot).await {
                Ok(reply) => reply,
                Err(Break { reply, .. }) => in_doubt(reply, true),
            });
        }
        self.ahead = next.is_some() && !self.broken;
        self.quick = self.begun.elapsed() < QUICK;
        let last = replies.last().cloned().unwrap_or_else(|| Reply::none("4.4.2", "no reply"));
        replies.resize(waiting, last);
        Sent::Replies(replies)
    }

    /// Ends a transaction without a message; what broke, if the connection did.
    pub(super) async fn reset(&mut self) -> Result<(), Break> {
        self.ask("RSET\r\n", self.timeouts.mail).await.map(drop)
    }

    /// One command at a time.
    async fn in_lock_step(&mut self, outgoing: &Outgoing<'_>) -> Result<Vec<Reply>, Broken> {
        let mut command = String::new();
        self.mail(outgoing, &mut command);
        match self.ask(&command, self.timeouts.mail).await {
            Err(Break { reply, asked, .. }) => return Err(Broken { reply, asked, again: false }),
            Ok(mail) if mail.is_positive() => {}
            Ok(mail) if self.is_about_paths(outgoing, &mail) => {
                return Err(Broken { reply: mail, asked: true, again: true });
            }
            Ok(mail) if mail.code >= 400 => return Ok(outgoing.all(&about_us(mail))),
            Ok(mail) => return Ok(outgoing.all(&self.out_of_step(&mail, "MAIL").reply)),
        }
        let mut replies = Vec::with_capacity(outgoing.recipients.len());
        let broke = match self.rcpts(outgoing.recipients, &mut replies).await {
            Ok(()) => self.data(outgoing, &mut replies).await.err(),
            Err(broke) => Some(broke),
        };
        match broke {
            // It is seen before the dot leaves, so nobody has been served; and a refusal may have been another's.
            Some(Break { out_of_step: true, reply, .. }) => Ok(outgoing.all(&reply)),
            Some(Break { reply, .. }) => Ok(told(replies, outgoing, vec![reply])),
            None => Ok(told(replies, outgoing, Vec::new())),
        }
    }

    /// RCPT for each; none for a recipient that waits for the final reply.
    async fn rcpts(&mut self, recipients: &[String], replies: &mut Vec<Option<Reply>>) -> Result<(), Break> {
        for address in recipients {
            if !is_sendable(address) {
                replies.push(Some(not_sendable(address, "5.1.3")));
                continue;
            }
            let reply = self.ask(&format!("RCPT TO:<{address}>\r\n"), self.timeouts.rcpt).await?;
            match reply.is_positive() {
                true => replies.push(None),
                false if reply.code >= 400 => replies.push(Some(reply)),
                false => return Err(self.out_of_step(&reply, "RCPT")),
            }
        }
        Ok(())
    }

    /// DATA and the message, for those that still wait for a reply.
    async fn data(&mut self, outgoing: &Outgoing<'_>, replies: &mut [Option<Reply>]) -> Result<(), Break> {
        let waiting = replies.iter().filter(|reply| reply.is_none()).count();
        if waiting == 0 {
            return self.reset().await;
        }
        let go = self.ask("DATA\r\n", self.timeouts.data).await?;
        let finals = match go.code {
            354 => match self.message(outgoing, waiting, None).await {
                Sent::Replies(finals) => finals,
                Sent::Nothing(broke) => return Err(broke),
            },
            400.. => match self.reset().await {
                Err(broke) if broke.out_of_step => return Err(broke),
                _ => vec![go; waiting],
            },
            _ => return Err(self.out_of_step(&go, "DATA")),
        };
        let slots = replies.iter_mut().filter(|reply| reply.is_none());
        slots.zip(finals).for_each(|(slot, reply)| *slot = Some(reply));
        Ok(())
    }
}

impl Relay for SmtpRelay {
    async fn transact(&mut self, outgoing: &Outgoing<'_>, next: Option<&Outgoing<'_>>) -> Result<Vec<Reply>, Broken> {
        self.begun = Instant::now();
        if self.ahead {
            return self.transact_in_group(outgoing, next).await;
        }
        if let Some(replies) = self.refused_here(outgoing) {
            return Ok(replies);
        }
        match self.offers.pipelining && self.believed.pipelining.is_on() {
            true => self.transact_in_group(outgoing, next).await,
            false => self.in_lock_step(outgoing).await,
        }
    }

    /// In LMTP what belongs to which recipient is known only when the replies have been counted.
    fn takes_ahead(&self) -> bool {
        self.quick && !self.is_lmtp && self.offers.pipelining && self.believed.pipelining.is_on()
    }

    /// LMTP (RFC 2033) is for the last hop: nobody passes on from there.
    fn makes_paths(&self) -> bool {
        self.offers.xverp && !self.is_lmtp && self.believed.xverp.is_on()
    }

    fn is_ahead(&self) -> bool {
        self.ahead
    }

    fn is_broken(&self) -> bool {
        self.broken
    }

    async fn quit(mut self) {
        if !self.broken && !self.ahead {
            let _ = timeout(GOODBYE, self.ask("QUIT\r\n", GOODBYE)).await;
        }
    }
}

/// Each recipient's reply: its own, or the next of these, the last of which is that of all who are left.
pub(super) fn told(own: Vec<Option<Reply>>, outgoing: &Outgoing<'_>, others: Vec<Reply>) -> Vec<Reply> {
    let last = others.last().cloned().unwrap_or_else(|| Reply::none("4.4.2", "no reply"));
    let mut others = others.into_iter();
    let mut own = own.into_iter();
    let each = outgoing.recipients.iter();
    each.map(|_| own.next().flatten().or_else(|| others.next()).unwrap_or_else(|| last.clone())).collect()
}

/// When no reply came although the dot went out, the next host may have the message: the recipient waits all the same, because a second copy is
/// better than none (RFC 1047).
fn in_doubt(reply: Reply, is_in_doubt: bool) -> Reply {
    match reply.code == 0 && is_in_doubt {
        true => Reply { text: format!("{}; it may have been delivered", reply.text), ..reply },
        false => reply,
    }
}

/// A refusal of MAIL. RFC 4954 §6: where it wants a login or encryption first, that is about us, not about a recipient.
pub(super) fn about_us(mail: Reply) -> Reply {
    match mail.code {
        530 | 535 | 538 => Reply::none("4.7.0", format!("the relay's configuration: {}", mail.in_one_line())),
        _ => mail,
    }
}

pub(super) fn not_sendable(address: &str, status: &str) -> Reply {
    Reply { code: 553, status: status.to_owned(), text: format!("{address:?} cannot stand in an SMTP command") }
}
