//! Line 1: its fields in the order in which they are written, and the limits of the three parts.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, EntryId, Envelope, Facts, FormatVersion, Hop, Priority, Queue, instant, json};

/// The most bytes of line 1, without its LF.
pub(crate) const MAX_HEAD: u64 = 1 << 20;
/// The most bytes of the message.
pub(crate) const MAX_MESSAGE: u64 = 1 << 30;
/// The most bytes of the distribution list.
pub(crate) const MAX_RECIPIENTS: u64 = 1 << 26;
/// The most bytes of a message file: its three parts and the LF behind line 1. What is larger is none, and need not be read.
pub const MAX_FILE: u64 = MAX_HEAD + 1 + MAX_MESSAGE + MAX_RECIPIENTS;

/// Line 1, in the order in which it is written. Borrowed when it is written, owned when it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) format: FormatVersion,
    pub(crate) id: EntryId,
    pub(crate) queue: Queue,
    #[serde(with = "instant")]
    pub(crate) arrived: Timestamp,
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) priority: Priority,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<Timestamp>,
    #[serde(default, with = "instant::optional", skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    pub(crate) envelope: Cow<'a, Envelope>,
    #[serde(default)]
    pub(crate) facts: Cow<'a, Facts>,
    #[serde(default)]
    pub(crate) trace: Cow<'a, [Hop]>,
    #[serde(flatten)]
    pub(crate) other: Cow<'a, Map<String, Value>>,
    #[serde(deserialize_with = "json::closed")]
    pub(crate) message: MessageSize,
    #[serde(deserialize_with = "json::closed")]
    pub(crate) recipients: RecipientsSize,
}

/// The message part: its length in bytes and its digest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageSize {
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// The distribution list part: its lines and its length in bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecipientsSize {
    pub(crate) count: u64,
    pub(crate) size: u64,
}
