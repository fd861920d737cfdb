//! A store view in memory, built from a `store.toml`: what a stage sees in a case.
//!
//! ```toml
//! [[list]]
//! address = "dev@lists.example.org"
//! settings = { member_action = "hold" }
//! members = ["bob@example.net", "carol@example.com"]   # with every default
//! member = [{ address = "alice@example.org", roles = "owner", delivery = "off:member", moderation = "hold" }]
//!
//! [[ban]]
//! pattern = "@spam.example"
//! scope = "dev@lists.example.org"                      # absent: the site
//! reason = "spam"
//! ```

use std::collections::BTreeMap;

use listmill_core::settings::Cascade;
use listmill_core::{
    Address, AuditRecord, Ban, BanScope, Decision, Delivery, HeldId, HeldPost, List, ListAddress, Member, MessageFile,
    Moderation, Preferences, Request, RequestKind, Role, Roles, SigningKeys, Spent, StoreView, Timestamp, Trust,
    Unavailable,
};
use listmill_queue_format::EntryId;
use serde::Deserialize;

type Roster = BTreeMap<Address, Member>;

/// The store of a case; nothing in it changes.
#[derive(Debug, Clone)]
pub struct MemoryView {
    lists: BTreeMap<ListAddress, (List, Roster)>,
    bans: Vec<Ban>,
    keys: SigningKeys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreFile {
    #[serde(default)]
    list: Vec<ListTable>,
    #[serde(default)]
    ban: Vec<BanTable>,
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
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    preferences: Preferences,
    #[serde(default)]
    resumes: Option<i64>,
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

impl MemoryView {
    /// The store that this text describes.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: StoreFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let lists = file.list.into_iter().map(ListTable::list).collect::<Result<_, _>>()?;
        let bans = file.ban.into_iter().map(BanTable::ban).collect::<Result<_, _>>()?;
        Ok(MemoryView { lists, bans, keys: Self::keys() })
    }

    /// The signing keys of every case: fixed, so that a case can name a token.
    pub fn keys() -> SigningKeys {
        SigningKeys::new(vec![[7; 32]]).expect("one key is a key")
    }
}

impl ListTable {
    fn list(self) -> Result<(ListAddress, (List, Roster)), String> {
        let settings = Cascade::default().resolve(&self.address, &self.settings).map_err(|error| error.to_string())?;
        let created = Timestamp::UNIX_EPOCH;
        let list = List { address: self.address.clone(), created, own: self.settings, settings };
        let plain = self.members.into_iter().map(|address| Member::new(address, 0));
        let special = self.member.into_iter().map(|table| Member {
            address: table.address,
            name: table.name,
            roles: table.roles,
            delivery: table.delivery,
            moderation: table.moderation,
            language: table.language,
            preferences: table.preferences,
            resumes: table.resumes,
            joined: 0,
        });
        let roster = plain.chain(special).map(|member| (member.address.clone(), member)).collect();
        Ok((self.address, (list, roster)))
    }
}

impl BanTable {
    fn ban(self) -> Result<Ban, String> {
        let pattern = self.pattern.parse().map_err(|error: listmill_core::BanPatternError| error.to_string())?;
        let scope = self.scope.unwrap_or(BanScope::Site);
        Ok(Ban { scope, pattern, reason: self.reason, since: Timestamp::UNIX_EPOCH })
    }
}

impl StoreView for MemoryView {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        Ok(self.lists.get(list).map(|(list, _)| list.clone()))
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        let behind = self.lists.iter().filter(|(address, _)| after.is_none_or(|after| *address > after));
        Ok(behind.take(limit).map(|(_, (list, _))| list.clone()).collect())
    }

    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        Ok(self.lists.get(list).and_then(|(_, roster)| roster.get(address)).cloned())
    }

    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        let roster = self.lists.get(list).into_iter().flat_map(|(_, roster)| roster);
        let behind = roster.filter(|(address, _)| after.is_none_or(|after| *address > after));
        Ok(behind.take(limit).map(|(_, member)| member.clone()).collect())
    }

    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        let roster = self.lists.get(list).into_iter().flat_map(|(_, roster)| roster.values());
        Ok(roster.filter(|member| member.roles.has(Role::Member)).count() as u64)
    }

    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        let roster = self.lists.get(list).into_iter().flat_map(|(_, roster)| roster.values());
        Ok(roster.filter(|member| member.roles.has(role)).cloned().collect())
    }

    fn held(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        Ok(Vec::new())
    }

    fn held_entry(&self, _: &ListAddress, _: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        Ok(None)
    }

    fn held_by_entry(&self, _: &ListAddress, _: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        Ok(None)
    }

    fn decision(&self, _: &ListAddress, _: HeldId) -> Result<Option<Decision>, Unavailable> {
        Ok(None)
    }

    fn decisions(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<Decision>, Unavailable> {
        Ok(Vec::new())
    }

    fn request(&self, _: &ListAddress, _: RequestKind, _: &Address) -> Result<Option<Request>, Unavailable> {
        Ok(None)
    }

    fn request_by_handle(&self, _: &ListAddress, _: &str) -> Result<Option<Request>, Unavailable> {
        Ok(None)
    }

    fn spent(&self, _: &Address, _: Trust, _: Timestamp) -> Result<Spent, Unavailable> {
        Ok(Spent::default())
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
