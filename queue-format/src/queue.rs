//! The names of the queues. `specs/queues.toml` says who reads and writes each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A queue: entries with one kind of reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Queue {
    /// A message arrived: which list, and which address of it?
    Inbound,
    /// Who is this really from?
    Auth,
    /// Does the list accept it?
    Moderation,
    /// Which distribution list goes with it?
    Pending,
    /// Send it.
    Outbound,
    /// A delivery failed: whom does that concern?
    Bounce,
    /// Somebody asks for something.
    Command,
}

impl Queue {
    /// Every queue, in the order in which a post meets them.
    pub const ALL: [Queue; 7] = [
        Queue::Inbound,
        Queue::Auth,
        Queue::Moderation,
        Queue::Pending,
        Queue::Outbound,
        Queue::Bounce,
        Queue::Command,
    ];

    /// The name as it stands in line 1, in the spool and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Queue::Inbound => "inbound",
            Queue::Auth => "auth",
            Queue::Moderation => "moderation",
            Queue::Pending => "pending",
            Queue::Outbound => "outbound",
            Queue::Bounce => "bounce",
            Queue::Command => "command",
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word names no queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a queue; the queues are inbound, auth, moderation, pending, outbound, bounce, command")]
pub struct UnknownQueue(pub String);

impl FromStr for Queue {
    type Err = UnknownQueue;

    fn from_str(word: &str) -> Result<Self, UnknownQueue> {
        Queue::ALL.into_iter().find(|queue| queue.name() == word).ok_or_else(|| UnknownQueue(word.to_owned()))
    }
}

impl TryFrom<String> for Queue {
    type Error = UnknownQueue;

    fn try_from(word: String) -> Result<Self, UnknownQueue> {
        word.parse()
    }
}
