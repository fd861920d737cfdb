//! What is said over the control socket: one JSON object a line, a question and its answer in turn.
//!
//! ```text
//! → {"ask":"member","list":"dev@lists.example.org","address":"bob@example.net"}
//! ← {"done":{"address":"bob@example.net","joined":1700000000}}
//! ```
//! `Backup` alone is answered by many lines, those of the backup one after the other; one that is an [`Answer`] instead says why there is none.
//!
//! There is no version: both ends come from one installation, and an end that meets a word it does not know says so.

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _, Write};

use listmill_core::{Address, BanScope, Commit, HeldId, ListAddress, Refusal, RequestKind, Timestamp, Trust};
use listmill_queue_format::{EntryId, Queue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// No line is longer: room for a batch with several of the largest messages.
const MAX_LINE: u64 = 512 << 20;

/// A question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Question<'a> {
    List { list: Cow<'a, ListAddress> },
    Lists { after: Option<Cow<'a, ListAddress>>, limit: usize },
    Member { list: Cow<'a, ListAddress>, address: Cow<'a, Address> },
    Roster { list: Cow<'a, ListAddress>, after: Option<Cow<'a, Address>>, limit: usize },
    MemberCount { list: Cow<'a, ListAddress> },
    Staff { list: Cow<'a, ListAddress>, role: Cow<'a, str> },
    Held { list: Cow<'a, ListAddress>, after: Option<HeldId>, limit: usize },
    HeldEntry { list: Cow<'a, ListAddress>, id: HeldId },
    HeldByEntry { list: Cow<'a, ListAddress>, entry: EntryId },
    Lapsed { at: Timestamp, limit: usize },
    Decision { list: Cow<'a, ListAddress>, id: HeldId },
    Decisions { list: Cow<'a, ListAddress>, after: Option<HeldId>, limit: usize },
    Request { list: Cow<'a, ListAddress>, kind: RequestKind, address: Cow<'a, Address> },
    RequestByHandle { list: Cow<'a, ListAddress>, handle: Cow<'a, str> },
    Spent { address: Cow<'a, Address>, trust: Trust, at: Timestamp },
    Bounces { list: Cow<'a, ListAddress>, address: Cow<'a, Address> },
    BouncesDue { at: Timestamp, limit: usize },
    BounceTally { list: Cow<'a, ListAddress>, name: Cow<'a, str> },
    BounceTallies { list: Cow<'a, ListAddress>, after: Option<Cow<'a, str>>, limit: usize },
    Banned { list: Cow<'a, ListAddress>, address: Cow<'a, Address> },
    Bans { scope: Cow<'a, BanScope> },
    SigningKeys,
    Audit { after: Option<u64>, limit: usize },
    Commit { commit: Cow<'a, Commit> },
    Applied { id: EntryId },
    OutboxDone { id: EntryId },
    Outbox { limit: usize },
    Figures,
    Status,
    Drain { runner: Queue },
    Backup,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer<T> {
    /// What was asked for.
    Done(T),
    /// A precondition of a batch failed.
    Refused(Refusal),
    /// The store cannot be read or written now.
    Unavailable(String),
    /// The question is not one that this release knows.
    NotUnderstood(String),
}

/// Writes one line.
pub(super) fn write_line<T: Serialize>(to: &mut impl Write, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one line; none at the end of the connection.
pub(super) fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 == MAX_LINE => Err(io::Error::other("a line is too long")),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The value of one line.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
