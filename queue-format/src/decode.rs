//! Reading a message file.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use crate::head::{Head, MAX_HEAD, MAX_MESSAGE, MAX_RECIPIENTS};
use crate::json::{self, JsonFault};
use crate::{Digest, Entry, FormatVersion, Recipient, VersionError};

/// Why bytes are not an entry. All but [`DecodeError::NewerMajor`] mean that the file is *corrupt*: set it aside, never retry it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before line 1 does.
    #[error("line 1 does not end")]
    NoHead,
    /// A part is longer than this format allows.
    #[error("{part} has {size} bytes or more where the format allows {limit}")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// What it has or says it has.
        size: u64,
        /// What the format allows.
        limit: u64,
    },
    /// Line 1 is not a JSON object as SPEC.md has it.
    #[error("line 1: {0}")]
    Json(String),
    /// A name stands twice in one object of line 1.
    #[error("line 1: the name {0:?} stands twice in one object")]
    DuplicateName(String),
    /// A field of line 1 is missing or is not what it must be.
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

impl DecodeError {
    /// The word of SPEC.md for this error: the same in every language and every release, for vectors, figures and scripts.
    pub fn word(&self) -> &'static str {
        match self {
            DecodeError::NoHead => "no-head",
            DecodeError::TooLarge { .. } => "too-large",
            DecodeError::Json(_) => "json",
            DecodeError::DuplicateName(_) => "duplicate-name",
            DecodeError::Format(_) => "format",
            DecodeError::NewerMajor(_) => "newer-major",
            DecodeError::Head(_) => "field",
            DecodeError::Size { .. } => "size",
            DecodeError::Digest { .. } => "digest",
            DecodeError::Recipient { .. } => "recipient",
            DecodeError::Count { .. } => "count",
        }
    }
}

impl From<JsonFault> for DecodeError {
    fn from(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Json(reason) => DecodeError::Json(reason),
            JsonFault::DuplicateName(name) => DecodeError::DuplicateName(name),
        }
    }
}

/// The entry in these bytes.
///
/// # Errors
/// See [`DecodeError`]; every proper prefix of a valid entry is an error.
pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let (head, rest) = head(bytes)?;
    let expected = head.message.size + head.recipients.size;
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
/// For listing a queue without reading the messages: the bytes may end anywhere behind line 1.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_head(bytes: &[u8]) -> Result<Entry, DecodeError> {
    let (head, _) = head(bytes)?;
    Ok(assemble(head, Arc::from([]), Vec::new()))
}

/// Line 1 and what follows it. The version is looked at before any other field: a newer major version may have
/// changed them all.
fn head(bytes: &[u8]) -> Result<(Head<'static>, &[u8]), DecodeError> {
    let longest = usize::try_from(MAX_HEAD).expect("a mebibyte fits");
    let Some(end) = bytes.iter().take(longest + 1).position(|byte| *byte == b'\n') else {
        within("line 1", bytes.len() as u64, MAX_HEAD)?;
        return Err(DecodeError::NoHead);
    };
    let fields = json::object(&bytes[..end])?;
    let format: FormatVersion = match fields.get("format") {
        Some(Value::String(text)) => text.parse()?,
        other => return Err(VersionError(other.map(Value::to_string).unwrap_or_default()).into()),
    };
    if !format.is_readable() {
        return Err(DecodeError::NewerMajor(format));
    }
    let head = Head::deserialize(Value::Object(fields)).map_err(DecodeError::Head)?;
    within("the message", head.message.size, MAX_MESSAGE)?;
    within("the distribution list", head.recipients.size, MAX_RECIPIENTS)?;
    Ok((head, &bytes[end + 1..]))
}

fn within(part: &'static str, size: u64, limit: u64) -> Result<(), DecodeError> {
    if size > limit { Err(DecodeError::TooLarge { part, size, limit }) } else { Ok(()) }
}

fn recipients(list: &[u8]) -> Result<Vec<Recipient>, DecodeError> {
    let mut recipients = Vec::new();
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        let recipient =
            recipient(line).map_err(|reason| DecodeError::Recipient { line: recipients.len() as u64 + 1, reason })?;
        recipients.push(recipient);
    }
    Ok(recipients)
}

fn recipient(line: &[u8]) -> Result<Recipient, String> {
    let line = line.strip_suffix(b"\n").ok_or("it does not end")?;
    let fields = json::object(line).map_err(|fault| fault.to_string())?;
    Recipient::deserialize(Value::Object(fields)).map_err(|error| error.to_string())
}

fn assemble(head: Head<'static>, message: Arc<[u8]>, recipients: Vec<Recipient>) -> Entry {
    Entry {
        format: head.format,
        id: head.id,
        queue: head.queue,
        arrived: head.arrived,
        list: head.list.map(Cow::into_owned),
        priority: head.priority,
        attempts: head.attempts,
        not_before: head.not_before,
        expires: head.expires,
        envelope: head.envelope.into_owned(),
        facts: head.facts.into_owned(),
        trace: head.trace.into_owned(),
        other: head.other.into_owned(),
        message,
        recipients,
    }
}
