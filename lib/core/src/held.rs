//! A post that waits for a moderator.

use listmill_queue_format::{EntryId, RuleHit};
use serde::{Deserialize, Serialize};

use crate::{ListAddress, Timestamp};

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
}
