//! What is known of the deliveries that failed: why, and whom and what it concerns.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use listmill_queue_format::EntryId;
use serde::{Deserialize, Serialize};

use crate::text_serde::text_serde;
use crate::{Address, ListAddress, Timestamp};

/// Whose fault a failed delivery is. Only what belongs to the recipient may ever count against a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// There is no such mailbox, or nobody reads it any more (RFC 3463 X.1.1, X.2.1 and the like).
    Gone,
    /// The mailbox is full (X.2.2).
    Full,
    /// The domain does not exist, or takes no mail (X.1.2, X.1.10, X.4.4 and the like).
    DomainDead,
    /// This message is not wanted: its content, its size, a policy that it hit (X.2.3, X.6.0, X.7.1 and the like).
    Message,
    /// Mail from this host or domain is not wanted: its reputation, a block list, failed authentication.
    Reputation,
    /// A fault on our side or on the way: a loop, a misconfigured relay, a protocol error (X.3.5, X.4.6, X.5.0 and the like).
    Ours,
    /// It could be anything.
    Unknown,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 7] =
        [Cause::Gone, Cause::Full, Cause::DomainDead, Cause::Message, Cause::Reputation, Cause::Ours, Cause::Unknown];

    /// The name on the command line and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Gone => "gone",
            Cause::Full => "full",
            Cause::DomainDead => "domain-dead",
            Cause::Message => "message",
            Cause::Reputation => "reputation",
            Cause::Ours => "ours",
            Cause::Unknown => "unknown",
        }
    }

    /// It belongs to the recipient, and so may count against the member.
    pub fn is_the_recipients(self) -> bool {
        matches!(self, Cause::Gone | Cause::Full | Cause::DomainDead)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cause {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Cause::ALL.into_iter().find(|cause| cause.name() == word).ok_or_else(|| {
            let names: Vec<_> = Cause::ALL.into_iter().map(Cause::name).collect();
            format!("{word:?} is not a cause: {}", names.join(", "))
        })
    }
}

text_serde!(Cause);

/// One failed delivery in a member's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceEvent {
    /// When it came to be known.
    pub at: Timestamp,
    /// Whose fault it is.
    pub cause: Cause,
    /// The enhanced status code (RFC 3463); empty where none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// How much it counts against the member, in hundredths of a step; 0: nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: u32,
    /// The post whose copy failed, as its tally is named; empty for what was no post: a probe, a feedback report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub post: String,
    /// Who refused it, as the tally of that relay and day is named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub relay: String,
    /// What the other side said, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}

fn is_zero(weight: &u32) -> bool {
    *weight == 0
}

/// How far it has come with a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum BounceState {
    /// Failures are counted.
    #[default]
    Scoring,
    /// There were too many, so a probe is on its way.
    Probed {
        /// Since when.
        since: Timestamp,
        /// The entry that the probe was; its signed return path names it.
        probe: EntryId,
        /// The probe came back.
        #[serde(default)]
        failed: bool,
    },
    /// The probe failed, so delivery is off.
    Disabled {
        /// Since when.
        since: Timestamp,
        /// How often the member was told.
        notices: u32,
    },
}

/// What is known of the failed deliveries of one member of a list. It goes with the member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceRecord {
    /// The list.
    pub list: ListAddress,
    /// The member.
    pub address: Address,
    /// The entry that last changed it: whoever changes it next must have seen this change.
    pub by: EntryId,
    /// The failures, oldest first; how many are kept is the stage's business.
    pub events: Vec<BounceEvent>,
    /// How far it has come.
    pub state: BounceState,
    /// Failures before this do not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<Timestamp>,
    /// A feedback report of the member has been acted on; when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complained: Option<Timestamp>,
    /// When something is to be done about it.
    pub due: Timestamp,
}

/// How often something was counted on a list: the members that one post or one relay failed, the letters of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceTally {
    /// What is counted: words of letters, digits, `.`, `-`, `_` and `@`, with `/` between them.
    pub name: String,
    /// How often.
    pub count: u32,
    /// When it was counted first.
    pub since: Timestamp,
    /// What was said when it was counted first, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl BounceTally {
    /// How long a tally is kept: longer than any failure counts.
    pub const KEPT: SignedDuration = SignedDuration::from_hours(100 * 24);
}
