//! Writing a message file.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::head::{Head, MAX_HEAD, MAX_MESSAGE, MAX_RECIPIENTS, MessageSize, RecipientsSize};
use crate::json::{self, JsonFault};
use crate::{Digest, Entry, FormatVersion, Recipient};

/// An entry that this version must not or cannot write.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Written by a newer minor version: rewriting it could lose what only that version understands.
    #[error("this entry is in format {0}, which is newer than {current}: leave it to a newer runner", current = FormatVersion::CURRENT)]
    NewerVersion(FormatVersion),
    /// A value has no form in JSON.
    #[error("a field has no form in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// An unknown field takes the name of a known one, or holds a number or a nesting that no reader takes.
    #[error("an unknown field cannot be written: {0}")]
    Unknown(String),
    /// A part would be longer than the format allows: give the entry fewer recipients or fewer facts.
    #[error("{part} has {size} bytes where the format allows {limit}")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// What it has.
        size: u64,
        /// What the format allows.
        limit: u64,
    },
}

impl From<JsonFault> for EncodeError {
    fn from(fault: JsonFault) -> Self {
        EncodeError::Unknown(fault.to_string())
    }
}

/// The bytes of the message file of `entry`. What it returns, [`decode`](crate::decode) takes.
///
/// # Errors
/// [`EncodeError::NewerVersion`] when the entry was written by a newer minor version than this one; the others mean
/// that the program put into the entry what the format cannot hold.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, EncodeError> {
    if !entry.format.is_writable() {
        return Err(EncodeError::NewerVersion(entry.format));
    }
    within("the message", entry.message.len(), MAX_MESSAGE)?;
    let list = distribution_list(&entry.recipients)?;
    within("the distribution list", list.len(), MAX_RECIPIENTS)?;
    let mut bytes = serde_json::to_vec(&head(entry, list.len()))?;
    within("line 1", bytes.len(), MAX_HEAD)?;
    if carries_unknown(entry) {
        json::object(&bytes)?;
    }
    bytes.reserve_exact(1 + entry.message.len() + list.len());
    bytes.push(b'\n');
    bytes.extend_from_slice(&entry.message);
    bytes.extend_from_slice(&list);
    Ok(bytes)
}

fn distribution_list(recipients: &[Recipient]) -> Result<Vec<u8>, EncodeError> {
    let mut list = Vec::new();
    for recipient in recipients {
        let start = list.len();
        serde_json::to_writer(&mut list, recipient)?;
        let unknown = !recipient.other.is_empty() || recipient.outcome.as_ref().is_some_and(|it| !it.other.is_empty());
        if unknown {
            json::object(&list[start..])?;
        }
        list.push(b'\n');
    }
    Ok(list)
}

fn head(entry: &Entry, list_size: usize) -> Head<'_> {
    Head {
        format: entry.format,
        id: entry.id,
        queue: entry.queue,
        arrived: entry.arrived,
        list: entry.list.as_deref().map(Cow::Borrowed),
        priority: entry.priority,
        attempts: entry.attempts,
        not_before: entry.not_before,
        expires: entry.expires,
        envelope: Cow::Borrowed(&entry.envelope),
        facts: Cow::Borrowed(&entry.facts),
        trace: Cow::Borrowed(&entry.trace),
        other: Cow::Borrowed(&entry.other),
        message: MessageSize { size: entry.message.len() as u64, sha256: Digest::of(&entry.message) },
        recipients: RecipientsSize { count: entry.recipients.len() as u64, size: list_size as u64 },
    }
}

/// Whether line 1 has anything that its types do not already keep within the format: only then it is read over.
fn carries_unknown(entry: &Entry) -> bool {
    let facts = &entry.facts;
    let mut open: Vec<&Map<String, Value>> = vec![&entry.other, &entry.envelope.other, &facts.other];
    open.extend(entry.envelope.client.iter().map(|it| &it.other));
    open.extend(facts.subaddress.iter().map(|it| &it.other));
    open.extend(facts.author.iter().map(|it| &it.other));
    open.extend(facts.authentication.iter().flat_map(|it| [&it.properties, &it.other]));
    open.extend(facts.rules.iter().map(|it| &it.other));
    open.extend(facts.approved.iter().map(|it| &it.other));
    open.extend(facts.cursor.iter().map(|it| &it.other));
    open.extend(entry.trace.iter().map(|it| &it.other));
    open.iter().any(|map| !map.is_empty())
}

fn within(part: &'static str, size: usize, limit: u64) -> Result<(), EncodeError> {
    let size = size as u64;
    if size > limit { Err(EncodeError::TooLarge { part, size, limit }) } else { Ok(()) }
}
