//! `store.toml`, read.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use listmill_core::{
    Address, Ban, BanPatternError, BanScope, BounceEvent, BounceRecord, BounceState, BounceTally, Decision, Delivery,
    HeldId, HeldPost, ListAddress, Member, MessageFile, Moderation, Preferences, Request, RequestKind, Roles,
    Timestamp, Trust, Verdict,
};
use listmill_mail::token::{confirm_token, handle};
use listmill_queue_format::{Author, Digest, Entry, EntryId, Envelope, Facts, Queue, RuleHit, encode};
use serde::Deserialize;

use super::{MemoryView, OnList, day};

/// What a `store.toml` is read with.
pub struct Reading<'a> {
    /// The time of the case: what is not dated is dated by it.
    pub now: Timestamp,
    /// The message in this file.
    pub message: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreFile {
    #[serde(default)]
    list: Vec<ListTable>,
    #[serde(default)]
    ban: Vec<BanTable>,
    #[serde(default)]
    spent: Vec<SpentTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListTable {
    address: ListAddress,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    members: Vec<Address>,
    #[serde(default)]
    member: Vec<MemberTable>,
    #[serde(default)]
    held: Vec<HeldTable>,
    #[serde(default)]
    decided: Vec<DecidedTable>,
    #[serde(default)]
    request: Vec<RequestTable>,
    #[serde(default)]
    bounces: Vec<BouncesTable>,
    #[serde(default)]
    tally: Vec<TallyTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberTable {
    address: Address,
    #[serde(default)]
    name: String,
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    delivery: Delivery,
    #[serde(default)]
    moderation: Moderation,
    language: Option<String>,
    #[serde(default)]
    preferences: Preferences,
    resumes: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldTable {
    id: HeldId,
    entry: Option<EntryId>,
    author: String,
    #[serde(default)]
    subject: String,
    since: Option<Timestamp>,
    expires: Option<Timestamp>,
    #[serde(default)]
    reasons: Vec<String>,
    asks: Option<String>,
    #[serde(default)]
    lost: bool,
    message: Option<String>,
    sha256: Option<String>,
    sender: Option<String>,
    facts: Option<Facts>,
}

/// A table of `held` with three keys more; what is unknown is found when the rest is read as one.
#[derive(Deserialize)]
struct DecidedTable {
    verdict: Verdict,
    #[serde(default)]
    by: String,
    at: Option<Timestamp>,
    #[serde(flatten)]
    held: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestTable {
    kind: RequestKind,
    address: Address,
    opened: Option<EntryId>,
    commands: Vec<String>,
    by: Option<Address>,
    mailed: Option<Timestamp>,
    expires: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BouncesTable {
    address: Address,
    #[serde(default)]
    events: Vec<BounceEvent>,
    #[serde(default)]
    state: BounceState,
    cleared: Option<Timestamp>,
    complained: Option<Timestamp>,
    due: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TallyTable {
    name: String,
    count: u32,
    since: Option<Timestamp>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BanTable {
    pattern: String,
    #[serde(default)]
    scope: Option<BanScope>,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpentTable {
    address: Address,
    trust: Trust,
    count: u32,
    domain_count: Option<u32>,
}

impl MemoryView {
    /// The store that this text describes.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn read(text: &str, with: &Reading<'_>) -> Result<Self, String> {
        let file: StoreFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let lists = file.list.into_iter().map(|table| Ok((table.address.clone(), table.list(with)?)));
        let lists = lists.collect::<Result<_, String>>()?;
        let bans = file.ban.into_iter().map(BanTable::ban).collect::<Result<_, _>>()?;
        let mut view = MemoryView { lists, bans, spent: Default::default(), keys: Self::keys() };
        for SpentTable { address, trust, count, domain_count } in file.spent {
            *view.spent.entry((day(with.now), trust, address.key())).or_default() += count;
            let domain = (day(with.now), trust, address.domain().to_owned());
            *view.spent.entry(domain).or_default() += domain_count.unwrap_or(count);
        }
        Ok(view)
    }
}

impl ListTable {
    fn list(self, with: &Reading<'_>) -> Result<OnList, String> {
        let mut on = OnList::new(self.address.clone(), self.settings, Timestamp::UNIX_EPOCH)?;
        let plain = self.members.into_iter().map(|address| Member::new(address, 0));
        let people = plain.chain(self.member.into_iter().map(MemberTable::member));
        on.roster = people.map(|member| (member.address.clone(), member)).collect();
        for table in self.held {
            let id = table.id;
            on.last_held = on.last_held.max(id);
            if on.held.insert(id, table.post(&self.address, with)?).is_some() {
                return Err(format!("post {id} of {} is there twice", self.address));
            }
        }
        for table in self.decided {
            let (decision, file) = table.decision(&self.address, with)?;
            let id = decision.post.id;
            on.last_held = on.last_held.max(id);
            if on.held.contains_key(&id) || on.decided.insert(id, (decision, file)).is_some() {
                return Err(format!("post {id} of {} is there twice", self.address));
            }
        }
        for table in self.request {
            let request = table.request(&self.address, with);
            on.requests.insert((request.kind, request.address.clone()), request);
        }
        for table in self.bounces {
            on.bounces.insert(table.address.clone(), table.record(&self.address, with));
        }
        for TallyTable { name, count, since, note } in self.tally {
            let since = since.unwrap_or(with.now - SignedDuration::from_hours(1));
            on.tallies.insert(name.clone(), BounceTally { name, count, since, note });
        }
        Ok(on)
    }
}

impl MemberTable {
    fn member(self) -> Member {
        Member {
            name: self.name,
            roles: self.roles,
            delivery: self.delivery,
            moderation: self.moderation,
            language: self.language,
            preferences: self.preferences,
            resumes: self.resumes.map(Timestamp::as_second),
            ..Member::new(self.address, 0)
        }
    }
}

impl HeldTable {
    fn post(self, list: &ListAddress, with: &Reading<'_>) -> Result<(HeldPost, MessageFile), String> {
        let since = self.since.unwrap_or(with.now - SignedDuration::from_hours(1));
        let message = match &self.message {
            Some(name) => (with.message)(name)?,
            None => small_post(list, self.id, &self.author, &self.subject),
        };
        let author: Option<Address> = self.author.parse().ok();
        let named =
            |address: &Address| Author { address: address.to_string(), name: String::new(), other: Default::default() };
        let reasons = self.reasons.iter().map(|text| hit(text)).collect::<Result<Vec<_>, _>>()?;
        let envelope = Envelope {
            sender: self.sender.unwrap_or_else(|| author.as_ref().map(Address::to_string).unwrap_or_default()),
            recipients: vec![list.to_string()],
            ..Envelope::default()
        };
        let id = self.entry.unwrap_or_else(|| made_up(since, &format!("{list} {}", self.id)));
        let mut entry = Entry::arrived(id, since, envelope, message.into());
        entry.queue = Queue::Moderation;
        entry.list = Some(list.to_string());
        entry.facts = self.facts.unwrap_or_else(|| Facts { author: author.as_ref().map(named), ..Facts::default() });
        let parsed = listmill_mail::message::Message::parse(&entry.message);
        let post = HeldPost {
            id: self.id,
            list: list.clone(),
            entry: id,
            author: self.author,
            subject: if self.subject.is_empty() { parsed.subject() } else { self.subject },
            message_id: parsed.message_id(),
            size: entry.message.len() as u64,
            reasons,
            since,
            expires: self.expires.unwrap_or(since + SignedDuration::from_hours(14 * 24)),
            sha256: self.sha256.unwrap_or_else(|| Digest::of(&entry.message).to_string()),
            asks: self.asks,
            away: None,
        };
        let file = encode(&entry).map_err(|error| error.to_string())?;
        Ok((post, if self.lost { MessageFile::LOST } else { MessageFile(file) }))
    }
}

impl DecidedTable {
    fn decision(self, list: &ListAddress, with: &Reading<'_>) -> Result<(Decision, Option<MessageFile>), String> {
        let held: HeldTable = self.held.try_into().map_err(|error: toml::de::Error| error.to_string())?;
        let (post, file) = held.post(list, with)?;
        let at = self.at.unwrap_or(with.now - SignedDuration::from_mins(10));
        let decision = Decision { post, verdict: self.verdict, by: self.by, at };
        Ok((decision, self.verdict.can_be_undone().then_some(file)))
    }
}

impl RequestTable {
    fn request(self, list: &ListAddress, with: &Reading<'_>) -> Request {
        let mailed = self.mailed.unwrap_or(with.now - SignedDuration::from_hours(1));
        let key = format!("{list} {} {}", self.kind, self.address.key());
        let opened = self.opened.unwrap_or_else(|| made_up(mailed, &key));
        let token = confirm_token(&MemoryView::keys(), list, self.kind.name(), &self.address, opened);
        Request {
            list: list.clone(),
            kind: self.kind,
            opened,
            handle: handle(&token).expect("a token has a handle"),
            commands: self.commands,
            by: self.by,
            mailed,
            expires: self.expires.unwrap_or(mailed + SignedDuration::from_hours(3 * 24)),
            address: self.address,
        }
    }
}

impl BouncesTable {
    fn record(self, list: &ListAddress, with: &Reading<'_>) -> BounceRecord {
        let last = self.events.last().map_or(with.now, |event| event.at);
        BounceRecord {
            list: list.clone(),
            by: made_up(last, &format!("{list} bounces {}", self.address.key())),
            address: self.address,
            events: self.events,
            state: self.state,
            cleared: self.cleared,
            complained: self.complained,
            due: self.due.unwrap_or(last + SignedDuration::from_hours(180 * 24)),
        }
    }
}

impl BanTable {
    fn ban(self) -> Result<Ban, String> {
        let pattern = self.pattern.parse().map_err(|error: BanPatternError| error.to_string())?;
        let scope = self.scope.unwrap_or(BanScope::Site);
        Ok(Ban { scope, pattern, reason: self.reason, since: Timestamp::UNIX_EPOCH })
    }
}

/// An entry's id, the same each time.
fn made_up(at: Timestamp, of: &str) -> EntryId {
    EntryId::fresh(at, [3; 10]).derive(of, 0)
}

/// `rule: why`.
fn hit(text: &str) -> Result<RuleHit, String> {
    let (rule, reason) = text.split_once(": ").ok_or_else(|| format!("{text:?} is not of the form `rule: why`"))?;
    Ok(RuleHit { rule: rule.to_owned(), reason: reason.to_owned(), other: Default::default() })
}

fn small_post(list: &ListAddress, id: HeldId, author: &str, subject: &str) -> Vec<u8> {
    format!(
        "From: {author}\r\nTo: {list}\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 07:59:58 +0000\r\n\
         Message-ID: <held-{id}@example.net>\r\n\r\nThis is what {author} wrote.\r\n"
    )
    .into_bytes()
}
