//! A post that waits for a moderator.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use listmill_queue_format::{EntryId, RuleHit};
use serde::{Deserialize, Serialize};

use crate::text_serde::text_serde;
use crate::{Address, ListAddress, Timestamp};

/// The number of a held post, given by the store, counting from 1 on each list.
pub type HeldId = u64;

/// A held post as a moderator sees it in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPost {
    /// Its number; 0 until the store has given one.
    #[serde(default)]
    pub id: HeldId,
    /// The list that holds it.
    pub list: ListAddress,
    /// The entry that was held.
    pub entry: EntryId,
    /// Who wrote it, or "unknown" where nobody can be named.
    pub author: String,
    /// The subject, decoded, in one line.
    pub subject: String,
    /// The Message-ID, as it stands in the post.
    pub message_id: String,
    /// Octets of the message.
    pub size: u64,
    /// Why: the rules that hit.
    pub reasons: Vec<RuleHit>,
    /// Since when.
    pub since: Timestamp,
    /// When it lapses.
    pub expires: Timestamp,
    /// SHA-256 of the message, in lower-case hexadecimal digits: what a moderator's token is bound to.
    #[serde(default)]
    pub sha256: String,
    /// The command that waits for a moderator, where this is no post but somebody's wish to join or to leave; `author` is who
    /// wishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// When it was last away: decided, until the decision was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
}

/// A while in which a post was decided and not held: a summary that was issued then has not shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// When it was decided.
    pub from: Timestamp,
    /// When it was held again.
    pub until: Timestamp,
}

/// What became of a held post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It went to the list.
    Accept,
    /// It went back, with a reason.
    Reject,
    /// It was dropped.
    Discard,
    /// Nobody decided in time.
    Lapse,
    /// Its author took it back.
    Cancel,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 5] = [Verdict::Accept, Verdict::Reject, Verdict::Discard, Verdict::Lapse, Verdict::Cancel];

    /// The name in the store, the audit log and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Reject => "reject",
            Verdict::Discard => "discard",
            Verdict::Lapse => "lapse",
            Verdict::Cancel => "cancel",
        }
    }

    /// It can be taken back: the post has reached nobody, so it is kept for a while.
    pub fn can_be_undone(self) -> bool {
        matches!(self, Verdict::Reject | Verdict::Discard)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Verdict::ALL.into_iter().find(|verdict| verdict.name() == word);
        found.ok_or_else(|| format!("{word:?} is not what becomes of a held post"))
    }
}

text_serde!(Verdict);

/// A decision about a held post, kept so that whoever comes later can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The post, as it was held.
    pub post: HeldPost,
    /// What became of it.
    pub verdict: Verdict,
    /// Who decided: an address, or "operator" for the command line; empty where it was the clock.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Decision {
    /// How long a decision that [can be undone](Verdict::can_be_undone) is.
    pub const UNDO: SignedDuration = SignedDuration::from_mins(15);

    /// It was this person, and it is not too late to take it back.
    pub fn can_be_undone(&self, by: &Address, now: Timestamp) -> bool {
        self.verdict.can_be_undone()
            && self.by.parse().is_ok_and(|decider: Address| decider == *by)
            && now.duration_since(self.at) <= Decision::UNDO
    }
}
