//! What each change does, and what must hold before it.

use std::collections::BTreeMap;
use std::slice;

use listmill_core::{
    Address, Ban, BanPattern, BanScope, ListAddress, Member, Refusal, Role, Roles, StoreChange, Timestamp, Unavailable,
    settings,
};

use super::engine::{Changes, Fault};
use super::files::MessageFiles;
use super::maps::{self, Counters, ListRecord, get_json, put_json};
use super::member_form;
use crate::blocks::Pair;

/// The changes of one batch, applied to a draft one after the other: each sees those before it.
pub(super) struct Application<'a, 'd> {
    pub(super) draft: &'a mut Changes<'d>,
    pub(super) at: Timestamp,
    /// The records of the message files of the posts that are held, in order.
    pub(super) held_records: slice::Iter<'a, Vec<u8>>,
    pub(super) dropped: Vec<Vec<u8>>,
    /// The list that was there when it was last asked for: most batches are about one, and each of their changes asks.
    there: Option<ListAddress>,
}

impl<'a, 'd> Application<'a, 'd> {
    /// A batch of this moment.
    pub(super) fn new(draft: &'a mut Changes<'d>, at: Timestamp, held_records: slice::Iter<'a, Vec<u8>>) -> Self {
        Application { draft, at, held_records, dropped: Vec::new(), there: None }
    }

    /// For changes that know nothing of a time and hold nothing.
    pub(super) fn at_any_time(draft: &'a mut Changes<'d>) -> Self {
        Application::new(draft, Timestamp::UNIX_EPOCH, [].iter())
    }

    /// The records of the message files that nothing needs once the batch is applied.
    pub(super) fn dropped(self) -> Vec<Vec<u8>> {
        self.dropped
    }

    /// Applies one change.
    pub(super) fn apply(&mut self, change: &StoreChange) -> Result<(), Fault> {
        match change {
            StoreChange::CreateList { list, own } => self.create_list(list, own),
            StoreChange::RemoveList { list } => self.remove_list(list),
            StoreChange::Set { list, key, value } => self.set(list, key, value.as_deref()),
            StoreChange::AddMember { list, member } => self.add_member(list, member),
            StoreChange::ImportMembers { list, members } => self.import_members(list, members),
            StoreChange::UpdateMember { list, was, member } => self.update_member(list, was, member),
            StoreChange::RemoveMember { list, address } => self.remove_member(list, address),
            StoreChange::Hold { post, .. } => self.hold(post),
            StoreChange::Unhold { list, id, verdict, by } => self.unhold(list, *id, *verdict, by),
            StoreChange::Rehold { list, id } => self.rehold(list, *id),
            StoreChange::Postpone { list, id, until } => self.postpone(list, *id, *until),
            StoreChange::OpenRequest { request, instead } => self.open_request(request, *instead),
            StoreChange::CloseRequest { list, kind, address, opened, .. } => {
                self.close_request(list, *kind, address, *opened)
            }
            StoreChange::Spend { address, trust, allowance } => self.spend(address, *trust, *allowance),
            StoreChange::NoteBounces { .. } | StoreChange::ForgetBounces { .. } | StoreChange::CountBounce { .. } => {
                self.bounces(change)
            }
            StoreChange::Tidy => self.tidy(),
            StoreChange::Ban(ban) => self.ban(ban),
            StoreChange::Unban { scope, pattern } => self.unban(scope, pattern),
        }
    }

    fn create_list(&mut self, list: &ListAddress, own: &BTreeMap<String, String>) -> Result<(), Fault> {
        for (key, value) in own {
            check_setting(list, key, value)?;
        }
        let record = ListRecord { created: self.at, own: own.clone() };
        if put_json(self.draft, &maps::lists(), list_key(list), &record)? {
            return Err(Refusal::ListExists(list.clone()).into());
        }
        Ok(())
    }

    fn remove_list(&mut self, list: &ListAddress) -> Result<(), Fault> {
        self.there = None;
        if !maps::lists().remove(self.draft, list_key(list))? {
            return Err(Refusal::NoList(list.clone()).into());
        }
        maps::held_files(list).each(self.draft, |_, record| {
            if MessageFiles::is_named(record) {
                self.dropped.push(record.to_vec());
            }
            Ok(())
        })?;
        self.forget_times(list)?;
        self.forget_times_of_bounces(list)?;
        maps::counters().remove(self.draft, list_key(list))?;
        for map in maps::all_of(list) {
            map.clear(self.draft)?;
        }
        Ok(())
    }

    fn set(&mut self, list: &ListAddress, key: &str, value: Option<&str>) -> Result<(), Fault> {
        let mut record: ListRecord =
            get_json(self.draft, &maps::lists(), list_key(list))?.ok_or_else(|| Refusal::NoList(list.clone()))?;
        match value {
            Some(value) => {
                check_setting(list, key, value)?;
                record.own.insert(key.to_owned(), value.to_owned());
            }
            None => {
                record.own.remove(key);
            }
        }
        put_json(self.draft, &maps::lists(), list_key(list), &record)?;
        Ok(())
    }

