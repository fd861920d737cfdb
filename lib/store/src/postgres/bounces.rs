//! What is known of failed deliveries: a record for each member whom one concerns, and what is counted of each list.

use listmill_core::{Address, BounceRecord, BounceTally, ListAddress, Refusal, StoreChange};
use listmill_queue_format::EntryId;
use tokio_postgres::Row;

use super::apply::Application;
use super::fault::{Fault, damaged};
use super::session::{Params, change, json, row};
use super::sql;
use super::types::{Id, Moment, Text};

impl Application<'_> {
    /// Applies a change that is about bounces.
    pub(super) async fn bounces(&mut self, change: &StoreChange) -> Result<(), Fault> {
        match change {
            StoreChange::NoteBounces { record, instead } => self.note_bounces(record, *instead).await,
            StoreChange::ForgetBounces { list, address, was } => self.forget_bounces(list, address, *was).await,
            StoreChange::CountBounce { list, name, once, below, note } => {
                self.count_bounce(list, name, once.as_deref(), *below, note).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn note_bounces(&mut self, record: &BounceRecord, instead: Option<EntryId>) -> Result<(), Fault> {
        let BounceRecord { list, address, .. } = record;
        let of = self.need_list(list).await?;
        let key = address.key();
        if row(self.sent, sql::NEED_MEMBER, &[&of, &key]).await?.is_none() {
            return Err(Refusal::NoMember { list: list.clone(), address: address.clone() }.into());
        }
        let (by, due, record) = (Id(record.by), Moment(record.due), json(record));
        let noted = match instead.map(Id) {
            None => change(self.sent, sql::FIRST_BOUNCES, &[&of, &key, &by, &due, &record]).await?,
            Some(was) => change(self.sent, sql::NEXT_BOUNCES, &[&of, &key, &by, &due, &record, &was]).await?,
        };
        if noted == 0 { Err(changed(list, address).into()) } else { Ok(()) }
    }

    async fn forget_bounces(&mut self, list: &ListAddress, address: &Address, was: EntryId) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        let gone = change(self.sent, sql::FORGET_BOUNCES, &[&of, &address.key(), &Id(was)]).await?;
        if gone == 0 { Err(changed(list, address).into()) } else { Ok(()) }
    }

    async fn count_bounce(
        &mut self,
        list: &ListAddress,
        name: &str,
        once: Option<&str>,
        below: Option<u32>,
        note: &str,
    ) -> Result<(), Fault> {
        let of = self.need_list(list).await?;
        let counted = || Refusal::Counted { list: list.clone(), name: name.to_owned() };
        let (name, most) = (Text::from(name), below.map_or(i64::from(u32::MAX), i64::from));
        if let Some(once) = once {
            // What was counted once is no excuse where no more may be counted.
            let count = row(self.sent, sql::LOCK_TALLY, &[&of, &name]).await?;
            if count.map_or(Ok(0), |row| row.try_get::<_, i64>(0))? >= most {
                return Err(counted().into());
            }
            if change(self.sent, sql::COUNT_ONCE, &[&of, &name, &Text::from(once)]).await? == 0 {
                return Ok(());
            }
        }
        let (since, began, note) = (Moment(self.at), self.at.to_string(), Text::from(note));
        let params: Params<'_> = &[&of, &name, &since, &began, &note, &most];
        if change(self.sent, sql::COUNT_BOUNCE, params).await? == 0 { Err(counted().into()) } else { Ok(()) }
    }
}

fn changed(list: &ListAddress, address: &Address) -> Refusal {
    Refusal::BouncesChanged { list: list.clone(), address: address.clone() }
}

/// The tally of a row: name, count, time, note.
pub(super) fn tally(row: &Row) -> Result<BounceTally, Fault> {
    let began: &str = row.try_get(2)?;
    Ok(BounceTally {
        name: row.try_get::<_, Text>(0)?.0,
        count: u32::try_from(row.try_get::<_, i64>(1)?).unwrap_or(u32::MAX),
        since: began.parse().map_err(|error| damaged("tally", &error))?,
        note: row.try_get::<_, Text>(3)?.0,
    })
}
