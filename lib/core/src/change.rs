//! The only way to change the store: a batch of changes that is applied whole or not at all.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use listmill_queue_format::EntryId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Address, Allowance, Ban, BanPattern, BanScope, BounceRecord, HeldId, HeldPost, ListAddress, Member, Request,
    RequestKind, Timestamp, Trust, Unavailable, Verdict,
};

/// One change. Each has its precondition; if one fails, nothing of the batch happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum StoreChange {
    /// A new list. It must not exist.
    CreateList {
        /// Its identity.
        list: ListAddress,
        /// Its own settings, checked.
        own: BTreeMap<String, String>,
    },
    /// A list goes, with its roster, held posts and bans. It must exist.
    RemoveList {
        /// Which.
        list: ListAddress,
    },
    /// One setting of a list; none takes the list's own value away. The list must exist.
    Set {
        /// Which list.
        list: ListAddress,
        /// The key.
        key: String,
        /// The value, checked.
        value: Option<String>,
    },
    /// A new person on a list. They must not be on it.
    AddMember {
        /// Which list.
        list: ListAddress,
        /// Who.
        member: Member,
    },
    /// Many new people; who is already on the list stays as they are. The list must exist.
    ImportMembers {
        /// Which list.
        list: ListAddress,
        /// Who; the faster the better they are sorted by address.
        members: Vec<Member>,
    },
    /// A person's record is replaced. They must be on the list, and their record must be as it was read: what somebody else has changed
    /// meanwhile is not undone.
    UpdateMember {
        /// Which list.
        list: ListAddress,
        /// The record that was read, of which the new one was made.
        was: Box<Member>,
        /// The new record.
        member: Member,
    },
    /// A person goes. They must be on the list.
    RemoveMember {
        /// Which list.
        list: ListAddress,
        /// Who.
        address: Address,
    },
    /// A post is held. The list must exist.
    Hold {
        /// What a moderator sees; the store gives the number.
        post: HeldPost,
        /// The entry.
        file: MessageFile,
    },
    /// A held post goes: it is decided. It must be held. The decision stays known for a month; the message file of a post that can
    /// come back ([`Verdict::can_be_undone`]) stays for an hour.
    Unhold {
        /// Which list.
        list: ListAddress,
        /// Which post.
        id: HeldId,
        /// What was decided.
        verdict: Verdict,
        /// Who decided: an address, or "operator"; empty where it was the clock.
        by: String,
    },
    /// A decision is taken back: the post is held again, under its number, and says how long it was [away](crate::Away). Its message file must
    /// still be there.
    Rehold {
        /// Which list.
        list: ListAddress,
        /// Which post.
        id: HeldId,
    },
    /// A held post is to wait longer. It must be held.
    Postpone {
        /// Which list.
        list: ListAddress,
        /// Which post.
        id: HeldId,
        /// When it lapses.
        until: Timestamp,
    },
    /// A request is opened, or opened again. The one that is open for the same list, kind and address must be that of `instead`.
    OpenRequest {
        /// The request.
        request: Request,
        /// The entry that opened the request in whose place this one comes; none: there must be none.
        instead: Option<EntryId>,
    },
    /// A request is confirmed or cancelled. It must be open, and opened by this entry.
    CloseRequest {
        /// Which list.
        list: ListAddress,
        /// Which kind.
        kind: RequestKind,
        /// Whose.
        address: Address,
        /// The entry that opened it.
        opened: EntryId,
        /// What became of it, for the audit log: "confirmed", "cancelled".
        outcome: String,
    },
    /// A letter leaves that may not have been asked for. The day of the commit (UTC) must allow it, the letters of this batch before
    /// it counted.
    Spend {
        /// To whom.
        address: Address,
        /// On whose word.
        trust: Trust,
        /// What the day allows.
        allowance: Allowance,
    },
    /// What is known of a member's failed deliveries is replaced. They must be on the list; and their record must be the one that the entry
    /// `instead` wrote last: none, if there is none.
    NoteBounces {
        /// The new record, with this batch's entry in it.
        record: BounceRecord,
        /// Which record it replaces, by the entry that last changed that.
        instead: Option<EntryId>,
    },
    /// What is known of a member's failed deliveries goes. The record must be there, and be the one that the entry `was` wrote last.
    ForgetBounces {
        /// Which list.
        list: ListAddress,
        /// Whose.
        address: Address,
        /// The entry that last changed it.
        was: EntryId,
    },
    /// Something of a list is counted once more. The list must exist; and fewer than `below` must have been counted under this name.
    CountBounce {
        /// Which list.
        list: ListAddress,
        /// What is counted, as [`BounceTally`](crate::BounceTally) has it.
        name: String,
        /// What is counted once at most, for as long as the tally is there; where it has been counted, nothing changes.
        once: Option<String>,
        /// There may be so many.
        below: Option<u32>,
        /// Kept with the first, in one line.
        note: String,
    },
    /// What nobody needs any more goes: requests that have expired, budgets of days before, message files of decisions that can no longer be
    /// undone, decisions older than a month, tallies that began [`BounceTally::KEPT`](crate::BounceTally::KEPT) ago. Each as of the
    /// commit's time, and a bounded number of each.
    Tidy,
    /// A ban. One for the same scope and pattern is replaced.
    Ban(Ban),
    /// A ban goes. It must be there.
    Unban {
        /// Where it holds.
        scope: BanScope,
        /// Whom it hits.
        pattern: BanPattern,
    },
}

