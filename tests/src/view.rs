//! A store in memory, built from a `store.toml`: what a stage sees in a case, and what becomes of it.
//!
//! ```toml
//! [[list]]
//! address = "dev@lists.example.org"
//! settings = { member_action = "hold" }
//! members = ["bob@example.net", "carol@example.com"]   # with every default
//! member = [{ address = "alice@example.org", roles = "owner", delivery = "off:member", moderation = "hold", language = "de",
//!             preferences = "ack=on hide=on", resumes = "2026-12-01T00:00:00Z" }]
//!
//! [[list.held]]                                        # of the list above
//! id = 3
//! entry = "…"                                          # absent: derived from the id
//! author = "eve@example.com"
//! subject = "Buy"
//! since = "2026-11-22T08:00:00Z"                       # absent: an hour ago; `expires` absent: 14 days later
//! reasons = ["nonmember-moderation: eve@example.com is not a member"]
//! asks = "join"                                        # where this is somebody's wish and no post
//! message = "eve.eml"                                  # in the case directory; absent: a small post
//! lost = true                                          # its message file is lost
//! sha256 = "…"                                         # absent: of the message; else the bytes are not those that were held
//! sender = "eve@example.com"                           # envelope sender; absent: the author
//! facts = { }                                          # as in `envelope.toml`; absent: the author
//!
//! [[list.decided]]                                     # the same, and
//! verdict = "reject"
//! by = "alice@example.org"                             # absent: the clock
//! at = "2026-11-22T08:30:00Z"                          # absent: ten minutes ago
//!
//! [[list.request]]
//! kind = "join"
//! address = "erin@example.com"
//! opened = "…"                                         # the entry; absent: derived from kind and address
//! commands = ["join"]
//! by = "alice@example.org"                             # who invites; absent: nobody
//! mailed = "2026-11-22T08:00:00Z"                      # absent: an hour ago; `expires` absent: three days later
//!
//! [[list.bounces]]
//! address = "bob@example.net"
//! events = [{ at = "2026-11-21T09:00:00Z", cause = "gone", weight = 100, post = "post/20261121-010101" }]
//! state = { is = "disabled", since = "2026-11-21T09:00:00Z", notices = 1 }   # absent: scoring
//! due = "2026-11-22T08:00:00Z"                         # absent: 180 days after the last event
//!
//! [[list.tally]]
//! name = "post/20261121-010101"
//! count = 12                                           # `since` absent: an hour ago
//!
//! [[ban]]
//! pattern = "@spam.example"
//! scope = "dev@lists.example.org"                      # absent: the site
//! reason = "spam"
//!
//! [[spent]]                                            # on the day of the case
//! address = "victim@example.com"
//! trust = "stranger"
//! count = 2                                            # letters to the address
//! domain_count = 5                                     # letters to its domain; absent: these
//! ```

mod apply;
mod file;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List, ListAddress,
    Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, StoreView, Timestamp, Trust, Unavailable,
};
use listmill_queue_format::EntryId;

pub use file::Reading;

/// The store of a case. It keeps all that a view shows; of the audit log it keeps nothing.
#[derive(Debug, Clone)]
pub struct MemoryView {
    lists: BTreeMap<ListAddress, OnList>,
    bans: Vec<Ban>,
    /// By day, whose word, and address or domain.
    spent: HashMap<(i64, Trust, String), u32>,
    keys: SigningKeys,
}

/// A list, and what belongs to it.
#[derive(Debug, Clone)]
struct OnList {
    list: List,
    roster: BTreeMap<Address, Member>,
    last_held: HeldId,
    held: BTreeMap<HeldId, (HeldPost, MessageFile)>,
    /// The message file while the decision can be undone.
    decided: BTreeMap<HeldId, (Decision, Option<MessageFile>)>,
    requests: BTreeMap<(RequestKind, Address), Request>,
    bounces: BTreeMap<Address, BounceRecord>,
    tallies: BTreeMap<String, BounceTally>,
    /// The name of a tally, and what it has counted once.
    once: BTreeSet<(String, String)>,
}

