//! What each change does, and what must hold before it.
//!
//! | precondition | what keeps it until the batch is applied |
//! | --- | --- |
//! | the list is there | its row is locked against removal; others may write to the list meanwhile |
//! | the list, the member, the request, the ban is not there yet | a unique index: who comes second waits for the first, and then finds it |
//! | the member, the post, the decision, the request is there, and as it was read | its row is locked, or deleted |
//! | the day's budget | the row of the day is updated where it has room |
//!
//! So the isolation level is PostgreSQL's default, *read committed*: no precondition depends on a row that is not locked.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use listmill_core::{
    Address, Ban, BanPattern, BanScope, ListAddress, Member, Refusal, Role, Roles, StoreChange, Timestamp, settings,
};

use super::fault::Fault;
use super::member_row::{MemberColumns, MemberRow, member, parsed};
use super::session::{change, json, row};
use super::sql;
use super::types::Text;

/// So many people are sent with one statement.
const AT_ONCE: usize = 10_000;

/// The changes of one batch, applied one after the other: each sees those before it.
pub(super) struct Application<'a> {
    pub(super) sent: &'a Transaction<'a>,
    pub(super) at: Timestamp,
    /// The lists that are locked, by address.
    lists: HashMap<ListAddress, i64>,
    /// By how much the counts of each list change: people, and those with the role `member`.
    counts: BTreeMap<i64, (i64, i64)>,
}

impl<'a> Application<'a> {
    pub(super) fn new(sent: &'a Transaction<'a>, at: Timestamp) -> Self {
        Application { sent, at, lists: HashMap::new(), counts: BTreeMap::new() }
    }

    /// Applies one change.
    pub(super) async fn apply(&mut self, change: &StoreChange) -> Result<(), Fault> {
        match change {
            StoreChange::CreateList { list, own } => self.create_list(list, own).await,
            StoreChange::RemoveList { list } => self.remove_list(list).await,
            StoreChange::Set { list, key, value } => self.set(list, key, value.as_deref()).await,
            StoreChange::AddMember { list, member } => self.add_member(list, member).await,
            StoreChange::ImportMembers { list, members } => self.import_members(list, members).await,
            StoreChange::UpdateMember { list, was, member } => self.update_member(list, was, member).await,
            StoreChange::RemoveMember { list, address } => self.remove_member(list, address).await,
            StoreChange::Hold { post, file } => self.hold(post, file).await,
            StoreChange::Unhold { list, id, verdict, by } => self.unhold(list, *id, *verdict, by).await,
            StoreChange::Rehold { list, id } => self.rehold(list, *id).await,
            StoreChange::Postpone { list, id, until } => self.postpone(list, *id, *until).await,
            StoreChange::OpenRequest { request, instead } => self.open_request(request, *instead).await,
            StoreChange::CloseRequest { list, kind, address, opened, .. } => {
                self.close_request(list, *kind, address, *opened).await
            }
            StoreChange::Spend { address, trust, allowance } => self.spend(address, *trust, *allowance).await,
            StoreChange::NoteBounces { .. } | StoreChange::ForgetBounces { .. } | StoreChange::CountBounce { .. } => {
                self.bounces(change).await
            }
            StoreChange::Tidy => self.tidy().await,
            StoreChange::Ban(ban) => self.ban(ban).await,
            StoreChange::Unban { scope, pattern } => self.unban(scope, pattern).await,
        }
    }

    /// Writes down the counts. At the end of the batch, and list by list in the same order in every batch: whoever has changed a count makes
    /// others wait until it is committed.
    pub(super) async fn finish(self) -> Result<(), Fault> {
        for (list, (people, members)) in &self.counts {
            change(self.sent, sql::COUNT, &[list, people, members]).await?;
        }
        Ok(())
    }

    pub(super) async fn create_list(
        &mut self,
        list: &ListAddress,
        own: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        for (key, value) in own {
            check_setting(list, key, value)?;
        }
        let created = row(self.sent, sql::CREATE_LIST, &[&list.as_str(), &self.at.to_string()]).await?;
        let id: i64 = created.ok_or_else(|| Refusal::ListExists(list.clone()))?.try_get(0)?;
        self.lists.insert(list.clone(), id);
        for (key, value) in own {
            change(self.sent, sql::SET, &[&id, key, &Text::from(value.as_str())]).await?;
        }
        Ok(())
    }

    async fn remove_list(&mut self, list: &ListAddress) -> Result<(), Fault> {
        let removed = row(self.sent, sql::REMOVE_LIST, &[&list.as_str()]).await?;
        let id: i64 = removed.ok_or_else(|| Refusal::NoList(list.clone()))?.try_get(0)?;
        self.lists.remove(list);
        self.counts.remove(&id);
        change(self.sent, sql::REMOVE_ROSTER, &[&id]).await?;
        change(self.sent, sql::REMOVE_BANS, &[&list.as_str()]).await?;
        Ok(())
    }

    async fn set(&mut self, list: &ListAddress, key: &str, value: Option<&str>) -> Result<(), Fault> {
        let id = self.need_list(list).await?;
        match value {
            Some(value) => {
                check_setting(list, key, value)?;
                change(self.sent, sql::SET, &[&id, &key, &Text::from(value)]).await?;
            }
            None => {
                change(self.sent, sql::UNSET, &[&id, &Text::from(key)]).await?;
            }
        }
        Ok(())
    }

