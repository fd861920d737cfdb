//! One entry being decided about: what it changes, who is written to, and what the log says of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use listmill_core::{Context, Disposition, List, ListAddress, StoreChange, StoreView, Unavailable, Word};
use listmill_letters::Letter;
use listmill_queue_format::Entry;
use listmill_templates::Letter as Values;

use crate::config::BounceConfig;
use crate::tell::Line;

/// The stage's name in the ids of the entries that it writes.
pub(crate) const STAGE: &str = "bounce";

/// One entry being decided about.
pub(crate) struct Session<'a> {
    pub(crate) config: &'a BounceConfig,
    pub(crate) entry: &'a Entry,
    /// The list that is looked at.
    pub(crate) list: &'a List,
    pub(crate) view: &'a dyn StoreView,
    pub(crate) cx: Context,
    /// What the owners of the list are told.
    pub(crate) lines: Vec<Line>,
    changes: Vec<StoreChange>,
    out: Vec<Disposition>,
    logged: Vec<String>,
    ordinal: u32,
    /// What this entry counts, beyond what the store has.
    counted: BTreeMap<(ListAddress, String), u32>,
    counted_once: BTreeSet<(ListAddress, String, String)>,
    /// What the store has counted of the list, as far as it was asked: each failure looks at the same few tallies several times.
    in_store: RefCell<BTreeMap<String, u32>>,
    /// How many members the list has, if that was asked for.
    members: Cell<Option<u64>>,
}

impl<'a> Session<'a> {
    /// A session about `list`.
    pub(crate) fn new(
        config: &'a BounceConfig,
        entry: &'a Entry,
        list: &'a List,
        view: &'a dyn StoreView,
        cx: Context,
    ) -> Self {
        Session {
            config,
            entry,
            list,
            view,
            cx,
            lines: Vec::new(),
            changes: Vec::new(),
            out: Vec::new(),
            logged: Vec::new(),
            ordinal: 0,
            counted: BTreeMap::new(),
            counted_once: BTreeSet::new(),
            in_store: RefCell::default(),
            members: Cell::default(),
        }
    }

    /// What stands behind the list's bounce word in a return path.
    pub(crate) fn detail_of<'p>(&self, return_path: &'p str) -> Option<&'p str> {
        let (local, domain) = return_path.rsplit_once('@')?;
        let begin = self.list.address.with_word(Word::Bounces, "");
        let begin = begin.rsplit_once('@')?.0;
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let detail = local.get(begin.len()..)?.strip_prefix('+')?;
        (same(domain, self.list.address.domain()) && same(local.get(..begin.len())?, begin)).then_some(detail)
    }

    /// Changes the store.
    pub(crate) fn change(&mut self, change: StoreChange) {
        self.changes.push(change);
    }

    /// Says why nothing follows.
    pub(crate) fn log(&mut self, reason: String) {
        self.logged.push(reason);
    }

    /// How often this was counted, this entry's own counts among it.
    pub(crate) fn tally(&self, name: &str) -> Result<u32, Unavailable> {
        let own = self.counted.get(&(self.list.address.clone(), name.to_owned())).copied().unwrap_or_default();
        let known = self.in_store.borrow().get(name).copied();
        let in_store = match known {
            Some(count) => count,
            None => {
                let count = self.view.bounce_tally(&self.list.address, name)?.map_or(0, |tally| tally.count);
                self.in_store.borrow_mut().insert(name.to_owned(), count);
                count
            }
        };
        Ok(in_store.saturating_add(own))
    }

    /// How many members the list has.
    pub(crate) fn member_count(&self) -> Result<u64, Unavailable> {
        if let Some(count) = self.members.get() {
            return Ok(count);
        }
        let count = self.view.member_count(&self.list.address)?;
        self.members.set(Some(count));
        Ok(count)
    }

    /// Counts something; what is given as `once` only if it was not counted before, as far as this entry knows.
    pub(crate) fn count(&mut self, name: &str, once: Option<&str>, below: Option<u32>, note: &str) {
        let list = self.list.address.clone();
        let is_new = once.is_none_or(|once| self.counted_once.insert((list.clone(), name.to_owned(), once.to_owned())));
        if is_new {
            *self.counted.entry((list.clone(), name.to_owned())).or_default() += 1;
            let (name, once, note) = (name.to_owned(), once.map(str::to_owned), note.to_owned());
            self.change(StoreChange::CountBounce { list, name, once, below, note });
        }
    }

    /// Writes a letter of the owners; `adjust` may change its entry.
    pub(crate) fn write<V: Values>(&mut self, letter: &Letter<'_>, values: &V, adjust: impl FnOnce(&mut Entry)) {
        let reason = format!("{} to {}", letter.text, letter.to);
        let ordinal = self.next_ordinal();
        match self.config.letters.write(letter, values, self.entry, STAGE, ordinal, self.cx) {
            Ok(mut entry) => {
                adjust(&mut entry);
                self.out.push(Disposition::Notify { entry, reason });
            }
            Err(error) => self.out.push(Disposition::Shunt { reason: format!("{reason} cannot be written: {error}") }),
        }
    }

    /// Sends an entry on, other than a letter.
    pub(crate) fn forward(&mut self, make: impl FnOnce(u32) -> Entry, reason: String) {
        let entry = make(self.next_ordinal());
        self.out.push(Disposition::Forward { entry, reason });
    }

    /// The ordinal of the next entry that is written.
    pub(crate) fn next_ordinal(&mut self) -> u32 {
        self.ordinal += 1;
        self.ordinal - 1
    }

    /// Goes on with another list; the owners of this one are told first.
    pub(crate) fn turn_to(&mut self, list: &'a List) -> Result<(), Unavailable> {
        self.tell_owners()?;
        self.list = list;
        self.in_store.take();
        self.members.take();
        Ok(())
    }

    /// Ends it: what changes, what leaves, and why nothing else does.
    pub(crate) fn finish(mut self) -> Result<Vec<Disposition>, Unavailable> {
        self.tell_owners()?;
        let mut all: Vec<_> = self.changes.into_iter().map(Disposition::Change).collect();
        all.extend(self.out);
        if all.is_empty() && self.logged.is_empty() {
            self.logged.push("there is nothing to be done".to_owned());
        }
        if !self.logged.is_empty() {
            all.push(Disposition::Discard { reason: self.logged.join("; ") });
        }
        Ok(all)
    }
}
