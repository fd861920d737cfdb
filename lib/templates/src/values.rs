//! The values that each text is given.
//!
//! A value is one line: whatever control character comes with it is a space when it is filled in. What has several
//! lines is a list of them. `specs/templates.md` says the same to those who override a text.

use serde::{Serialize, Serializer};

/// What the first line of a text begins with that is there to be answered: only what stands above it is read.
pub const MARK: &str = "=~=~=";

/// Values of a text, and which texts they are for.
pub trait Letter: Serialize {
    /// The texts that are filled in with these values; where there are several, the caller names one.
    const NAMES: &'static [&'static str];

    /// Values as they could be, for tests, checks and previews.
    fn example() -> Self;
}

/// The values of `rejected`: what the author of a rejected post is told. Never its body: that would make us a relay for
/// whoever can forge an author.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The subject of the post.
    pub subject: &'a str,
    /// Why it was rejected.
    pub reason: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `held`: the author's post waits for a moderator.
#[derive(Debug, Clone, Serialize)]
pub struct Held<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The subject of the post.
    pub subject: &'a str,
    /// Why it waits, a sentence each.
    pub reasons: Vec<String>,
    /// Until when somebody can decide.
    pub expires: &'a str,
    /// The address to which the author writes to take the post back; may be empty.
    pub cancel: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `lapsed`: nobody decided about the author's post in time.
#[derive(Debug, Clone, Serialize)]
pub struct Lapsed<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The subject of the post.
    pub subject: &'a str,
    /// Since when it waited.
    pub since: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `confirm-join`, `confirm-leave`, `confirm-leave-all`, `confirm-address`, `confirm-commands` and
/// `invitation`: something happens if the person answers, and nothing if not.
#[derive(Debug, Clone, Serialize)]
pub struct Confirm<'a> {
    /// The posting address; for `confirm-leave-all` the domain, all of whose lists are left.
    pub list: &'a str,
    /// The one line about the list; may be empty.
    pub description: &'a str,
    /// The address that it is about.
    pub address: &'a str,
    /// Who asked for it: an address; may be empty. For `invitation`: who invites. For `confirm-address`: the address
    /// that `address` is to replace.
    pub by: &'a str,
    /// The address to which a plain reply goes.
    pub confirm: &'a str,
    /// The token of the request.
    pub token: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// Until when it can be confirmed.
    pub expires: &'a str,
    /// For `confirm-commands` the commands that will be carried out, for `confirm-leave-all` the lists that will be left, for
    /// `confirm-join` the command where it has options; may be empty.
    pub commands: Vec<String>,
}

/// The values of `welcome`: the person is a member now.
#[derive(Debug, Clone, Serialize)]
pub struct Welcome<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The one line about the list; may be empty.
    pub description: &'a str,
    /// The member's address.
    pub address: &'a str,
    /// The address for posts.
    pub post: &'a str,
    /// The address to leave by.
    pub leave: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `farewell`: the person is no longer a member.
#[derive(Debug, Clone, Serialize)]
pub struct Farewell<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The one line about the list; may be empty.
    pub description: &'a str,
    /// The address that was the member's.
    pub address: &'a str,
    /// The address to join by.
    pub join: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `join-refused`: somebody asked to join and may not.
#[derive(Debug, Clone, Serialize)]
pub struct JoinRefused<'a> {
    /// The posting address.
    pub list: &'a str,
    /// Why not.
    pub reason: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// What became of a command. The keyword is the same in every language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It is done.
    Ok,
    /// It may not be done; the text says why.
    Refused,
    /// It waits for somebody; the text says for whom.
    Waiting,
    /// There is no such command; the text names the nearest.
    Unknown,
}

/// One line of a message to the command address, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultLine {
    /// The line as it was understood.
    pub command: String,
    /// What became of it.
    pub status: Status,
    /// More about it; may have several lines.
    #[serde(serialize_with = "lines")]
    pub text: String,
}

/// The values of `results`: what became of each command.
#[derive(Debug, Clone, Serialize)]
pub struct Results<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// A line for each command, in their order.
    pub lines: Vec<ResultLine>,
}

/// One command in `help`.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// How it is written: `join [address=ADDRESS]`.
    pub usage: String,
    /// What it does, in the reader's language.
    pub meaning: String,
}

/// The values of `help`: the commands.
#[derive(Debug, Clone, Serialize)]
pub struct Help<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// The commands that the reader can use.
    pub commands: Vec<Usage>,
}

