//! The dialogue of one connection: SMTP (RFC 5321) or LMTP (RFC 2033).

use std::convert::Infallible;
use std::sync::Arc;

use listmill_queue_format::Client;
use tokio::time::{Duration, Instant};

use crate::command::{self, Command, Greeting, Mail, Misread, Recipient};
use crate::data::{DataReader, Fault};
use crate::reply::Reply;
use crate::service::{Service, Share};
use crate::transaction::{Arrived, Transaction};
use crate::wire::{End, Line, Stop, Stream, Wire};
use crate::{Replies, Verdict};

/// What a message gets of the memory before its size is known.
const FIRST_SHARE: u64 = 64 << 10;

/// Which protocol is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RFC 2033
    Lmtp,
    /// RFC 5321
    Smtp,
}

/// One connection.
pub(crate) struct Session {
    wire: Wire,
    service: Arc<Service>,
    protocol: Protocol,
    client: Client,
    greeted: bool,
    transaction: Option<Transaction>,
    errors: usize,
    idle_commands: usize,
    /// When the next message must be finished.
    deadline: Instant,
}

impl Session {
    /// A connection from `address` that has just been made.
    pub(crate) fn new(
        stream: Box<dyn Stream>,
        stop: Stop,
        service: Arc<Service>,
        protocol: Protocol,
        address: String,
    ) -> Self {
        Session {
            wire: Wire::new(stream, stop, service.limits.reply),
            deadline: Instant::now() + service.limits.transaction,
            service,
            protocol,
            client: Client { address, ..Client::default() },
            greeted: false,
            transaction: None,
            errors: 0,
            idle_commands: 0,
        }
    }

    /// Speaks until one side ends it.
    pub(crate) async fn serve(mut self) {
        let name = match self.protocol {
            Protocol::Lmtp => "LMTP",
            Protocol::Smtp => "ESMTP",
        };
        self.wire.say(&Reply::plain(220, &[format!("{} {name} listmill", self.service.host)]));
        let Err(end) = self.converse().await;
        match end {
            End::Gone => return,
            End::Said => {}
            End::Slow => self.wire.say(&Reply::new(421, "4.4.2", "the time is up, closing the connection")),
            End::Stopping => self.wire.say(&Reply::new(421, "4.3.2", "the server stops, try again later")),
        }
        self.wire.close().await;
    }

    async fn converse(&mut self) -> Result<Infallible, End> {
        loop {
            if self.wire.stopping() {
                return Err(End::Stopping);
            }
            let limits = &self.service.limits;
            let deadline = (Instant::now() + limits.idle).min(self.deadline);
            let command = match self.wire.line(limits.line, deadline).await? {
                Line::Text(line) => command::parse(&line),
                Line::TooLong => Err(Misread::Wrong(Reply::new(500, "5.5.2", "the line is too long"))),
                Line::BareLf => Err(Misread::Wrong(Reply::new(500, "5.5.2", "a line must end in CR LF"))),
            };
            match command {
                Ok(command) => self.obey(command).await?,
                Err(Misread::Wrong(reply)) => self.wrong(&reply)?,
                Err(Misread::Foreign) => {
                    self.wire.say(&Reply::new(421, "4.7.0", "this is not HTTP, closing the connection"));
                    return Err(End::Said);
                }
            }
            self.wire.flush_if_full().await?;
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Greet(greeting, host) => self.greet(greeting, host),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(recipient) => self.rcpt(recipient).await,
            Command::Data => self.data().await,
            Command::Rset => {
                self.transaction = None;
                self.idle(&Reply::new(250, "2.0.0", "forgotten"))
            }
            Command::Noop => self.idle(&Reply::new(250, "2.0.0", "nothing done")),
            // RFC 5321 §7.3: whether an address exists is told at RCPT, to those who have a message for it.
            Command::Vrfy => self.idle(&Reply::new(252, "2.5.0", "send a message and see")),
            Command::Help => self.idle(&Reply::new(214, "2.0.0", "RFC 5321 and RFC 2033 tell")),
            Command::Quit => {
                self.wire.say(&Reply::new(221, "2.0.0", "goodbye"));
                Err(End::Said)
            }
        }
    }

