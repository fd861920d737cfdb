//! What each change does to the store in memory, and what must hold before it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use listmill_core::settings::{self, Cascade};
use listmill_core::{
    Address, Away, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List, ListAddress, Member,
    MessageFile, Refusal, Request, RequestKind, Spent, StoreChange, Timestamp, Verdict,
};
use listmill_queue_format::EntryId;

use super::{MemoryView, OnList, day};

/// How long the message file of a decision that can be undone is kept.
const FILE_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How long a decision stays known.
const DECISION_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

impl MemoryView {
    /// Applies a batch: all of it, or nothing where a precondition fails.
    ///
    /// # Errors
    /// The precondition that fails.
    pub fn apply(&mut self, changes: &[StoreChange], now: Timestamp) -> Result<(), Refusal> {
        let mut draft = self.clone();
        changes.iter().try_for_each(|change| draft.apply_one(change, now))?;
        *self = draft;
        Ok(())
    }

    fn apply_one(&mut self, change: &StoreChange, now: Timestamp) -> Result<(), Refusal> {
        match change {
            StoreChange::CreateList { list, own } => self.create_list(list, own, now),
            StoreChange::RemoveList { list } => self.remove_list(list),
            StoreChange::Set { list, key, value } => self.need(list)?.set(key, value.as_deref()),
            StoreChange::AddMember { list, member } => self.need(list)?.add(member),
            StoreChange::ImportMembers { list, members } => {
                let on = self.need(list)?;
                members.iter().for_each(|member| drop(on.add(member)));
                Ok(())
            }
            StoreChange::UpdateMember { list, was, member } => self.need(list)?.update(was, member),
            StoreChange::RemoveMember { list, address } => self.need(list)?.remove(address),
            StoreChange::Hold { post, file } => {
                self.need(&post.list)?.hold(post, file);
                Ok(())
            }
            StoreChange::Unhold { list, id, verdict, by } => self.need(list)?.unhold(*id, *verdict, by, now),
            StoreChange::Rehold { list, id } => self.need(list)?.rehold(*id, now),
            StoreChange::Postpone { list, id, until } => self.need(list)?.postpone(*id, *until),
            StoreChange::OpenRequest { request, instead } => self.need(&request.list)?.open(request, *instead),
            StoreChange::CloseRequest { list, kind, address, opened, .. } => {
                let on = self.need(list)?;
                on.need_request((*kind, address.clone()), Some(*opened))?;
                on.requests.remove(&(*kind, address.clone()));
                Ok(())
            }
            StoreChange::Spend { address, trust, allowance } => {
                let spent = |to: &str| self.letters(day(now), *trust, to);
                let spent = Spent { address: spent(&address.key()), domain: spent(address.domain()) };
                if !allowance.allows(spent, 1) {
                    return Err(Refusal::OverBudget { address: address.clone() });
                }
                for to in [address.key(), address.domain().to_owned()] {
                    *self.spent.entry((day(now), *trust, to)).or_default() += 1;
                }
                Ok(())
            }
            StoreChange::NoteBounces { record, instead } => self.need(&record.list)?.note_bounces(record, *instead),
            StoreChange::ForgetBounces { list, address, was } => {
                let on = self.need(list)?;
                on.need_bounces(address, Some(*was))?;
                on.bounces.remove(address);
                Ok(())
            }
            StoreChange::CountBounce { list, name, once, below, note } => {
                self.need(list)?.count_bounce(name, once.as_deref(), *below, note, now)
            }
            StoreChange::Tidy => {
                self.tidy(now);
                Ok(())
            }
            StoreChange::Ban(ban) => self.ban(ban),
            StoreChange::Unban { scope, pattern } => {
                let before = self.bans.len();
                self.bans.retain(|ban| ban.scope != *scope || ban.pattern != *pattern);
                let gone = || Refusal::NoBan { scope: scope.clone(), pattern: pattern.clone() };
                if self.bans.len() == before { Err(gone()) } else { Ok(()) }
            }
        }
    }

