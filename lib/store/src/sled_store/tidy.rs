//! What goes by itself once it has had its time.
//!
//! Each kind is found by an index that begins with the time, so that a look costs nothing where there is nothing to do.

use listmill_core::{BounceTally, Decision, ListAddress, Request};

use super::apply::Application;
use super::engine::Fault;
use super::keys;
use super::maps::{self, get_json};
use crate::blocks::Map;

/// So many of each kind go with one change.
const AT_ONCE: usize = 1000;
const SECOND: i64 = 1_000_000;
/// For so long the message file of a post that can come back stays, in microseconds.
const KEEP_FILE: i64 = 3_600 * SECOND;
/// For so long a decision stays known.
const KEEP_DECISION: i64 = 30 * 86_400 * SECOND;

impl Application<'_, '_> {
    pub(super) fn tidy(&mut self) -> Result<(), Fault> {
        for (list, key) in self.over(&maps::times_of_requests(), 0)? {
            let request: Option<Request> = get_json(self.draft, &maps::requests(&list), &key)?;
            let request = request.ok_or_else(|| maps::damaged("time", "the request that expires is not there"))?;
            self.drop_request(&request)?;
        }
        for (list, key) in self.over(&maps::times_of_files(), KEEP_FILE)? {
            self.drop_file(&list, maps::key_number(&key)?)?;
        }
        for (list, key) in self.over(&maps::times_of_decisions(), KEEP_DECISION)? {
            maps::decisions(&list).remove(self.draft, &key)?;
        }
        let kept = i64::try_from(BounceTally::KEPT.as_micros()).unwrap_or(i64::MAX);
        for (list, name) in self.over(&maps::times_of_tallies(), kept)? {
            self.drop_tally(&list, &name)?;
        }
        self.forget_days()
    }

    /// Takes what is so old out of an index by time; gives the lists and their keys.
    fn over(&mut self, times: &Map, micros: i64) -> Result<Vec<(ListAddress, Vec<u8>)>, Fault> {
        let page = times.page(self.draft, None, AT_ONCE)?;
        let over = page.into_iter().map(|(key, _)| key).take_while(|key| keys::is_over(key, micros, self.at));
        let mut found = Vec::new();
        for key in over.collect::<Vec<_>>() {
            times.remove(self.draft, &key)?;
            found.push(keys::untimed(&key)?);
        }
        Ok(found)
    }

    fn forget_days(&mut self) -> Result<(), Fault> {
        let today = keys::day(self.at);
        for (key, _) in maps::spent().page(self.draft, None, AT_ONCE)? {
            if key.as_slice() >= today.as_slice() {
                break;
            }
            maps::spent().remove(self.draft, &key)?;
        }
        Ok(())
    }

    /// What there is of a list leaves the indexes by time.
    pub(super) fn forget_times(&mut self, list: &ListAddress) -> Result<(), Fault> {
        let mut decisions: Vec<Decision> = Vec::new();
        maps::decisions(list).each(self.draft, |_, value| {
            decisions.push(maps::from_json(value)?);
            Ok(())
        })?;
        decisions.iter().try_for_each(|decision| self.forget_times_of(decision))?;
        let mut lapses = Vec::new();
        maps::held(list).each(self.draft, |_, value| {
            lapses.push(keys::lapse(&maps::from_json(value)?));
            Ok(())
        })?;
        for lapse in lapses {
            maps::times_of_held().remove(self.draft, &lapse)?;
        }
        let mut times = Vec::new();
        maps::requests(list).each(self.draft, |key, value| {
            let request: Request = maps::from_json(value)?;
            times.push(keys::timed(request.expires, list, key));
            Ok(())
        })?;
        for time in times {
            maps::times_of_requests().remove(self.draft, &time)?;
        }
        Ok(())
    }
}
