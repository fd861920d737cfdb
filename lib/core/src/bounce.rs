//! Why a delivery failed, as far as it concerns a member.

use std::fmt;
use std::str::FromStr;

use crate::text_serde::text_serde;

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