    fn need(&mut self, list: &ListAddress) -> Result<&mut OnList, Refusal> {
        self.lists.get_mut(list).ok_or_else(|| Refusal::NoList(list.clone()))
    }

    fn create_list(
        &mut self,
        list: &ListAddress,
        own: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.lists.contains_key(list) {
            return Err(Refusal::ListExists(list.clone()));
        }
        let new = OnList::new(list.clone(), own.clone(), now).map_err(|reason| setting(list, reason))?;
        self.lists.insert(list.clone(), new);
        Ok(())
    }

    fn remove_list(&mut self, list: &ListAddress) -> Result<(), Refusal> {
        self.need(list)?;
        self.lists.remove(list);
        self.bans.retain(|ban| ban.scope != BanScope::List(list.clone()));
        Ok(())
    }

    fn ban(&mut self, ban: &Ban) -> Result<(), Refusal> {
        if let BanScope::List(list) = &ban.scope {
            self.need(list)?;
        }
        self.bans.retain(|old| old.scope != ban.scope || old.pattern != ban.pattern);
        self.bans.push(ban.clone());
        Ok(())
    }

    fn tidy(&mut self, now: Timestamp) {
        self.spent.retain(|(of, ..), _| *of >= day(now));
        for on in self.lists.values_mut() {
            on.requests.retain(|_, request| request.expires > now);
            on.tallies.retain(|_, tally| now.duration_since(tally.since) <= BounceTally::KEPT);
            let tallies = &on.tallies;
            on.once.retain(|(name, _)| tallies.contains_key(name));
            on.decided.retain(|_, (decision, _)| now.duration_since(decision.at) <= DECISION_KEPT);
            for (decision, file) in on.decided.values_mut() {
                if now.duration_since(decision.at) > FILE_KEPT {
                    *file = None;
                }
            }
        }
    }
}

impl OnList {
    /// A list with its settings and nobody on it.
    pub(super) fn new(address: ListAddress, own: BTreeMap<String, String>, created: Timestamp) -> Result<Self, String> {
        let settings = Cascade::default().resolve(&address, &own).map_err(|error| error.to_string())?;
        Ok(OnList {
            list: List { address, created, own, settings },
            roster: Default::default(),
            last_held: 0,
            held: Default::default(),
            decided: Default::default(),
            requests: Default::default(),
            bounces: Default::default(),
            tallies: Default::default(),
            once: Default::default(),
        })
    }

    fn address(&self) -> ListAddress {
        self.list.address.clone()
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), Refusal> {
        let mut own = self.list.own.clone();
        match value {
            Some(value) => {
                settings::check(key, value).map_err(|error| setting(&self.list.address, error.to_string()))?;
                own.insert(key.to_owned(), value.to_owned());
            }
            None => drop(own.remove(key)),
        }
        let settings = Cascade::default().resolve(&self.list.address, &own);
        self.list.settings = settings.map_err(|error| setting(&self.list.address, error.to_string()))?;
        self.list.own = own;
        Ok(())
    }

    fn add(&mut self, member: &Member) -> Result<(), Refusal> {
        if self.roster.contains_key(&member.address) {
            return Err(Refusal::MemberExists { list: self.address(), address: member.address.clone() });
        }
        self.roster.insert(member.address.clone(), member.clone());
        Ok(())
    }

    fn update(&mut self, was: &Member, member: &Member) -> Result<(), Refusal> {
        if self.roster.get(&member.address).is_some_and(|old| old != was) {
            return Err(Refusal::MemberChanged { list: self.address(), address: member.address.clone() });
        }
        // The record is replaced whole, the spelling of the address included.
        let bounces = self.bounces.remove(&member.address);
        self.remove(&member.address)?;
        self.bounces.extend(bounces.map(|record| (member.address.clone(), record)));
        self.add(member)
    }

    fn remove(&mut self, address: &Address) -> Result<(), Refusal> {
        let gone = || Refusal::NoMember { list: self.list.address.clone(), address: address.clone() };
        self.roster.remove(address).ok_or_else(gone)?;
        self.bounces.remove(address);
        Ok(())
    }