impl StoreChange {
    /// Nobody's deed, or one that is on record elsewhere: a batch of nothing else has no place in the audit log.
    pub fn is_bookkeeping(&self) -> bool {
        matches!(
            self,
            StoreChange::Tidy
                | StoreChange::NoteBounces { .. }
                | StoreChange::ForgetBounces { .. }
                | StoreChange::CountBounce { .. }
        )
    }
}

/// The bytes of a message file, base64 where the form is JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageFile(pub Vec<u8>);

impl MessageFile {
    /// What stands for a message file that is missing or cannot be read. No message file is empty.
    pub const LOST: MessageFile = MessageFile(Vec::new());

    /// The message file is missing or cannot be read, and will be tomorrow.
    pub fn is_lost(&self) -> bool {
        *self == MessageFile::LOST
    }
}

impl fmt::Debug for MessageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageFile({} bytes)", self.0.len())
    }
}

impl Serialize for MessageFile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for MessageFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        BASE64.decode(text.as_bytes()).map(MessageFile).map_err(serde::de::Error::custom)
    }
}

/// A batch of changes, who wants it, and the entries that must leave once it is applied.
///
/// Applying it also records `id`, and keeps `outgoing` in the outbox until [`outbox_done`] is called with that id: the same batch
/// committed again changes nothing and hands back what is still to be sent. See `specs/architecture.md`, "Commit".
///
/// [`outbox_done`]: ../listmill_store/trait.Store.html#tymethod.outbox_done
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The entry that asks for it, or a fresh id for an operator's command.
    pub id: EntryId,
    /// When.
    pub at: Timestamp,
    /// Who: a runner's name, or "operator".
    pub by: String,
    /// Why, for a person.
    pub why: String,
    /// The changes.
    pub changes: Vec<StoreChange>,
    /// Message files of the entries that must leave.
    pub outgoing: Vec<MessageFile>,
}

/// A batch that is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Committed {
    /// Just now.
    Now,
    /// Once before, by the same id; these entries are still in the outbox.
    Before(Vec<MessageFile>),
}

/// A batch that is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitError {
    /// A precondition fails: the world is not as the decision took it to be. Decide again.
    #[error("{0}")]
    Refused(Refusal),
    /// The store cannot be written now. Nothing was applied; try again.
    #[error("the store cannot be written now: {0}")]
    Unavailable(String),
}

impl From<Unavailable> for CommitError {
    fn from(error: Unavailable) -> Self {
        CommitError::Unavailable(error.reason)
    }
}

