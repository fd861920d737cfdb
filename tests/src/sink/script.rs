//! What the sink offers, and how it answers.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Identity;

/// How the sink behaves; the default takes everything.
pub struct Script {
    /// The lines of the reply to EHLO.
    pub extensions: Vec<String>,
    /// Encryption.
    pub security: Security,
    /// User and password that MAIL needs.
    pub login: Option<(String, String)>,
    /// It speaks LMTP.
    pub lmtp: bool,
    /// It throws away what was sent behind a dot before it has answered that.
    pub forgetful: bool,
    /// The most recipients of a transaction (RFC 5321 §4.5.3.1.10).
    pub most: usize,
    /// So many octets of each message are kept; what is looked at is looked at in the whole of it.
    pub keep: usize,
    /// What it says at each step.
    pub answer: Box<dyn Fn(&Asked<'_>) -> Answer + Send + Sync>,
}

/// How the sink is encrypted.
pub enum Security {
    /// Not at all.
    None,
    /// After STARTTLS, with this certificate.
    StartTls(Identity),
    /// From the first byte.
    Implicit(Identity),
}

/// A step of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The client has connected.
    Greeting,
    /// EHLO or LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH, and each of its answers.
    Auth,
    /// MAIL; the argument is the return path.
    Mail,
    /// RCPT; the argument is the address.
    Rcpt,
    /// DATA; the argument is the first recipient.
    Data,
    /// The final dot; the argument is the first recipient. In LMTP: once for each.
    Dot,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

/// What the sink is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The step.
    pub step: Step,
    /// What stands behind the command.
    pub argument: &'a str,
    /// How often this step with this argument has been asked before, on any connection.
    pub before: usize,
    /// The number of the connection, counting from 0.
    pub connection: usize,
    /// How many transactions this connection has done.
    pub transactions: usize,
}

/// What the sink does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What a server would say.
    Usual,
    /// This line, or these: with CRLF between them, none at the end.
    Say(String),
    /// The same, and closes the connection.
    SayAndClose(String),
    /// These bytes.
    Raw(Vec<u8>),
    /// These bytes, each in a packet of its own.
    InPieces(Vec<u8>),
    /// Closes the connection without a word.
    Close,
    /// For DATA: says 354 and closes the connection after so many bytes.
    CloseWithin(usize),
    /// Says nothing any more.
    Stall,
    /// Says nothing until the gate is open, and then this line.
    Until(Gate, String),
}

/// What some answers wait for; clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed one.
    pub fn closed() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// From now on nobody waits here.
    pub fn open(&self) {
        self.0.close();
    }

    pub(super) async fn passed(&self) {
        // An error is what tells that it is open.
        let _ = self.0.acquire().await;
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Gate) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

impl Answer {
    /// A line.
    pub fn say(line: &str) -> Answer {
        Answer::Say(line.to_owned())
    }

    /// Is the client told 2xx or 3xx, where `usual` is said as a rule?
    pub(super) fn is_good(&self, usual: &str) -> bool {
        match self {
            Answer::Usual => usual.starts_with(['2', '3']),
            Answer::Say(line) | Answer::SayAndClose(line) | Answer::Until(_, line) => line.starts_with(['2', '3']),
            Answer::Raw(bytes) | Answer::InPieces(bytes) => matches!(bytes.first(), Some(b'2' | b'3')),
            Answer::Close | Answer::CloseWithin(_) | Answer::Stall => false,
        }
    }
}

impl Default for Script {
    fn default() -> Self {
        let extensions = ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];
        Script {
            extensions: extensions.map(str::to_owned).to_vec(),
            security: Security::None,
            login: None,
            lmtp: false,
            forgetful: false,
            most: usize::MAX,
            keep: usize::MAX,
            answer: Box::new(|_| Answer::Usual),
        }
    }
}

impl Script {
    /// Answers like this.
    pub fn answering(answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Script {
        Script { answer: Box::new(answer), ..Script::default() }
    }

    /// Does not offer this extension.
    #[must_use]
    pub fn without(mut self, keyword: &str) -> Script {
        self.extensions.retain(|line| line.split(' ').next() != Some(keyword));
        self
    }

    /// Offers this too.
    #[must_use]
    pub fn with(mut self, line: &str) -> Script {
        self.extensions.push(line.to_owned());
        self
    }

    /// Encrypted like this.
    #[must_use]
    pub fn secured(self, security: Security) -> Script {
        Script { security, ..self }
    }

    pub(super) fn offers(&self, keyword: &str) -> bool {
        self.extensions.iter().any(|line| line.split(' ').next() == Some(keyword))
    }
}
