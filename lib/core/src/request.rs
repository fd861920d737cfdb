//! What somebody asked for and has not confirmed.

use std::fmt;
use std::str::FromStr;

use listmill_queue_format::EntryId;
use serde::{Deserialize, Serialize};

use crate::text_serde::text_serde;
use crate::{Address, ListAddress, Timestamp};

/// What kind of thing was asked for. One request of a kind is open for a person on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// To join the list.
    Join,
    /// To leave the list.
    Leave,
    /// To leave every list of the domain.
    LeaveAll,
    /// To put one address into the place of another.
    Address,
    /// Commands for which one must know who gives them.
    Commands,
    /// Decisions of a moderator, which came with a token that went to nobody else.
    Decisions,
    /// To have a delivery on again that bounces have switched off.
    Delivery,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [RequestKind; 7] = [
        RequestKind::Join,
        RequestKind::Leave,
        RequestKind::LeaveAll,
        RequestKind::Address,
        RequestKind::Commands,
        RequestKind::Decisions,
        RequestKind::Delivery,
    ];

    /// The name in the store and in tokens.
    pub fn name(self) -> &'static str {
        match self {
            RequestKind::Join => "join",
            RequestKind::Leave => "leave",
            RequestKind::LeaveAll => "leave-all",
            RequestKind::Address => "address",
            RequestKind::Commands => "commands",
            RequestKind::Decisions => "decisions",
            RequestKind::Delivery => "delivery",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RequestKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = RequestKind::ALL.into_iter().find(|kind| kind.name() == word);
        found.ok_or_else(|| format!("{word:?} is not a kind of request"))
    }
}

text_serde!(RequestKind);

/// An unconfirmed request: it waits for the one person who can confirm it, and goes when it has waited too long.
///
/// Its token goes to `address` and to nobody else, and is bound to `opened`: a request that is asked for again keeps its token, and
/// one that was closed leaves none that works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The list at whose address it was made.
    pub list: ListAddress,
    /// What kind.
    pub kind: RequestKind,
    /// Who can confirm it.
    pub address: Address,
    /// The entry that opened it.
    pub opened: EntryId,
    /// The first digits of its token: what the token is found by.
    pub handle: String,
    /// What is done when it is confirmed: command lines, as the stage itself writes them.
    pub commands: Vec<String>,
    /// Who asked, where that is somebody else: an owner who invites, the old address of somebody who moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Address>,
    /// When its confirmation was last mailed.
    pub mailed: Timestamp,
    /// When it lapses.
    pub expires: Timestamp,
}