    /// Answers a command that is wrong in form or order; too many of them end the connection.
    fn wrong(&mut self, reply: &Reply) -> Result<(), End> {
        tracing::debug!(client = self.client.address, %reply, "a command was refused");
        self.wire.say(reply);
        self.errors += 1;
        self.at_most(self.errors, self.service.limits.errors, "too many errors, closing the connection")
    }

    /// Answers a command that brings nothing; too many of them end the connection.
    fn idle(&mut self, reply: &Reply) -> Result<(), End> {
        self.wire.say(reply);
        self.idle_commands += 1;
        self.at_most(self.idle_commands, self.service.limits.idle_commands, "too many commands without a message")
    }

    fn at_most(&mut self, count: usize, limit: usize, text: &str) -> Result<(), End> {
        if count <= limit {
            return Ok(());
        }
        self.wire.say(&Reply::new(421, "4.7.0", text));
        Err(End::Said)
    }

    fn greet(&mut self, greeting: Greeting, host: String) -> Result<(), End> {
        // RFC 2033 §4.1: each protocol has its own word, and refuses the other's, so that nobody takes one for the other.
        let protocol = match (self.protocol, greeting) {
            (Protocol::Lmtp, Greeting::Lhlo) => "LMTP",
            (Protocol::Smtp, Greeting::Ehlo) => "ESMTP",
            (Protocol::Smtp, Greeting::Helo) => "SMTP",
            (Protocol::Lmtp, _) => return self.wrong(&Reply::new(500, "5.5.1", "this is LMTP, say LHLO")),
            (Protocol::Smtp, _) => return self.wrong(&Reply::new(500, "5.5.1", "this is SMTP, say EHLO")),
        };
        self.client.helo = host;
        self.client.protocol = protocol.to_owned();
        self.greeted = true;
        self.transaction = None;
        let mut lines = vec![self.service.host.clone()];
        if greeting != Greeting::Helo {
            lines.extend(["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"].map(str::to_owned));
            lines.push(format!("SIZE {}", self.service.max_message_size()));
        }
        self.idle(&Reply::plain(250, &lines))
    }

    fn mail(&mut self, mail: Mail) -> Result<(), End> {
        if !self.greeted {
            return self.wrong(&Reply::out_of_order("say who you are first"));
        }
        if self.transaction.is_some() {
            return self.wrong(&Reply::out_of_order("MAIL has been said, RSET forgets it"));
        }
        let limit = self.service.max_message_size();
        let reply = if !mail.smtputf8 && !mail.sender.is_ascii() {
            Reply::needs_smtputf8()
        } else if mail.size > Some(limit) {
            // RFC 1870 §6.1
            Reply::too_large(limit)
        } else if !self.service.has_room(mail.size) {
            // RFC 1870 §6.1 (2): not enough storage now.
            Reply::no_room()
        } else {
            self.transaction = Some(Transaction::new(mail));
            Reply::new(250, "2.1.0", "the envelope sender is noted")
        };
        self.wire.say(&reply);
        Ok(())
    }

    async fn rcpt(&mut self, recipient: Recipient) -> Result<(), End> {
        let Some(transaction) = &mut self.transaction else {
            return self.wrong(&Reply::out_of_order("MAIL comes before RCPT"));
        };
        let address = match recipient {
            Recipient::Address(address) => Some(address),
            Recipient::Postmaster => self.service.postmaster(),
        };
        let reply = match &address {
            Some(address) => recipient_reply(&self.service, transaction, address).await,
            None => Reply::unknown_recipient(),
        };
        if reply.code() != 250 {
            let client = &self.client.address;
            tracing::info!(client, envelope_recipient = address.as_deref().unwrap_or_default(), %reply, "a recipient was refused");
        }
        self.wire.say(&reply);
        Ok(())
    }

