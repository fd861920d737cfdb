//! Held posts: how they come, what becomes of them, and how they come back.
//!
//! The message file of a post that can come back stays where it was, with its number; [`super::tidy`] finds by the time of the decision
//! that it is no longer needed.

use listmill_core::{Away, Decision, HeldId, HeldPost, ListAddress, Refusal, Timestamp, Verdict};

use super::apply::{Application, list_key};
use super::engine::Fault;
use super::keys;
use super::maps::{self, get_json, put_json};

impl Application<'_, '_> {
    pub(super) fn hold(&mut self, post: &HeldPost) -> Result<(), Fault> {
        let list = &post.list;
        self.need_list(list)?;
        let record = self.held_records.next().expect("each held post of a batch has its message file kept before");
        let mut counters = maps::counters_of(self.draft, list)?;
        counters.last_held += 1;
        let post = HeldPost { id: counters.last_held, ..post.clone() };
        put_json(self.draft, &maps::counters(), list_key(list), &counters)?;
        maps::held_files(list).insert(self.draft, &maps::number_key(post.id), record)?;
        self.put_held(&post)
    }

    pub(super) fn unhold(&mut self, list: &ListAddress, id: HeldId, verdict: Verdict, by: &str) -> Result<(), Fault> {
        let post = self.need_held(list, id)?;
        let key = maps::number_key(id);
        maps::held(list).remove(self.draft, &key)?;
        maps::held_by_entry(list).remove(self.draft, &keys::by_entry(&post))?;
        maps::times_of_held().remove(self.draft, &keys::lapse(&post))?;
        self.count(list, |counters| counters.held = counters.held.saturating_sub(1))?;
        let time = keys::timed(self.at, list, &key);
        if verdict.can_be_undone() {
            maps::times_of_files().insert(self.draft, &time, &[])?;
        } else {
            self.drop_file(list, id)?;
        }
        maps::times_of_decisions().insert(self.draft, &time, &[])?;
        let decision = Decision { post, verdict, by: by.to_owned(), at: self.at };
        put_json(self.draft, &maps::decisions(list), &key, &decision)?;
        Ok(())
    }

    pub(super) fn rehold(&mut self, list: &ListAddress, id: HeldId) -> Result<(), Fault> {
        self.need_list(list)?;
        let key = maps::number_key(id);
        let decision: Option<Decision> = get_json(self.draft, &maps::decisions(list), &key)?;
        let file = maps::held_files(list).get(self.draft, &key)?;
        let Some(decision) = decision.filter(|decision| decision.verdict.can_be_undone() && file.is_some()) else {
            return Err(Refusal::NotDecided { list: list.clone(), id }.into());
        };
        maps::decisions(list).remove(self.draft, &key)?;
        self.forget_times_of(&decision)?;
        let away = Some(Away { from: decision.at, until: self.at });
        self.put_held(&HeldPost { away, ..decision.post })
    }

    pub(super) fn postpone(&mut self, list: &ListAddress, id: HeldId, until: Timestamp) -> Result<(), Fault> {
        let before = self.need_held(list, id)?;
        maps::times_of_held().remove(self.draft, &keys::lapse(&before))?;
        let post = HeldPost { expires: until, ..before };
        maps::times_of_held().insert(self.draft, &keys::lapse(&post), &[])?;
        put_json(self.draft, &maps::held(list), &maps::number_key(id), &post)?;
        Ok(())
    }

    /// The message file of a post goes, if it is still there.
    pub(super) fn drop_file(&mut self, list: &ListAddress, id: HeldId) -> Result<(), Fault> {
        let key = maps::number_key(id);
        self.dropped.extend(maps::held_files(list).get(self.draft, &key)?);
        maps::held_files(list).remove(self.draft, &key)?;
        Ok(())
    }

    /// A decision leaves the indexes by time.
    pub(super) fn forget_times_of(&mut self, decision: &Decision) -> Result<(), Fault> {
        let time = keys::timed(decision.at, &decision.post.list, &maps::number_key(decision.post.id));
        maps::times_of_files().remove(self.draft, &time)?;
        maps::times_of_decisions().remove(self.draft, &time)?;
        Ok(())
    }

    /// A post is held, under the number that it has.
    pub(super) fn put_held(&mut self, post: &HeldPost) -> Result<(), Fault> {
        let list = &post.list;
        put_json(self.draft, &maps::held(list), &maps::number_key(post.id), post)?;
        maps::held_by_entry(list).insert(self.draft, &keys::by_entry(post), &[])?;
        maps::times_of_held().insert(self.draft, &keys::lapse(post), &[])?;
        self.count(list, |counters| counters.held += 1)
    }

    fn need_held(&mut self, list: &ListAddress, id: HeldId) -> Result<HeldPost, Fault> {
        self.need_list(list)?;
        let post = get_json(self.draft, &maps::held(list), &maps::number_key(id))?;
        post.ok_or_else(|| Refusal::NotHeld { list: list.clone(), id }.into())
    }
}
