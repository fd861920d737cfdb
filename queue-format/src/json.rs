//! Line 1 as JSON: the head of an entry, and a reader that refuses a name given twice.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, EntryId, Envelope, Facts, FormatVersion, Hop, Priority, Queue};
use jiff::Timestamp;

/// Line 1, in the order in which it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) format: FormatVersion,
    pub(crate) id: EntryId,
    pub(crate) queue: Queue,
    pub(crate) arrived: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<String>,
    #[serde(default)]
    pub(crate) priority: Priority,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    pub(crate) envelope: Envelope,
    #[serde(default)]
    pub(crate) facts: Facts,
    #[serde(default)]
    pub(crate) trace: Vec<Hop>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
    pub(crate) message: MessageSize,
    pub(crate) recipients: RecipientsSize,
}

/// The message part: its length in bytes and its digest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MessageSize {
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// The distribution list part: its lines and its length in bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RecipientsSize {
    pub(crate) count: u64,
    pub(crate) size: u64,
}
