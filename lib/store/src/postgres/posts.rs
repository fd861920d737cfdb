//! Held posts: how they come, what becomes of them, and how they come back.

use listmill_core::{Away, Decision, HeldId, HeldPost, ListAddress, MessageFile, Refusal, Timestamp, Verdict};

use super::apply::Application;
use super::fault::Fault;
use super::session::{change, json, record, row, signed, unsigned};
use super::sql;
use super::types::{Id, Moment};

impl Application<'_> {
    pub(super) async fn hold(&mut self, post: &HeldPost, file: &MessageFile) -> Result<(), Fault> {
        let list = self.need_list(&post.list).await?;
        let number = row(self.sent, sql::NEXT_HELD, &[&list]).await?;
        let number: i64 = number.ok_or_else(|| Refusal::NoList(post.list.clone()))?.try_get(0)?;
        self.put_held(list, &HeldPost { id: unsigned(number), ..post.clone() }).await?;
        change(self.sent, sql::HOLD_FILE, &[&list, &number, &file.0]).await?;
        Ok(())
    }

    pub(super) async fn unhold(
        &mut self,
        list: &ListAddress,
        id: HeldId,
        verdict: Verdict,
        by: &str,
    ) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        let number = signed(id);
        let post = row(self.sent, sql::UNHOLD, &[&of, &number]).await?;
        let post: HeldPost = record(&post.ok_or_else(|| not_held(list, id))?)?;
        if verdict.can_be_undone() {
            change(self.sent, sql::KEEP_FILE, &[&of, &number, &Moment(self.at)]).await?;
        } else {
            change(self.sent, sql::DROP_FILE, &[&of, &number]).await?;
        }
        let decision = Decision { post, verdict, by: by.to_owned(), at: self.at };
        change(self.sent, sql::DECIDE, &[&of, &number, &Moment(self.at), &json(decision)]).await?;
        Ok(())
    }

    pub(super) async fn rehold(&mut self, list: &ListAddress, id: HeldId) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        let number = signed(id);
        let found = row(self.sent, sql::LOCK_DECISION, &[&of, &number]).await?;
        let found =
            found.map(|row| Ok::<_, Fault>((record::<Decision>(&row)?, row.try_get::<_, bool>(1)?))).transpose()?;
        let Some((decision, true)) = found.filter(|(decision, _)| decision.verdict.can_be_undone()) else {
            return Err(Refusal::NotDecided { list: list.clone(), id }.into());
        };
        // Who tidies may be about to take the file: then the decision is no longer to be taken back.
        if change(self.sent, sql::USE_FILE, &[&of, &number]).await? == 0 {
            return Err(Refusal::NotDecided { list: list.clone(), id }.into());
        }
        change(self.sent, sql::UNDECIDE, &[&of, &number]).await?;
        let away = Some(Away { from: decision.at, until: self.at });
        self.put_held(of, &HeldPost { away, ..decision.post }).await
    }

    pub(super) async fn postpone(&mut self, list: &ListAddress, id: HeldId, until: Timestamp) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        let number = signed(id);
        let post = row(self.sent, sql::LOCK_HELD, &[&of, &number]).await?;
        let post: HeldPost = record(&post.ok_or_else(|| not_held(list, id))?)?;
        let post = HeldPost { expires: until, ..post };
        change(self.sent, sql::POSTPONE, &[&of, &number, &Moment(until), &json(post)]).await?;
        Ok(())
    }

    /// A post is held, under the number that it has.
    pub(super) async fn put_held(&mut self, list: i64, post: &HeldPost) -> Result<(), Fault> {
        let (entry, expires) = (Id(post.entry), Moment(post.expires));
        change(self.sent, sql::HOLD, &[&list, &signed(post.id), &entry, &expires, &json(post)]).await?;
        Ok(())
    }
}

fn not_held(list: &ListAddress, id: HeldId) -> Refusal {
    Refusal::NotHeld { list: list.clone(), id }
}
