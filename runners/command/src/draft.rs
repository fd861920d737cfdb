//! The store as it will be: the view, and on top of it what this message has changed so far.
//!
//! A message may have many lines, and each must see what those above it did; the store applies the changes in the same order.

use std::cell::RefCell;
use std::collections::BTreeMap;

use listmill_core::{
    Address, Allowance, Ban, BanPattern, BanScope, HeldId, HeldPost, List, ListAddress, Member, Request, RequestKind,
    Role, Spent, StoreChange, StoreView, Timestamp, Trust, Unavailable, Verdict,
};

/// What this message changes.
pub(crate) struct Draft<'a> {
    /// The store as it is.
    pub(crate) view: &'a dyn StoreView,
    changes: Vec<StoreChange>,
    members: BTreeMap<(ListAddress, Address), Option<Member>>,
    /// People as they were when they were first looked at.
    read: RefCell<BTreeMap<(ListAddress, Address), Option<Member>>>,
    held: BTreeMap<(ListAddress, HeldId), Option<HeldPost>>,
    requests: BTreeMap<(ListAddress, RequestKind, Address), Option<Request>>,
    settings: BTreeMap<(ListAddress, String), Option<String>>,
    /// Bans that this message made (true) or took away.
    bans: BTreeMap<(BanScope, BanPattern), bool>,
    spent: Vec<(Address, Trust)>,
}

impl<'a> Draft<'a> {
    /// Nothing is changed yet.
    pub(crate) fn new(view: &'a dyn StoreView) -> Self {
        Draft {
            view,
            changes: Vec::new(),
            members: BTreeMap::new(),
            read: RefCell::default(),
            held: BTreeMap::new(),
            requests: BTreeMap::new(),
            settings: BTreeMap::new(),
            bans: BTreeMap::new(),
            spent: Vec::new(),
        }
    }

    /// The changes, in order.
    pub(crate) fn into_changes(self) -> Vec<StoreChange> {
        self.changes
    }

