//! What is known of failed deliveries: a record for each member whom one concerns, and what is counted of each list.
//!
//! All that is decided about them is decided by a stage. Here they are kept, and found when their time has come.

use listmill_core::{Address, BounceRecord, BounceTally, ListAddress, Refusal, StoreChange, Timestamp, Unavailable};
use listmill_queue_format::EntryId;

use super::apply::Application;
use super::engine::{Engine, Fault};
use super::keys;
use super::maps::{self, from_json, get_json, put_json};
use super::view::PAGE;
use crate::blocks::Map;

/// What was counted once under the name of a tally that goes, in one step.
const AT_ONCE: usize = 1000;

impl Application<'_, '_> {
    /// Applies a change that is about bounces.
    pub(super) fn bounces(&mut self, change: &StoreChange) -> Result<(), Fault> {
        match change {
            StoreChange::NoteBounces { record, instead } => self.note_bounces(record, *instead),
            StoreChange::ForgetBounces { list, address, was } => {
                self.need_bounces(list, address, Some(*was))?;
                Ok(self.drop_bounces(list, address)?)
            }
            StoreChange::CountBounce { list, name, once, below, note } => {
                self.count_bounce(list, name, once.as_deref(), *below, note)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn note_bounces(&mut self, record: &BounceRecord, instead: Option<EntryId>) -> Result<(), Fault> {
        let (list, address) = (&record.list, &record.address);
        self.need_list(list)?;
        let key = address.key().into_bytes();
        if maps::roster(list).get(self.draft, &key)?.is_none() {
            return Err(Refusal::NoMember { list: list.clone(), address: address.clone() }.into());
        }
        if let Some(before) = self.need_bounces(list, address, instead)? {
            maps::times_of_bounces().remove(self.draft, &keys::timed(before.due, list, &key))?;
        }
        maps::times_of_bounces().insert(self.draft, &keys::timed(record.due, list, &key), &[])?;
        put_json(self.draft, &maps::bounces(list), &key, record)?;
        Ok(())
    }

    /// The record, which must be the one that this entry wrote last; none: there must be none.
    fn need_bounces(
        &mut self,
        list: &ListAddress,
        address: &Address,
        by: Option<EntryId>,
    ) -> Result<Option<BounceRecord>, Fault> {
        self.need_list(list)?;
        let key = address.key();
        let found: Option<BounceRecord> = get_json(self.draft, &maps::bounces(list), key.as_bytes())?;
        if found.as_ref().map(|found| found.by) == by {
            return Ok(found);
        }
        Err(Refusal::BouncesChanged { list: list.clone(), address: address.clone() }.into())
    }

    /// What is known of somebody's failed deliveries goes, if there is anything.
    pub(super) fn drop_bounces(&mut self, list: &ListAddress, address: &Address) -> Result<(), Unavailable> {
        let key = address.key();
        let found: Option<BounceRecord> = get_json(self.draft, &maps::bounces(list), key.as_bytes())?;
        let Some(record) = found else { return Ok(()) };
        maps::times_of_bounces().remove(self.draft, &keys::timed(record.due, list, key.as_bytes()))?;
        maps::bounces(list).remove(self.draft, key.as_bytes())?;
        Ok(())
    }

    fn count_bounce(
        &mut self,
        list: &ListAddress,
        name: &str,
        once: Option<&str>,
        below: Option<u32>,
        note: &str,
    ) -> Result<(), Fault> {
        self.need_list(list)?;
        let before: Option<BounceTally> = get_json(self.draft, &maps::tallies(list), name.as_bytes())?;
        let count = before.as_ref().map_or(0, |tally| tally.count);
        if below.is_some_and(|below| count >= below) {
            return Err(Refusal::Counted { list: list.clone(), name: name.to_owned() }.into());
        }
        if let Some(once) = once
            && maps::counted_once(list).insert(self.draft, &keys::once(name, once), &[])?
        {
            return Ok(());
        }
        let tally = match before {
            Some(tally) => BounceTally { count: count.saturating_add(1), ..tally },
            None => {
                maps::times_of_tallies().insert(self.draft, &keys::timed(self.at, list, name.as_bytes()), &[])?;
                BounceTally { name: name.to_owned(), count: 1, since: self.at, note: note.to_owned() }
            }
        };
        put_json(self.draft, &maps::tallies(list), name.as_bytes(), &tally)?;
        Ok(())
    }

    /// A tally goes that has left the index by time.
    pub(super) fn drop_tally(&mut self, list: &ListAddress, name: &[u8]) -> Result<(), Unavailable> {
        maps::tallies(list).remove(self.draft, name)?;
        let begin = [name, &[0]].concat();
        loop {
            let page = maps::counted_once(list).page(self.draft, Some(&begin), AT_ONCE)?;
            let own: Vec<_> = page.into_iter().map(|(key, _)| key).take_while(|key| key.starts_with(&begin)).collect();
            for key in &own {
                maps::counted_once(list).remove(self.draft, key)?;
            }
            if own.len() < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// What there is of a list leaves the indexes by time.
    pub(super) fn forget_times_of_bounces(&mut self, list: &ListAddress) -> Result<(), Unavailable> {
        let mut due = Vec::new();
        maps::bounces(list).each(self.draft, |key, value| {
            let record: BounceRecord = from_json(value)?;
            due.push(keys::timed(record.due, list, key));
            Ok(())
        })?;
        let mut since = Vec::new();
        maps::tallies(list).each(self.draft, |key, value| {
            let tally: BounceTally = from_json(value)?;
            since.push(keys::timed(tally.since, list, key));
            Ok(())
        })?;
        self.remove_all(&maps::times_of_bounces(), due)?;
        self.remove_all(&maps::times_of_tallies(), since)
    }

    fn remove_all(&mut self, map: &Map, keys: Vec<Vec<u8>>) -> Result<(), Unavailable> {
        keys.iter().try_for_each(|key| map.remove(self.draft, key).map(drop))
    }
}

impl Engine {
    pub(super) fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        self.read(|disk| get_json(&disk, &maps::bounces(list), address.key().as_bytes()))
    }

    pub(super) fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        self.read(|disk| {
            let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
            while found.len() < limit {
                let most = PAGE.min(limit - found.len());
                let page = maps::times_of_bounces().page(&disk, after.as_deref(), most)?;
                let due: Vec<_> = page.iter().take_while(|(key, _)| keys::is_over(key, 0, at)).collect();
                for (key, _) in &due {
                    let (list, address) = keys::untimed(key)?;
                    match get_json::<BounceRecord>(&disk, &maps::bounces(&list), &address) {
                        Ok(record) => found.extend(record),
                        // It must not stop the others.
                        Err(error) => {
                            tracing::warn!(%list, %error, "what is known of failed deliveries cannot be read")
                        }
                    }
                }
                if due.len() < most {
                    break;
                }
                after = page.into_iter().next_back().map(|(key, _)| key);
            }
            Ok(found)
        })
    }

    pub(super) fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        self.read(|disk| get_json(&disk, &maps::tallies(list), name.as_bytes()))
    }

    pub(super) fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        let page = self.read(|disk| maps::tallies(list).page(&disk, after.map(str::as_bytes), limit))?;
        page.into_iter().map(|(_, value)| from_json(&value)).collect()
    }
}
