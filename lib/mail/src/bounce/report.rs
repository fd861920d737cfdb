//! What was read.

use listmill_core::Cause;

use crate::message::Message;

use super::{Feedback, StatusCode};

/// Octets of the text of one failure.
pub(crate) const MAX_TEXT: usize = 512;

/// Octets of the header section of a message that came back.
pub(crate) const MAX_HEADER: usize = 64 * 1024;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It tells that a delivery has failed for good.
    Bounce,
    /// It tells that a delivery is late, and will be tried again.
    Delayed,
    /// Somebody, or a provider, complains about a message (RFC 5965).
    Feedback,
    /// A program answers: a vacation note, a challenge, a receipt (RFC 8098).
    AutoReply,
    /// Anything else; a person's message, for one, or word of a delivery that succeeded.
    Other,
}

impl Kind {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bounce => "bounce",
            Kind::Delayed => "delayed",
            Kind::Feedback => "feedback",
            Kind::AutoReply => "auto-reply",
            Kind::Other => "other",
        }
    }
}

/// What a message at a bounce address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub kind: Kind,
    /// What it was recognised by: `rfc3464`, or the name of a recogniser; for a log and for `bounce explain`.
    pub form: &'static str,
    /// Whom it names, each once: who did not get the message, or has not got it yet. Empty for all other kinds, and for a bounce that names nobody.
    pub recipients: Vec<Failure>,
    /// What a bounce says that names nobody; its address is empty. Who knows from the return path whom it is about can use it.
    pub unnamed: Option<Failure>,
    /// Of [`Kind::Feedback`]: what the complaint says.
    pub feedback: Option<Feedback>,
    /// The message that it is about, as far as it came back.
    pub original: Option<Original>,
}

impl Report {
    /// A report of this kind about nobody.
    pub(crate) fn of(kind: Kind, form: &'static str) -> Self {
        Report { kind, form, recipients: Vec::new(), unnamed: None, feedback: None, original: None }
    }
}

/// One recipient of whom a report says that the message did not arrive, or not yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The address as it is reported; that which we sent to, where the report has both (RFC 3464 §2.3.1). It may be in a
    /// form that no member's address has.
    pub address: String,
    /// The enhanced status code, of its own field or found in the text.
    pub status: Option<StatusCode>,
    /// Whose fault it is.
    pub cause: Cause,
    /// It has failed, and the fault is the recipient's: it may count against a member. Never true of what is late.
    pub scores: bool,
    /// It has not failed: the message is late, and will be tried again. A bounce may tell of such recipients beside others.
    pub delayed: bool,
    /// Trying again later would not help.
    pub hard: bool,
    /// What the last host said, in one line of bounded length; empty where nothing is reported.
    pub text: String,
    /// The host that said it.
    pub remote_mta: Option<String>,
}

/// The message that came back: its header section, as far as the report has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The header fields, their lines ended by LF, without the empty line behind them. At most 64 KiB.
    pub header: Vec<u8>,
}

impl Original {
    /// The header section as a message without a body.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.header)
    }

    /// The Message-ID without its angle brackets; empty when there is none.
    pub fn message_id(&self) -> String {
        self.message().message_id()
    }

    /// The identifier of its List-Id field, without the angle brackets (RFC 2919).
    pub fn list_id(&self) -> Option<String> {
        let value = self.message().text("List-Id")?;
        let inner =
            value.rsplit_once('<').map_or(value.as_str(), |(_, rest)| rest).split('>').next().unwrap_or_default();
        Some(inner.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// The envelope sender that it left with, where a host on the way has written it down; for our mail the signed return
    /// path.
    pub fn return_path(&self) -> Option<String> {
        let message = self.message();
        let fields = ["Return-Path", "X-Envelope-From", "X-MailFrom", "X-Original-Return-Path", "Errors-To", "Sender"];
        fields.iter().find_map(|name| message.addresses(name).into_iter().map(|(_, address)| address).next())
    }
}