    async fn data(&mut self) -> Result<(), End> {
        let replies = match self.protocol {
            Protocol::Lmtp => Replies::Each,
            Protocol::Smtp => Replies::Together,
        };
        // RFC 2033 §4.2 and RFC 5321 §4.1.1.4: no 354 when nobody would receive the message.
        let Some(transaction) = self.transaction.take_if(|transaction| transaction.accepted() > 0) else {
            return self.wrong(&Reply::out_of_order("there is no accepted recipient yet"));
        };
        if !self.service.has_room(transaction.mail().size) {
            self.wire.say(&Reply::no_room());
            self.transaction = Some(transaction);
            return Ok(());
        }
        let keep = transaction.max_size(replies);
        let expected = transaction.mail().size.unwrap_or(0).max(FIRST_SHARE).min(keep);
        self.wire.flush().await?;
        let Some(share) = self.service.memory.share(expected).await else {
            self.wire.say(&Reply::no_memory());
            self.transaction = Some(transaction);
            return Ok(());
        };
        self.wire.say(&Reply::plain(354, &["send the message, then a line with one dot".to_owned()]));
        self.wire.flush().await?;
        let arrived = self.receive(DataReader::new(keep), share).await?;
        let close = !arrived.ended;
        for reply in transaction.finish(&self.service, self.client.clone(), arrived, replies).await {
            self.wire.say(&reply);
        }
        self.idle_commands = 0;
        self.deadline = Instant::now() + self.service.limits.transaction;
        if close { Err(End::Said) } else { Ok(()) }
    }

    /// Reads a message to its end.
    async fn receive(&mut self, mut reader: DataReader, share: Share) -> Result<Arrived, End> {
        let limits = self.service.limits.clone();
        let mut share = Some(share);
        let begun = Instant::now();
        loop {
            self.make_room(&mut reader, &mut share).await;
            let used = reader.feed(self.wire.input());
            self.wire.take(used);
            if reader.ended() || reader.size() > limits.dropped.saturating_add(reader.keep()) {
                break;
            }
            let paid = Duration::from_secs(reader.size() / limits.data_rate.max(1));
            let deadline = (Instant::now() + limits.idle).min(begun + limits.idle + paid).min(self.deadline);
            self.wire.fill(deadline, limits.stop).await?;
        }
        let (size, ended, refusal) = (reader.size(), reader.ended(), reader.fault().map(Reply::from));
        Ok(Arrived { message: reader.into_message(), size, ended, refusal, share })
    }

    /// Makes room for the input that is there; without memory for it, the message is only read to its end.
    async fn make_room(&mut self, reader: &mut DataReader, share: &mut Option<Share>) {
        let Some(held) = share.as_mut().filter(|_| reader.keeps()) else {
            *share = None;
            return;
        };
        // The input may go on behind the message, so this can be more than will be used.
        let needed = reader.size().saturating_add(self.wire.input().len() as u64).min(reader.keep());
        let larger = needed.max(2 * held.octets()).min(reader.keep());
        if needed > held.octets() && !held.grow(&self.service.memory, larger).await {
            reader.refuse(Fault::NoMemory);
            *share = None;
        } else {
            reader.make_room(held.octets());
        }
    }
}

/// Takes the recipient into the transaction, if it may be taken.
async fn recipient_reply(service: &Service, transaction: &mut Transaction, address: &str) -> Reply {
    if transaction.accepted() >= service.limits.recipients {
        // RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
        return Reply::new(452, "4.5.3", "too many recipients for one message");
    }
    if !transaction.mail().smtputf8 && !address.is_ascii() {
        return Reply::needs_smtputf8();
    }
    if !transaction.repeat(address) {
        match max_size(service, address).await {
            // RFC 1870 §6.2: SIZE is held against this recipient's limit as well.
            Ok(limit) if transaction.mail().size > Some(limit) => return Reply::too_large(limit),
            Ok(limit) => transaction.add(address.to_owned(), limit),
            Err(refusal) => return refusal,
        }
    }
    Reply::new(250, "2.1.5", "the envelope recipient is noted")
}

/// The largest message that the recipient takes, or why there is no such recipient.
async fn max_size(service: &Service, address: &str) -> Result<u64, Reply> {
    match service.recipient(address).await {
        Some(Verdict::Accept { max_size }) => Ok(service.limit(max_size)),
        Some(Verdict::Unknown) => Err(Reply::unknown_recipient()),
        Some(Verdict::Invalid(reason)) => Err(Reply::new(553, "5.1.3", &reason)),
        Some(Verdict::Unavailable(reason)) => {
            tracing::warn!(envelope_recipient = address, reason, "whether it exists cannot be said now");
            Err(Reply::unavailable())
        }
        None => Err(Reply::unavailable()),
    }
}

#[cfg(test)]
mod tests;
