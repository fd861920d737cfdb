//! Mail as people write it, and the letters that they get.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a harness for tests: a failure is the end of the test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use listmill_mail::message::Message;
use mail_parser::MessageParser;

use crate::sink::Received;

/// The host whose Authentication-Results the sites of tests believe.
pub const TRUSTED: &str = "mx.example.org";

/// A message that somebody writes.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The address in From.
    pub author: String,
    /// Where it goes: the one recipient, in To and in the envelope.
    pub to: String,
    /// The envelope sender.
    pub sender: String,
    from: String,
    subject: String,
    id: String,
    on_top: Vec<String>,
    fields: Vec<String>,
    body: Vec<u8>,
}

impl Mail {
    /// A message with no text, and nothing that speaks for its author.
    pub fn new(author: &str, to: &str) -> Mail {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Mail {
            author: author.to_owned(),
            to: to.to_owned(),
            sender: author.to_owned(),
            from: format!("<{author}>"),
            subject: String::new(),
            id: format!("{number}.mail@example.com"),
            on_top: Vec::new(),
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With this subject, as it stands in the field.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Mail {
        subject.clone_into(&mut self.subject);
        self
    }

    /// With this text; its lines end in LF.
    #[must_use]
    pub fn text(mut self, text: &str) -> Mail {
        self.body = text.replace('\n', "\r\n").into_bytes();
        self
    }

    /// With one field more, without its line end.
    #[must_use]
    pub fn field(mut self, field: &str) -> Mail {
        self.fields.push(field.to_owned());
        self
    }

    /// With this From field, in which the author stands in another form.
    #[must_use]
    pub fn from(mut self, from: &str) -> Mail {
        from.clone_into(&mut self.from);
        self
    }

    /// From this envelope sender; empty for the null one.
    #[must_use]
    pub fn sender(mut self, sender: &str) -> Mail {
        sender.clone_into(&mut self.sender);
        self
    }

    /// With this Message-ID, without angle brackets.
    #[must_use]
    pub fn identified(mut self, id: &str) -> Mail {
        id.clone_into(&mut self.id);
        self
    }

    /// To another address.
    #[must_use]
    pub fn readdressed(mut self, to: &str) -> Mail {
        to.clone_into(&mut self.to);
        self
    }

    /// The trusted host says that the author's domain stands behind it.
    #[must_use]
    pub fn proven(self) -> Mail {
        self.vouched_by(TRUSTED)
    }

    /// This host says so.
    #[must_use]
    pub fn vouched_by(mut self, host: &str) -> Mail {
        let domain = self.author.rsplit_once('@').unwrap().1;
        self.on_top.push(format!("Authentication-Results: {host}; dmarc=pass header.from={domain}"));
        self
    }

    /// Its Message-ID, without angle brackets.
    pub fn message_id(&self) -> &str {
        &self.id
    }

    /// The message.
    pub fn bytes(&self) -> Vec<u8> {
        let mut lines = self.on_top.clone();
        lines.push(format!("From: {}", self.from));
        lines.push(format!("To: <{}>", self.to));
        lines.push(format!("Subject: {}", self.subject));
        lines.push("Date: Sun, 22 Nov 2026 09:30:00 +0000".to_owned());
        lines.push(format!("Message-ID: <{}>", self.id));
        lines.extend(self.fields.iter().cloned());
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        bytes.extend(&self.body);
        if !bytes.ends_with(b"\r\n") {
            bytes.extend(b"\r\n");
        }
        bytes
    }
}

/// A message that somebody has received, read.
#[derive(Clone)]
pub struct Letter {
    /// Whom it was delivered to.
    pub to: String,
    /// MAIL FROM.
    pub return_path: String,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its subject, decoded.
    pub subject: String,
    /// Its first text, decoded; its lines end in LF.
    pub text: String,
}

impl std::fmt::Debug for Letter {
    /// As a failed test shows it: for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "to {} from <{}>:\n{}", self.to, self.return_path, String::from_utf8_lossy(&self.data))
    }
}

impl Letter {
    /// What the sink has received, one for each recipient.
    pub fn read(received: &Received) -> Vec<Letter> {
        let parsed = MessageParser::default().parse(&received.data).unwrap_or_else(|| panic!("{received:?}"));
        let text = parsed.body_text(0).map(|text| text.replace("\r\n", "\n")).unwrap_or_default();
        let letter = |to: &String| Letter {
            to: to.clone(),
            return_path: received.return_path.clone(),
            data: received.data.clone(),
            subject: parsed.subject().unwrap_or_default().to_owned(),
            text: text.clone(),
        };
        received.recipients.iter().map(letter).collect()
    }

    /// The decoded value of its first field of this name; empty without one.
    pub fn field(&self, name: &str) -> String {
        Message::parse(&self.data).text(name).unwrap_or_default()
    }

    /// It is a copy of a post, and not a letter from us to a person.
    pub fn is_copy(&self) -> bool {
        self.field("Precedence") == "list"
    }

    /// Where an answer goes.
    pub fn answers_go_to(&self) -> String {
        let field = Some(self.field("Reply-To")).filter(|field| !field.is_empty());
        let field = field.unwrap_or_else(|| self.field("From"));
        let address = field.rsplit_once('<').map_or(field.as_str(), |(_, rest)| rest);
        address.trim_end_matches('>').to_owned()
    }

    /// The address behind this word in its text, as `dev-approve+12.…@lists.example.org`.
    pub fn address(&self, word: &str) -> String {
        let mut words = self.text.split(|c: char| c.is_whitespace() || "<>?:".contains(c));
        let wanted = format!("-{word}+");
        let found = words.find(|text| text.contains(&wanted) && text.contains('@'));
        found.unwrap_or_else(|| panic!("no -{word}+ address in {}", self.text)).to_owned()
    }

    /// An answer with these words above the quoted letter, as most programs write it: nothing speaks for its author.
    pub fn answer(&self, words: &str) -> Mail {
        let quoted: String = self.text.lines().map(|line| format!("> {line}").trim_end().to_owned() + "\n").collect();
        let from = self.field("From");
        let text = format!("{words}\n\nOn Sun, 22 Nov 2026 at 09:30, {from} wrote:\n{quoted}");
        self.bare_answer().text(&text)
    }

    /// An answer without any text.
    pub fn bare_answer(&self) -> Mail {
        let id = self.field("Message-ID");
        Mail::new(&self.to, &self.answers_go_to())
            .subject(&format!("Re: {}", self.subject))
            .field(&format!("In-Reply-To: {id}"))
            .field(&format!("References: {id}"))
    }
}
