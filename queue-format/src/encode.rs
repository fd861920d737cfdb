//! Writing a message file.

use crate::json::{Head, MessageSize, RecipientsSize};
use crate::{Digest, Entry, FormatVersion};

/// An entry that this version must not or cannot write.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Written by a newer minor version: rewriting it could lose what only that version understands.
    #[error("this entry is in format {0}, which is newer than {current}: leave it to a newer runner", current = FormatVersion::CURRENT)]
    NewerVersion(FormatVersion),
    /// A value has no form in JSON.
    #[error("a field has no form in JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The bytes of the message file of `entry`.
///
/// # Errors
/// [`EncodeError::NewerVersion`] when the entry was written by a newer minor version than this one.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, EncodeError> {
    if !entry.format.is_writable() {
        return Err(EncodeError::NewerVersion(entry.format));
    }
    let mut list = Vec::new();
    for recipient in &entry.recipients {
        serde_json::to_writer(&mut list, recipient)?;
        list.push(b'\n');
    }
    let head = Head {
        format: entry.format,
        id: entry.id,
        queue: entry.queue,
        arrived: entry.arrived,
        list: entry.list.clone(),
        priority: entry.priority,
        attempts: entry.attempts,
        not_before: entry.not_before,
        expires: entry.expires,
        envelope: entry.envelope.clone(),
        facts: entry.facts.clone(),
        trace: entry.trace.clone(),
        other: entry.other.clone(),
        message: MessageSize { size: entry.message.len() as u64, sha256: Digest::of(&entry.message) },
        recipients: RecipientsSize { count: entry.recipients.len() as u64, size: list.len() as u64 },
    };
    let mut bytes = serde_json::to_vec(&head)?;
    bytes.reserve(1 + entry.message.len() + list.len());
    bytes.push(b'\n');
    bytes.extend_from_slice(&entry.message);
    bytes.extend_from_slice(&list);
    Ok(bytes)
}