    async fn add_member(&mut self, list: &ListAddress, member: &Member) -> Result<(), Fault> {
        let id = self.need_list(list).await?;
        let new = MemberRow::from(member);
        if change(self.sent, sql::ADD_MEMBER, &new.params(&id)).await? == 0 {
            return Err(Refusal::MemberExists { list: list.clone(), address: member.address.clone() }.into());
        }
        self.count(id, 1, Roles::NONE, member.roles);
        Ok(())
    }

    pub(super) async fn import_members(&mut self, list: &ListAddress, members: &[Member]) -> Result<(), Fault> {
        let id = self.need_list(list).await?;
        let mut new: Vec<MemberRow> = members.iter().map(MemberRow::from).collect();
        // Of those who are there twice, the first counts.
        new.sort_by(|a, b| a.key.cmp(&b.key));
        new.dedup_by(|later, first| later.key == first.key);
        let mut new = new.into_iter();
        loop {
            let run: Vec<MemberRow> = new.by_ref().take(AT_ONCE).collect();
            if run.is_empty() {
                return Ok(());
            }
            let columns: MemberColumns = run.into_iter().collect();
            let added = row(self.sent, sql::IMPORT, &columns.params(&id)).await?;
            let added = added.ok_or_else(|| Fault::Unavailable("it does not say how many it has added".to_owned()))?;
            let (people, count) = (added.try_get::<_, i64>(0)?, added.try_get::<_, i64>(1)?);
            let counts = self.counts.entry(id).or_default();
            *counts = (counts.0 + people, counts.1 + count);
        }
    }

    async fn update_member(&mut self, list: &ListAddress, was: &Member, new: &Member) -> Result<(), Fault> {
        let id = self.need_list(list).await?;
        let columns = MemberRow::from(new);
        let old = row(self.sent, sql::LOCK_MEMBER, &[&id, &columns.key]).await?;
        let old = member(&old.ok_or_else(|| Refusal::NoMember { list: list.clone(), address: new.address.clone() })?)?;
        if old != *was {
            return Err(Refusal::MemberChanged { list: list.clone(), address: new.address.clone() }.into());
        }
        change(self.sent, sql::UPDATE_MEMBER, &columns.params(&id)).await?;
        self.count(id, 0, old.roles, new.roles);
        Ok(())
    }

    async fn remove_member(&mut self, list: &ListAddress, address: &Address) -> Result<(), Fault> {
        let id = self.need_list(list).await?;
        let removed = row(self.sent, sql::REMOVE_MEMBER, &[&id, &address.key()]).await?;
        let removed = removed.ok_or_else(|| Refusal::NoMember { list: list.clone(), address: address.clone() })?;
        let roles: Roles = parsed(removed.try_get(0)?)?;
        change(self.sent, sql::DROP_BOUNCES, &[&id, &address.key()]).await?;
        self.count(id, -1, roles, Roles::NONE);
        Ok(())
    }

    pub(super) async fn ban(&mut self, ban: &Ban) -> Result<(), Fault> {
        if let BanScope::List(list) = &ban.scope {
            self.need_list(list).await?;
        }
        let (scope, pattern) = (ban.scope.to_string(), ban_key(&ban.pattern));
        change(self.sent, sql::BAN, &[&scope, &pattern, &json(ban)]).await?;
        Ok(())
    }

    async fn unban(&mut self, scope: &BanScope, pattern: &BanPattern) -> Result<(), Fault> {
        if change(self.sent, sql::UNBAN, &[&scope.to_string(), &ban_key(pattern)]).await? > 0 {
            return Ok(());
        }
        Err(Refusal::NoBan { scope: scope.clone(), pattern: pattern.clone() }.into())
    }

    /// The list's number; it stays there until the batch is applied.
    pub(super) async fn need_list(&mut self, list: &ListAddress) -> Result<i64, Fault> {
        if let Some(id) = self.lists.get(list) {
            return Ok(*id);
        }
        let found = row(self.sent, sql::LOCK_LIST, &[&list.as_str()]).await?;
        let id = found.ok_or_else(|| Refusal::NoList(list.clone()))?.try_get(0)?;
        self.lists.insert(list.clone(), id);
        Ok(id)
    }

    fn count(&mut self, list: i64, people: i64, old: Roles, new: Roles) {
        let members = i64::from(new.has(Role::Member)) - i64::from(old.has(Role::Member));
        if (people, members) != (0, 0) {
            let counts = self.counts.entry(list).or_default();
            *counts = (counts.0 + people, counts.1 + members);
        }
    }
}

/// The key of a ban: the case of an address does not count.
pub(super) fn ban_key(pattern: &BanPattern) -> String {
    match pattern {
        BanPattern::Address(address) => address.key(),
        BanPattern::Domain(_) | BanPattern::Subdomains(_) => pattern.to_string(),
    }
}

fn check_setting(list: &ListAddress, key: &str, value: &str) -> Result<(), Refusal> {
    settings::check(key, value).map_err(|error| Refusal::Setting { list: list.clone(), reason: error.to_string() })
}