impl MemoryView {
    /// The store that this text describes, at the time of every case; its messages are all small posts.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let now = "2026-11-22T09:00:00Z".parse().expect("it is a time");
        Self::read(text, &Reading { now, message: &|name| Err(format!("there is no file {name}")) })
    }

    /// The signing keys of every case: fixed, so that a case can name a token.
    pub fn keys() -> SigningKeys {
        SigningKeys::new(vec![[7; 32]]).expect("one key is a key")
    }

    fn on(&self, list: &ListAddress) -> impl Iterator<Item = &OnList> {
        self.lists.get(list).into_iter()
    }

    fn letters(&self, day: i64, trust: Trust, to: &str) -> u32 {
        self.spent.get(&(day, trust, to.to_owned())).copied().unwrap_or_default()
    }
}

/// The number of a day (UTC).
fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(24 * 60 * 60)
}

impl StoreView for MemoryView {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        Ok(self.lists.get(list).map(|on| on.list.clone()))
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        let behind = self.lists.iter().filter(|(address, _)| after.is_none_or(|after| *address > after));
        Ok(behind.take(limit).map(|(_, on)| on.list.clone()).collect())
    }

    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.roster.get(address)).cloned())
    }

    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        let roster = self.on(list).flat_map(|on| &on.roster);
        let behind = roster.filter(|(address, _)| after.is_none_or(|after| *address > after));
        Ok(behind.take(limit).map(|(_, member)| member.clone()).collect())
    }

    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        let roster = self.on(list).flat_map(|on| on.roster.values());
        Ok(roster.filter(|member| member.roles.has(Role::Member)).count() as u64)
    }

    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        let roster = self.on(list).flat_map(|on| on.roster.values());
        Ok(roster.filter(|member| member.roles.has(role)).cloned().collect())
    }

    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        let held = self.on(list).flat_map(|on| &on.held).filter(|(id, _)| after.is_none_or(|after| **id > after));
        Ok(held.take(limit).map(|(_, (post, _))| post.clone()).collect())
    }

    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.held.get(&id)).cloned())
    }

    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        let mut held = self.on(list).flat_map(|on| on.held.values());
        Ok(held.find(|(post, _)| post.entry == entry).map(|(post, _)| post.clone()))
    }

    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        let held = self.lists.values().flat_map(|on| on.held.values()).map(|(post, _)| post);
        let mut lapsed: Vec<_> = held.filter(|post| post.expires <= at).collect();
        // Of the same time, by list and number: that is the order in which they are.
        lapsed.sort_by_key(|post| post.expires);
        Ok(lapsed.into_iter().take(limit).cloned().collect())
    }

    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.decided.get(&id)).map(|(decision, _)| decision.clone()))
    }

    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable> {
        let all = self.on(list).flat_map(|on| &on.decided).filter(|(id, _)| after.is_none_or(|after| **id > after));
        Ok(all.take(limit).map(|(_, (decision, _))| decision.clone()).collect())
    }

    fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.requests.get(&(kind, address.clone()))).cloned())
    }

    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        let mut requests = self.on(list).flat_map(|on| on.requests.values());
        Ok(requests.find(|request| request.handle == handle).cloned())
    }

    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        let letters = |to: &str| self.letters(day(at), trust, to);
        Ok(Spent { address: letters(&address.key()), domain: letters(address.domain()) })
    }

    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.bounces.get(address)).cloned())
    }

    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        let records = self.lists.values().flat_map(|on| on.bounces.values());
        let mut due: Vec<_> = records.filter(|record| record.due <= at).collect();
        due.sort_by_key(|record| record.due);
        Ok(due.into_iter().take(limit).cloned().collect())
    }

    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        Ok(self.lists.get(list).and_then(|on| on.tallies.get(name)).cloned())
    }

    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        let tallies = self.on(list).flat_map(|on| &on.tallies);
        let behind = tallies.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        Ok(behind.take(limit).map(|(_, tally)| tally.clone()).collect())
    }

    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        let here = |scope: &BanScope| match scope {
            BanScope::Site => true,
            BanScope::List(of) => of == list,
        };
        Ok(self.bans.iter().find(|ban| here(&ban.scope) && ban.pattern.hits(address)).cloned())
    }

    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        Ok(self.bans.iter().filter(|ban| ban.scope == *scope).cloned().collect())
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        Ok(self.keys.clone())
    }

    fn audit(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests;