    /// One person of a list.
    pub(crate) fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        match self.members.get(&(list.clone(), address.clone())) {
            Some(member) => Ok(member.clone()),
            None => self.as_read(list, address),
        }
    }

    /// The record as this message has read it first: what is decided is decided about that one, and it must still be that one when the
    /// changes are applied.
    fn as_read(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        let key = (list.clone(), address.clone());
        if let Some(member) = self.read.borrow().get(&key) {
            return Ok(member.clone());
        }
        let member = self.view.member(list, address)?;
        self.read.borrow_mut().insert(key, member.clone());
        Ok(member)
    }

    /// Everybody of this list whose record a line above has changed; none: they are gone.
    fn changed(&self, list: &ListAddress) -> impl Iterator<Item = (&Address, Option<&Member>)> {
        let here = self.members.iter().filter(move |((of, _), _)| of == list);
        here.map(|((_, address), member)| (address, member.as_ref()))
    }

    /// These people as the lines above have left them, and with them those whom these lines have changed or added.
    pub(crate) fn with_changes(&self, list: &ListAddress, mut people: Vec<Member>) -> Vec<Member> {
        people.retain(|person| !self.members.contains_key(&(list.clone(), person.address.clone())));
        people.extend(self.changed(list).filter_map(|(_, member)| member.cloned()));
        people.sort_by(|one, other| one.address.cmp(&other.address));
        people
    }

    /// How many people have the role `member`.
    pub(crate) fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        let is_member =
            |member: Option<&Member>| u64::from(member.is_some_and(|member| member.roles.has(Role::Member)));
        let mut count = self.view.member_count(list)?;
        for (address, member) in self.changed(list) {
            let before = self.view.member(list, address)?;
            count = (count + is_member(member)).saturating_sub(is_member(before.as_ref()));
        }
        Ok(count)
    }

    /// The people with this role, which must not be `member`.
    pub(crate) fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        let mut staff = self.with_changes(list, self.view.staff(list, role)?);
        staff.retain(|person| person.roles.has(role));
        Ok(staff)
    }

    /// Adds a person, or replaces their record.
    pub(crate) fn put_member(&mut self, list: &ListAddress, member: Member) -> Result<(), Unavailable> {
        let known = self.member(list, &member.address)?;
        self.members.insert((list.clone(), member.address.clone()), Some(member.clone()));
        let list = list.clone();
        self.changes.push(match known {
            Some(was) => StoreChange::UpdateMember { list, was: Box::new(was), member },
            None => StoreChange::AddMember { list, member },
        });
        Ok(())
    }

    /// Takes a person off a list; they must be on it.
    pub(crate) fn drop_member(&mut self, list: &ListAddress, address: &Address) {
        self.members.insert((list.clone(), address.clone()), None);
        self.changes.push(StoreChange::RemoveMember { list: list.clone(), address: address.clone() });
    }

    /// A held post; none when it is not held.
    pub(crate) fn held(&self, list: &ListAddress, id: HeldId) -> Result<Option<HeldPost>, Unavailable> {
        match self.held.get(&(list.clone(), id)) {
            Some(post) => Ok(post.clone()),
            None => crate::held::record(self.view, list, id),
        }
    }

    /// A line above has decided this post.
    pub(crate) fn is_decided(&self, list: &ListAddress, id: HeldId) -> bool {
        matches!(self.held.get(&(list.clone(), id)), Some(None))
    }

    /// A line above has brought this post back: the store does not hold it yet.
    pub(crate) fn is_brought_back(&self, list: &ListAddress, id: HeldId) -> bool {
        let again = StoreChange::Rehold { list: list.clone(), id };
        self.changes.contains(&again)
    }

    /// What this message holds.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &HeldPost> {
        self.changes.iter().filter_map(|change| match change {
            StoreChange::Hold { post, .. } => Some(post),
            _ => None,
        })
    }

    /// A held post is decided; it must be held.
    pub(crate) fn unhold(&mut self, list: &ListAddress, id: HeldId, verdict: Verdict, by: &str) {
        self.held.insert((list.clone(), id), None);
        self.changes.push(StoreChange::Unhold { list: list.clone(), id, verdict, by: by.to_owned() });
    }

    /// A decided post is held again.
    pub(crate) fn rehold(&mut self, post: HeldPost) {
        let (list, id) = (post.list.clone(), post.id);
        self.held.insert((list.clone(), id), Some(post));
        self.changes.push(StoreChange::Rehold { list, id });
    }

    /// A held post waits longer.
    pub(crate) fn postpone(&mut self, mut post: HeldPost, until: Timestamp) {
        post.expires = until;
        let (list, id) = (post.list.clone(), post.id);
        self.held.insert((list.clone(), id), Some(post));
        self.changes.push(StoreChange::Postpone { list, id, until });
    }

    /// The request that is open; it may have expired.
    pub(crate) fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        match self.requests.get(&(list.clone(), kind, address.clone())) {
            Some(request) => Ok(request.clone()),
            None => self.view.request(list, kind, address),
        }
    }

    /// The request whose token begins thus; it may have expired, and the token is still to be proven.
    pub(crate) fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        let found = self.view.request_by_handle(list, handle)?;
        // One that a line above has closed or renewed is what that line made of it.
        let Some(request) = found else { return Ok(None) };
        let now = self.request(list, request.kind, &request.address)?;
        Ok(now.filter(|now| now.handle == handle))
    }

    /// Opens a request, in the place of the one that is open.
    pub(crate) fn open(&mut self, request: Request) -> Result<(), Unavailable> {
        let before = self.request(&request.list, request.kind, &request.address)?;
        let key = (request.list.clone(), request.kind, request.address.clone());
        self.requests.insert(key, Some(request.clone()));
        self.changes.push(StoreChange::OpenRequest { request, instead: before.map(|before| before.opened) });
        Ok(())
    }

    /// Closes a request; it must be open.
    pub(crate) fn close(&mut self, request: &Request, outcome: &str) {
        self.requests.insert((request.list.clone(), request.kind, request.address.clone()), None);
        self.changes.push(StoreChange::CloseRequest {
            list: request.list.clone(),
            kind: request.kind,
            address: request.address.clone(),
            opened: request.opened,
            outcome: outcome.to_owned(),
        });
    }

    /// A list's own value of a setting.
    pub(crate) fn own_setting(&self, list: &List, key: &str) -> Option<String> {
        match self.settings.get(&(list.address.clone(), key.to_owned())) {
            Some(value) => value.clone(),
            None => list.own.get(key).cloned(),
        }
    }

    /// Sets a list's own value; it must be checked.
    pub(crate) fn set(&mut self, list: &ListAddress, key: &str, value: Option<String>) {
        self.settings.insert((list.clone(), key.to_owned()), value.clone());
        self.changes.push(StoreChange::Set { list: list.clone(), key: key.to_owned(), value });
    }

    /// Somebody is banned on a list, by the list or the site.
    pub(crate) fn is_banned(&self, list: &ListAddress, address: &Address) -> Result<bool, Unavailable> {
        let here = |scope: &BanScope| match scope {
            BanScope::Site => true,
            BanScope::List(of) => of == list,
        };
        let hits = |((scope, pattern), banned): (&(BanScope, BanPattern), &bool)| {
            *banned && here(scope) && pattern.hits(address)
        };
        if self.bans.iter().any(hits) {
            return Ok(true);
        }
        let before = self.view.banned(list, address)?;
        Ok(before.is_some_and(|ban| !self.bans.contains_key(&(ban.scope, ban.pattern))))
    }

    /// Bans somebody.
    pub(crate) fn ban(&mut self, ban: Ban) {
        self.bans.insert((ban.scope.clone(), ban.pattern.clone()), true);
        self.changes.push(StoreChange::Ban(ban));
    }

    /// Takes a ban away; false when there is none.
    pub(crate) fn unban(&mut self, scope: &BanScope, pattern: &BanPattern) -> Result<bool, Unavailable> {
        let key = (scope.clone(), pattern.clone());
        let is_there = match self.bans.get(&key) {
            Some(banned) => *banned,
            None => self.view.bans(scope)?.iter().any(|ban| ban.pattern == *pattern),
        };
        if is_there {
            self.bans.insert(key, false);
            self.changes.push(StoreChange::Unban { scope: scope.clone(), pattern: pattern.clone() });
        }
        Ok(is_there)
    }

    /// The day allows one more letter.
    pub(crate) fn allows(
        &self,
        address: &Address,
        trust: Trust,
        allowance: Allowance,
        at: Timestamp,
    ) -> Result<bool, Unavailable> {
        let before = self.view.spent(address, trust, at)?;
        let here = |same: &dyn Fn(&Address) -> bool| {
            self.spent.iter().filter(|(to, on)| *on == trust && same(to)).count() as u32
        };
        let spent = Spent {
            address: before.address + here(&|to| to == address),
            domain: before.domain + here(&|to| to.domain() == address.domain()),
        };
        Ok(allowance.allows(spent, 1))
    }

    /// Counts a letter, if the day allows it.
    pub(crate) fn spend(
        &mut self,
        address: &Address,
        trust: Trust,
        allowance: Allowance,
        at: Timestamp,
    ) -> Result<bool, Unavailable> {
        if !self.allows(address, trust, allowance, at)? {
            return Ok(false);
        }
        self.spent.push((address.clone(), trust));
        self.changes.push(StoreChange::Spend { address: address.clone(), trust, allowance });
        Ok(true)
    }

    /// Any other change: one that no line of the same message looks at.
    pub(crate) fn change(&mut self, change: StoreChange) {
        self.changes.push(change);
    }
}