    fn add_member(&mut self, list: &ListAddress, member: &Member) -> Result<(), Fault> {
        self.need_list(list)?;
        let (key, value) = member_form::encode(member);
        if maps::roster(list).insert(self.draft, &key, &value)? {
            return Err(Refusal::MemberExists { list: list.clone(), address: member.address.clone() }.into());
        }
        self.set_staff(list, &key, member.roles)?;
        self.count(list, |counters| {
            counters.people += 1;
            counters.members += u64::from(member.roles.has(Role::Member));
        })
    }

    pub(super) fn import_members(&mut self, list: &ListAddress, members: &[Member]) -> Result<(), Fault> {
        self.need_list(list)?;
        let mut new: Vec<(usize, Pair)> = members.iter().map(member_form::encode).enumerate().collect();
        // Of those who are there twice, the first counts.
        new.sort_by(|(_, a), (_, b)| a.0.cmp(&b.0));
        new.dedup_by(|(_, later), (_, first)| later.0 == first.0);
        let (at, run): (Vec<usize>, Vec<_>) = new.into_iter().unzip();
        let added = maps::roster(list).add_all(self.draft, &run)?;
        let mut sum = Counters::default();
        for ((at, (key, _)), _) in at.into_iter().zip(&run).zip(added).filter(|(_, added)| *added) {
            let roles = members[at].roles;
            sum.people += 1;
            sum.members += u64::from(roles.has(Role::Member));
            if roles.is_staff() {
                self.set_staff(list, key, roles)?;
            }
        }
        self.count(list, |counters| {
            counters.people += sum.people;
            counters.members += sum.members;
        })
    }

    fn update_member(&mut self, list: &ListAddress, was: &Member, member: &Member) -> Result<(), Fault> {
        self.need_list(list)?;
        let (key, value) = member_form::encode(member);
        let old = self.need_member(list, &member.address, &key)?;
        if old != *was {
            return Err(Refusal::MemberChanged { list: list.clone(), address: member.address.clone() }.into());
        }
        maps::roster(list).insert(self.draft, &key, &value)?;
        self.replace_roles(list, &key, old.roles, member.roles)
    }

    fn remove_member(&mut self, list: &ListAddress, address: &Address) -> Result<(), Fault> {
        self.need_list(list)?;
        let key = address.key().into_bytes();
        let old = self.need_member(list, address, &key)?;
        maps::roster(list).remove(self.draft, &key)?;
        self.drop_bounces(list, address)?;
        self.replace_roles(list, &key, old.roles, Roles::NONE)?;
        self.count(list, |counters| counters.people = counters.people.saturating_sub(1))
    }

    pub(super) fn ban(&mut self, ban: &Ban) -> Result<(), Fault> {
        if let BanScope::List(list) = &ban.scope {
            self.need_list(list)?;
        }
        put_json(self.draft, &maps::bans(&ban.scope), &maps::ban_key(&ban.pattern), ban)?;
        Ok(())
    }

    fn unban(&mut self, scope: &BanScope, pattern: &BanPattern) -> Result<(), Fault> {
        if maps::bans(scope).remove(self.draft, &maps::ban_key(pattern))? {
            return Ok(());
        }
        Err(Refusal::NoBan { scope: scope.clone(), pattern: pattern.clone() }.into())
    }

    pub(super) fn need_list(&mut self, list: &ListAddress) -> Result<(), Fault> {
        if self.there.as_ref() == Some(list) {
            return Ok(());
        }
        match maps::lists().get(self.draft, list_key(list))? {
            Some(_) => {
                self.there = Some(list.clone());
                Ok(())
            }
            None => Err(Refusal::NoList(list.clone()).into()),
        }
    }

    fn need_member(&self, list: &ListAddress, address: &Address, key: &[u8]) -> Result<Member, Fault> {
        match maps::roster(list).get(self.draft, key)? {
            Some(value) => Ok(member_form::decode(key, &value)?),
            None => Err(Refusal::NoMember { list: list.clone(), address: address.clone() }.into()),
        }
    }

    fn replace_roles(&mut self, list: &ListAddress, key: &[u8], old: Roles, new: Roles) -> Result<(), Fault> {
        if old == new {
            return Ok(());
        }
        self.set_staff(list, key, new)?;
        self.count(list, |counters| {
            counters.members = counters.members.saturating_sub(u64::from(old.has(Role::Member)));
            counters.members += u64::from(new.has(Role::Member));
        })
    }

    /// Puts somebody into the index of the people in charge, or takes them out of it.
    fn set_staff(&mut self, list: &ListAddress, key: &[u8], roles: Roles) -> Result<(), Unavailable> {
        if roles.is_staff() {
            maps::staff(list).insert(self.draft, key, roles.to_string().as_bytes())?;
        } else {
            maps::staff(list).remove(self.draft, key)?;
        }
        Ok(())
    }

    pub(super) fn count(&mut self, list: &ListAddress, change: impl FnOnce(&mut Counters)) -> Result<(), Fault> {
        let mut counters = maps::counters_of(self.draft, list)?;
        change(&mut counters);
        put_json(self.draft, &maps::counters(), list_key(list), &counters)?;
        Ok(())
    }
}

pub(super) fn list_key(list: &ListAddress) -> &[u8] {
    list.as_str().as_bytes()
}

fn check_setting(list: &ListAddress, key: &str, value: &str) -> Result<(), Refusal> {
    settings::check(key, value).map_err(|error| Refusal::Setting { list: list.clone(), reason: error.to_string() })
}
