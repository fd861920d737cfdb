//! What a line asks for.

use listmill_core::{Address, HeldId, Verdict};

/// One command, read. Its `Display` is the line in its canonical form, which reads back as the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The commands; or more about one.
    Help(Option<String>),
    /// What the list is.
    Info,
    /// The advertised lists of the domain.
    Lists,
    /// Join, or change how one receives.
    Join(Joining),
    /// Leave this list; or, `everywhere`, all lists of the domain.
    Leave { address: Option<Address>, everywhere: bool },
    /// Confirm what a token is for.
    Confirm(String),
    /// Take back what a token is for.
    Cancel(Option<String>),
    /// The lists that the requester is on.
    Which,
    /// The requester's own settings here.
    Show,
    /// One of them.
    Set(Choice),
    /// Who is on the list.
    Who,
    /// Put `new` into the place of `old`, or of the requester's address.
    ChangeAddress { old: Option<Address>, new: Address },
    /// Ask somebody to join.
    Invite(Address),
    /// What waits for a decision.
    Held,
    /// Decide: accept, reject or discard.
    Decide { verdict: Verdict, ids: Vec<HeldId>, reason: String },
    /// Let them wait longer.
    Defer(Vec<HeldId>),
    /// Take decisions back; none named: those of the last minutes.
    Undo(Vec<HeldId>),
    /// Posts of these people pass from now on.
    Trust(Vec<Whom>),
    /// Posts of these people are held from now on.
    Moderate(Vec<Whom>),
    /// These people may do nothing here any more.
    Ban(Vec<Whom>),
    /// They may again.
    Unban(Vec<String>),
    /// New members.
    Add(Vec<Address>),
    /// Members who go.
    Del(Vec<Address>),
    /// Every post is held.
    Emergency(bool),
    /// All settings, or one.
    ConfigShow(Option<String>),
    /// One setting; none: the list's own value goes.
    ConfigSet { key: String, value: Option<String> },
    /// Figures.
    Stats,
}

/// How somebody joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Somebody else than the requester.
    pub(crate) address: Option<Address>,
    /// Without delivery.
    pub(crate) nomail: bool,
    /// With digests, of this kind.
    pub(crate) digest: Option<String>,
}

/// What a member chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Delivery, until a day (seconds since 1970) or for good.
    Delivery { on: bool, until: Option<i64> },
    /// `ack`, `myposts`, `duplicates`, `hide`.
    Preference { name: String, on: bool },
    /// The language of mail from us.
    Language(String),
    /// Digests, of this kind or `off`.
    Digest(String),
}

/// Whom a moderator means: the author of a held post, or an address (or `@domain`, for bans).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The author of this held post.
    AuthorOf(HeldId),
    /// An address, or a pattern of a ban.
    Named(String),
}
