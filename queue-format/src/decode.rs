//! Reading a message file.

use std::sync::Arc;

use crate::json::Head;
use crate::{Digest, Entry, FormatVersion, Recipient, VersionError};

/// Why bytes are not an entry. All but [`DecodeError::NewerMajor`] mean that the file is *corrupt*: set it aside, never retry it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before line 1 does.
    #[error("line 1 does not end")]
    NoHead,
    /// Line 1 is not the JSON object that it must be.
    #[error("line 1: {0}")]
    Head(#[source] serde_json::Error),
    /// Line 1 names no version of this format.
    #[error("line 1: {0}")]
    Format(#[from] VersionError),
    /// A major version that this reader does not know.
    #[error("format {0} is not known to this version: leave it to a newer runner")]
    NewerMajor(FormatVersion),
    /// The parts are shorter or longer than line 1 says.
    #[error("the file has {found} bytes behind line 1 where line 1 says {expected}")]
    Size {
        /// What line 1 says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The message is not the one that line 1 was written for.
    #[error("the message has the SHA-256 {found} where line 1 says {expected}")]
    Digest {
        /// What line 1 says.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
    /// A line of the distribution list is not what it must be.
    #[error("line {line} of the distribution list: {reason}")]
    Recipient {
        /// Counting from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The distribution list has another number of lines.
    #[error("the distribution list has {found} lines where line 1 says {expected}")]
    Count {
        /// What line 1 says.
        expected: u64,
        /// What is there.
        found: u64,
    },
}

/// The entry in these bytes.
///
/// # Errors
/// See [`DecodeError`]; every proper prefix of a valid entry is an error.
pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let (head, rest) = head(bytes)?;
    let expected = head.message.size.saturating_add(head.recipients.size);
    if rest.len() as u64 != expected {
        return Err(DecodeError::Size { expected, found: rest.len() as u64 });
    }
    let split = usize::try_from(head.message.size).expect("is not above the length of a slice");
    let (message, list) = rest.split_at(split);
    let found = Digest::of(message);
    if found != head.message.sha256 {
        return Err(DecodeError::Digest { expected: head.message.sha256, found });
    }
    let recipients = recipients(list)?;
    if recipients.len() as u64 != head.recipients.count {
        return Err(DecodeError::Count { expected: head.recipients.count, found: recipients.len() as u64 });
    }
    Ok(assemble(head, Arc::from(message), recipients))
}

/// The entry in these bytes as far as line 1 tells it: message and distribution list stay empty.
///
/// For listing a queue without reading the messages.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_head(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let (head, _) = head(bytes)?;
    Ok(assemble(head, Arc::from([]), Vec::new()))
}

fn head(bytes: &[u8]) -> Result<(Head, &[u8]), DecodeError> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(DecodeError::NoHead)?;
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(DecodeError::Head)?;
    if !head.format.is_readable() {
        return Err(DecodeError::NewerMajor(head.format));
    }
    Ok((head, &bytes[end + 1..]))
}

fn recipients(list: &[u8]) -> Result<Vec<Recipient>, DecodeError> {
    let mut recipients = Vec::new();
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        let number = recipients.len() as u64 + 1;
        let wrong = |reason: String| DecodeError::Recipient { line: number, reason };
        let line = line.strip_suffix(b"\n").ok_or_else(|| wrong("it does not end".to_owned()))?;
        recipients.push(serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(recipients)
}

fn assemble(head: Head, message: Arc<[u8]>, recipients: Vec<Recipient>) -> Entry {
    Entry {
        format: head.format,
        id: head.id,
        queue: head.queue,
        arrived: head.arrived,
        list: head.list,
        priority: head.priority,
        attempts: head.attempts,
        not_before: head.not_before,
        expires: head.expires,
        envelope: head.envelope,
        facts: head.facts,
        trace: head.trace,
        other: head.other,
        message,
        recipients,
    }
}