/// The values of `info`: the list, for anybody who asks.
#[derive(Debug, Clone, Serialize)]
pub struct Info<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The one line about the list; may be empty.
    pub description: &'a str,
    /// The address for posts.
    pub post: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// The address to join by.
    pub join: &'a str,
    /// The address to leave by.
    pub leave: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
    /// Who may post, who may join, who sees the roster: a sentence each, in the reader's language.
    pub policies: Vec<String>,
}

/// A rule that hit, and what it says about the post.
#[derive(Debug, Clone, Serialize)]
pub struct RuleHit {
    /// The rule's name, as `nonmember`.
    pub rule: String,
    /// What it says.
    pub reason: String,
}

/// The values of `moderate` (a post) and `moderate-request` (somebody asks to join or to leave): a moderator's notice.
#[derive(Debug, Clone, Serialize)]
pub struct Moderate<'a> {
    /// The posting address.
    pub list: &'a str,
    /// Who wrote the post, or who asks.
    pub author: &'a str,
    /// The subject of the post, or what is asked for, as `join dev@lists.example.org`.
    pub subject: &'a str,
    /// Its Message-ID; may be empty.
    pub message_id: &'a str,
    /// How large it is, for people: `12 KiB`.
    pub size: &'a str,
    /// Since when it waits.
    pub since: &'a str,
    /// Until when somebody can decide.
    pub expires: &'a str,
    /// Why it waits.
    pub reasons: Vec<RuleHit>,
    /// How the post begins; may be empty.
    pub excerpt: Vec<String>,
    /// The address that approves it for this moderator.
    pub approve: &'a str,
    /// The address that rejects it for this moderator.
    pub reject: &'a str,
    /// The address that discards it for this moderator.
    pub discard: &'a str,
    /// Its number.
    pub id: &'a str,
    /// How many wait on this list, this one among them.
    pub waiting: u64,
}

/// One held post or request in `summary`.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryItem {
    /// Its number.
    pub id: String,
    /// Who wrote it, or who asks.
    pub author: String,
    /// Its subject, or what is asked for.
    pub subject: String,
    /// Why it waits, in one line.
    pub reasons: String,
    /// Since when it waits.
    pub since: String,
    /// Until when somebody can decide.
    pub expires: String,
    /// It is a request, and no post.
    pub asks: bool,
}

/// The values of `summary`: everything that waits on a list, once a day.
#[derive(Debug, Clone, Serialize)]
pub struct Summary<'a> {
    /// The posting address.
    pub list: &'a str,
    /// How many wait.
    pub count: u64,
    /// How many of them are not among `items`.
    pub more: u64,
    /// What waits, the oldest first.
    pub items: Vec<SummaryItem>,
}

/// The values of `decided`: what a co-moderator has done.
#[derive(Debug, Clone, Serialize)]
pub struct Decided<'a> {
    /// The posting address.
    pub list: &'a str,
    /// Who decided.
    pub by: &'a str,
    /// What, a sentence each, in the reader's language.
    pub lines: Vec<String>,
}

/// The values of `ack`: the author's post was distributed.
#[derive(Debug, Clone, Serialize)]
pub struct Ack<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The subject of the post.
    pub subject: &'a str,
}

/// The values of `probe`: a letter that tests whether an address works.
#[derive(Debug, Clone, Serialize)]
pub struct Probe<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The member's address.
    pub address: &'a str,
    /// When mail came back first.
    pub since: &'a str,
    /// What the other side said last.
    pub evidence: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `delivery-off` and `bounced-out`: mail to the member came back, so we stop; an answer takes it back.
#[derive(Debug, Clone, Serialize)]
pub struct Bounced<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The member's address.
    pub address: &'a str,
    /// Since when delivery is off.
    pub since: &'a str,
    /// What the other side said last.
    pub evidence: &'a str,
    /// The address to which a plain reply goes.
    pub confirm: &'a str,
    /// The token of the request.
    pub token: &'a str,
    /// The address that takes commands.
    pub request: &'a str,
    /// Until when it can be taken back.
    pub expires: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

/// The values of `bounce-report`: what an owner is told of failed deliveries.
#[derive(Debug, Clone, Serialize)]
pub struct BounceReport<'a> {
    /// The posting address.
    pub list: &'a str,
    /// What was done and why, a sentence each, in the reader's language.
    pub lines: Vec<String>,
}

/// The values of `bounce-unread`: a message at the bounce address that no program can read; it comes with the letter.
#[derive(Debug, Clone, Serialize)]
pub struct BounceUnread<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The address that it came to.
    pub bounces: &'a str,
}

/// A text of several lines as a list of them, of one at least.
fn lines<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    let lines = text.lines().map(str::trim_end);
    if text.is_empty() { to.collect_seq([""]) } else { to.collect_seq(lines) }
}