    fn note_bounces(&mut self, record: &BounceRecord, instead: Option<EntryId>) -> Result<(), Refusal> {
        if !self.roster.contains_key(&record.address) {
            return Err(Refusal::NoMember { list: self.address(), address: record.address.clone() });
        }
        self.need_bounces(&record.address, instead)?;
        self.bounces.insert(record.address.clone(), record.clone());
        Ok(())
    }

    fn need_bounces(&self, address: &Address, by: Option<EntryId>) -> Result<(), Refusal> {
        let changed = || Refusal::BouncesChanged { list: self.address(), address: address.clone() };
        if self.bounces.get(address).map(|record| record.by) == by { Ok(()) } else { Err(changed()) }
    }

    fn count_bounce(
        &mut self,
        name: &str,
        once: Option<&str>,
        below: Option<u32>,
        note: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let count = self.tallies.get(name).map_or(0, |tally| tally.count);
        if below.is_some_and(|below| count >= below) {
            return Err(Refusal::Counted { list: self.address(), name: name.to_owned() });
        }
        if once.is_some_and(|once| !self.once.insert((name.to_owned(), once.to_owned()))) {
            return Ok(());
        }
        let new = || BounceTally { name: name.to_owned(), count: 0, since: now, note: note.to_owned() };
        self.tallies.entry(name.to_owned()).or_insert_with(new).count += 1;
        Ok(())
    }

    fn hold(&mut self, post: &HeldPost, file: &MessageFile) {
        self.last_held += 1;
        let post = HeldPost { id: self.last_held, ..post.clone() };
        self.held.insert(self.last_held, (post, file.clone()));
    }

    fn unhold(&mut self, id: HeldId, verdict: Verdict, by: &str, at: Timestamp) -> Result<(), Refusal> {
        let (post, file) = self.held.remove(&id).ok_or(Refusal::NotHeld { list: self.list.address.clone(), id })?;
        let decision = Decision { post, verdict, by: by.to_owned(), at };
        self.decided.insert(id, (decision, verdict.can_be_undone().then_some(file)));
        Ok(())
    }

    fn rehold(&mut self, id: HeldId, now: Timestamp) -> Result<(), Refusal> {
        let Some((Decision { post, at, .. }, Some(file))) = self.decided.get(&id).cloned() else {
            return Err(Refusal::NotDecided { list: self.address(), id });
        };
        self.decided.remove(&id);
        let away = Some(Away { from: at, until: now });
        self.held.insert(id, (HeldPost { away, ..post }, file));
        Ok(())
    }

    fn postpone(&mut self, id: HeldId, until: Timestamp) -> Result<(), Refusal> {
        let list = self.address();
        let (post, _) = self.held.get_mut(&id).ok_or(Refusal::NotHeld { list, id })?;
        post.expires = until;
        Ok(())
    }

    fn open(&mut self, request: &Request, instead: Option<EntryId>) -> Result<(), Refusal> {
        let key = (request.kind, request.address.clone());
        self.need_request(key.clone(), instead)?;
        // Two requests under one handle would be one too many.
        if self.requests.iter().any(|(other, open)| *other != key && open.handle == request.handle) {
            let (kind, address) = key;
            return Err(Refusal::RequestChanged { list: self.address(), kind, address });
        }
        self.requests.insert(key, request.clone());
        Ok(())
    }

    /// The open request under this key was opened by this entry, or there is none.
    fn need_request(&self, key: (RequestKind, Address), opened: Option<EntryId>) -> Result<(), Refusal> {
        let open = self.requests.get(&key).map(|request| request.opened);
        let (kind, address) = key;
        if open == opened { Ok(()) } else { Err(Refusal::RequestChanged { list: self.address(), kind, address }) }
    }
}

fn setting(list: &ListAddress, reason: String) -> Refusal {
    Refusal::Setting { list: list.clone(), reason }
}