/// Which precondition failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such list.
    #[error("there is no list {0}")]
    NoList(ListAddress),
    /// There is such a list.
    #[error("there is a list {0} already")]
    ListExists(ListAddress),
    /// The person is not on the list.
    #[error("{address} is not on {list}")]
    NoMember {
        /// Which list.
        list: ListAddress,
        /// Who.
        address: Address,
    },
    /// The person's record is another than the decision took it to be.
    #[error("what {list} knows of {address} has changed")]
    MemberChanged {
        /// Which list.
        list: ListAddress,
        /// Who.
        address: Address,
    },
    /// The person is on the list.
    #[error("{address} is on {list} already")]
    MemberExists {
        /// Which list.
        list: ListAddress,
        /// Who.
        address: Address,
    },
    /// The post is not held.
    #[error("{list} holds no post {id}: see `listmill held ls {list}`")]
    NotHeld {
        /// Which list.
        list: ListAddress,
        /// Which post.
        id: HeldId,
    },
    /// A setting that cannot be: no such key, or none of its values.
    #[error("{list}: {reason}")]
    Setting {
        /// Which list.
        list: ListAddress,
        /// What is wrong, with the key's name.
        reason: String,
    },
    /// What became of the post cannot be taken back.
    #[error("post {id} of {list} cannot come back: it was not decided, or too long ago")]
    NotDecided {
        /// Which list.
        list: ListAddress,
        /// Which post.
        id: HeldId,
    },
    /// Another request is open than the decision took to be, or none.
    #[error("the request of {address} on {list} ({kind}) has changed")]
    RequestChanged {
        /// Which list.
        list: ListAddress,
        /// Which kind.
        kind: RequestKind,
        /// Whose.
        address: Address,
    },
    /// The day's budget for this address is spent.
    #[error("{address} gets no more letters today")]
    OverBudget {
        /// Who.
        address: Address,
    },
    /// Another record of the member's failed deliveries is there than the decision took to be, or none.
    #[error("what is known of the failed deliveries of {address} on {list} has changed")]
    BouncesChanged {
        /// Which list.
        list: ListAddress,
        /// Whose.
        address: Address,
    },
    /// As many as may be were counted already.
    #[error("{list}: no more of {name} are to be counted")]
    Counted {
        /// Which list.
        list: ListAddress,
        /// What.
        name: String,
    },
    /// There is no such ban.
    #[error("there is no ban of {pattern} on {scope}")]
    NoBan {
        /// Where.
        scope: BanScope,
        /// Whom.
        pattern: BanPattern,
    },
}

/// One record of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// By which entry or command.
    pub entry: EntryId,
    /// The changes, each in one line for a person.
    pub what: Vec<String>,
}

impl fmt::Display for StoreChange {
    /// One line for a person, as the audit log keeps it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreChange::CreateList { list, .. } => write!(f, "list {list} created"),
            StoreChange::RemoveList { list } => write!(f, "list {list} removed"),
            StoreChange::Set { list, key, value: Some(value) } => write!(f, "{list}: {key} set to {value:?}"),
            StoreChange::Set { list, key, value: None } => write!(f, "{list}: {key} no longer set"),
            StoreChange::AddMember { list, member } => {
                write!(f, "{list}: {} added as {}", member.address, member.roles)
            }
            StoreChange::ImportMembers { list, members } => write!(f, "{list}: {} people imported", members.len()),
            StoreChange::UpdateMember { list, member, .. } => write!(
                f,
                "{list}: {} is now {}, delivery {}, moderation {}",
                member.address, member.roles, member.delivery, member.moderation
            ),
            StoreChange::RemoveMember { list, address } => write!(f, "{list}: {address} removed"),
            StoreChange::Hold { post, .. } => {
                write!(f, "{}: post by {} held ({})", post.list, post.author, post.message_id)
            }
            StoreChange::Unhold { list, id, verdict, by } if by.is_empty() || by == "operator" => {
                write!(f, "{list}: held post {id}: {verdict}")
            }
            StoreChange::Unhold { list, id, verdict, by } => write!(f, "{list}: held post {id}: {verdict} by {by}"),
            StoreChange::Rehold { list, id } => write!(f, "{list}: post {id} held again"),
            StoreChange::Postpone { list, id, until } => write!(f, "{list}: held post {id} waits until {until}"),
            StoreChange::OpenRequest { request: Request { list, kind, address, .. }, .. } => {
                write!(f, "{list}: request of {address} to confirm: {kind}")
            }
            StoreChange::CloseRequest { list, kind, address, outcome, .. } => {
                write!(f, "{list}: request of {address} {outcome}: {kind}")
            }
            StoreChange::Spend { address, .. } => write!(f, "a letter to {address} counted"),
            StoreChange::NoteBounces { record, .. } => match record.events.last() {
                Some(last) => {
                    write!(f, "{}: failed delivery of {} noted ({})", record.list, record.address, last.cause)
                }
                None => write!(f, "{}: failed deliveries of {} noted", record.list, record.address),
            },
            StoreChange::ForgetBounces { list, address, .. } => {
                write!(f, "{list}: failed deliveries of {address} forgotten")
            }
            StoreChange::CountBounce { list, name, .. } => write!(f, "{list}: {name} counted"),
            StoreChange::Tidy => f.write_str("tidied up"),
            StoreChange::Ban(ban) => write!(f, "{}: {} banned", ban.scope, ban.pattern),
            StoreChange::Unban { scope, pattern } => write!(f, "{scope}: {pattern} no longer banned"),
        }
    }
}
