//! One entry: line 1, the message, the distribution list.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EntryId, Facts, FormatVersion, Queue, instant, json};

/// One entry of a queue: what its message file holds.
///
/// Fields that this version does not know are kept, in their place, in the `other` maps.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The format version that its writer used.
    pub format: FormatVersion,
    /// The identity of the entry.
    pub id: EntryId,
    /// The queue that it waits in.
    pub queue: Queue,
    /// When the message came to us, whatever became of it since.
    pub arrived: Timestamp,
    /// The posting address of the list that it concerns; absent until inbound has said which.
    pub list: Option<String>,
    /// Which entries overtake which.
    pub priority: Priority,
    /// How often the reader of this queue has tried and put it off.
    pub attempts: u32,
    /// Not to be claimed before this instant.
    pub not_before: Option<Timestamp>,
    /// To be given up at this instant.
    pub expires: Option<Timestamp>,
    /// The envelope it came with (RFC 5321 §2.3.1), or leaves with when the recipients have no return path of their own.
    pub envelope: Envelope,
    /// What earlier stages established.
    pub facts: Facts,
    /// One record per hop, oldest first.
    pub trace: Vec<Hop>,
    /// Fields of line 1 that this version does not know.
    pub other: Map<String, Value>,
    /// The message (RFC 5322), byte for byte.
    pub message: Arc<[u8]>,
    /// The distribution list.
    pub recipients: Vec<Recipient>,
}

/// The envelope of a message (RFC 5321 §2.3.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The envelope sender; empty for the null reverse-path.
    pub sender: String,
    /// The envelope recipients that this entry stands for.
    pub recipients: Vec<String>,
    /// The message needs SMTPUTF8 (RFC 6531).
    #[serde(default, skip_serializing_if = "is_false")]
    pub smtputf8: bool,
    /// What BODY= said (RFC 6152).
    #[serde(default, skip_serializing_if = "BodyKind::is_seven_bit")]
    pub body: BodyKind,
    /// The client that handed the message in.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The body of the message as the envelope declares it (RFC 6152).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub enum BodyKind {
    /// Lines of US-ASCII.
    #[default]
    #[serde(rename = "7bit")]
    SevenBit,
    /// Lines of octets.
    #[serde(rename = "8bitmime")]
    EightBitMime,
}

// Words are read from strings alone: serde's own reader of enums takes `{"7bit":null}` as well.
impl TryFrom<String> for BodyKind {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "7bit" => Ok(BodyKind::SevenBit),
            "8bitmime" => Ok(BodyKind::EightBitMime),
            _ => Err(format!("{word:?} is not a kind of body (7bit, 8bitmime)")),
        }
    }
}

impl BodyKind {
    fn is_seven_bit(&self) -> bool {
        *self == BodyKind::SevenBit
    }
}

/// Who handed the message in, as our server saw it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// IP address, or the path of the local socket, or "local" for a program on this host.
    pub address: String,
    /// What it called itself in HELO, EHLO or LHLO.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub helo: String,
    /// "LMTP", "SMTP", "ESMTP" or "local" (RFC 3848).
    pub protocol: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which entries overtake which: all of a higher class go first, except that each class always makes some progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Priority {
    /// Somebody waits for it: confirmations, notices.
    High,
    /// Posts.
    #[default]
    Normal,
    /// The later pages of a long distribution list.
    Low,
}

impl TryFrom<String> for Priority {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "high" => Ok(Priority::High),
            "normal" => Ok(Priority::Normal),
            "low" => Ok(Priority::Low),
            _ => Err(format!("{word:?} is not a priority class (high, normal, low)")),
        }
    }
}

impl Priority {
    /// 1 is the most urgent; the digit that the disk backend puts into file names.
    pub fn rank(self) -> u8 {
        match self {
            Priority::High => 1,
            Priority::Normal => 5,
            Priority::Low => 9,
        }
    }
}

/// One hop of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The runner that decided.
    pub runner: String,
    /// The host that it ran on.
    pub host: String,
    /// When.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// The disposition: forward, hold, reject, discard, defer, shunt, deliver.
    pub disposition: String,
    /// Why, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One line of the distribution list: all that outbound needs and the store knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where this copy goes.
    pub address: String,
    /// The envelope sender of this copy: VERP, already signed; empty for the null reverse-path.
    pub return_path: String,
    /// Header fields of this copy alone, each a whole field without its final CRLF; put in front of the message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// How the last attempt ended; what a bounce entry reports.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What the next host said about one recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// When.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// Reply code (RFC 5321 §4.2); 0 where no reply came.
    pub code: u16,
    /// Enhanced status code (RFC 3463), as in "5.1.1".
    pub status: String,
    /// The text of the reply, or what went wrong.
    pub text: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Entry {
    /// A new entry for a message that has just arrived; it waits in the inbound queue.
    pub fn arrived(id: EntryId, now: Timestamp, envelope: Envelope, message: Arc<[u8]>) -> Self {
        Entry {
            format: FormatVersion::CURRENT,
            id,
            queue: Queue::Inbound,
            arrived: now,
            list: None,
            priority: Priority::Normal,
            attempts: 0,
            not_before: None,
            expires: None,
            envelope,
            facts: Facts::default(),
            trace: Vec::new(),
            other: Map::new(),
            message,
            recipients: Vec::new(),
        }
    }

    /// The `ordinal`-th entry that `stage` writes from this one, bound for `queue`: everything is kept but the
    /// identity, the schedule, the priority class and the distribution list.
    #[must_use]
    pub fn derive(&self, stage: &str, ordinal: u32, queue: Queue) -> Self {
        Entry {
            id: self.id.derive(stage, ordinal),
            queue,
            attempts: 0,
            not_before: None,
            expires: None,
            priority: Priority::Normal,
            recipients: Vec::new(),
            ..self.clone()
        }
    }
}
