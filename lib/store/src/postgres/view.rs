//! What the store can be asked.

use std::collections::BTreeMap;

use listmill_core::{
    Address, AuditRecord, Ban, BanPattern, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List,
    ListAddress, Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, StoreView, Timestamp, Trust,
    Unavailable,
};
use listmill_queue_format::EntryId;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::apply::ban_key;
use super::audit;
use super::bounces::tally;
use super::fault::{Fault, damaged};
use super::member_row::member;
use super::session::{Params, page, record, row, rows, signed, unsigned};
use super::store::PostgresStore;
use super::tidy::{day, trust_name};
use super::types::{Id, Moment, Text};
use super::{keys, sql};

impl PostgresStore {
    /// All rows of a statement, each made into what it stands for.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Unavailable> {
        self.database.ask(async |session, _| rows(&*session, sql, params).await?.iter().map(&read).collect())
    }

    /// The row of a statement, if it gives one.
    fn one<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Option<T>, Unavailable> {
        self.database.ask(async |session, _| row(&*session, sql, params).await?.as_ref().map(&read).transpose())
    }

    /// The records of all rows but the damaged ones, which must not stop the others.
    fn readable<T: DeserializeOwned>(&self, what: &str, sql: &str, params: Params<'_>) -> Result<Vec<T>, Unavailable> {
        let found = self.all(sql, params, |row| Ok(record::<T>(row)))?;
        let warn = |fault: Fault| tracing::warn!("{what} cannot be read: {}", fault.reason());
        Ok(found.into_iter().filter_map(|record| record.map_err(warn).ok()).collect())
    }

    fn resolved(&self, record: ListRecord) -> Result<List, Unavailable> {
        let ListRecord { address, created, own } = record;
        let settings = self.cascade.resolve(&address, &own).map_err(|error| Unavailable {
            reason: format!(
                "the settings of {address} do not hold together: {error}; correct the site file or `listmill list set {address}`"
            ),
        })?;
        Ok(List { address, created, own, settings })
    }
}

/// A list as it is stored.
pub(super) struct ListRecord {
    pub(super) address: ListAddress,
    pub(super) created: Timestamp,
    pub(super) own: BTreeMap<String, String>,
}

/// The list of a row: address, time, keys and values of its settings.
pub(super) fn list_record(row: &Row) -> Result<ListRecord, Fault> {
    let (address, created): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let (names, values): (Vec<Text>, Vec<Text>) = (row.try_get(2)?, row.try_get(3)?);
    Ok(ListRecord {
        address: address.parse().map_err(|error| damaged("list", &error))?,
        created: created.parse().map_err(|error| damaged("list", &error))?,
        own: names.into_iter().zip(values).map(|(name, value)| (name.0, value.0)).collect(),
    })
}

impl StoreView for PostgresStore {
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable> {
        self.one(sql::LIST, &[&list.as_str()], list_record)?.map(|record| self.resolved(record)).transpose()
    }

    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable> {
        let after = after.map_or("", ListAddress::as_str);
        let lists = self.all(sql::LISTS, &[&after, &page(limit)], list_record)?;
        lists.into_iter().map(|record| self.resolved(record)).collect()
    }

    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable> {
        self.one(sql::MEMBER, &[&list.as_str(), &address.key()], member)
    }

    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable> {
        let after = after.map(Address::key).unwrap_or_default();
        self.all(sql::ROSTER, &[&list.as_str(), &after, &page(limit)], member)
    }

    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable> {
        let count = self.one(sql::MEMBER_COUNT, &[&list.as_str()], |row| Ok(unsigned(row.try_get(0)?)))?;
        Ok(count.unwrap_or(0))
    }

    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable> {
        self.all(sql::STAFF, &[&list.as_str(), &role.name()], member)
    }

    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        self.all(sql::HELD, &[&list.as_str(), &signed(after.unwrap_or(0)), &page(limit)], record)
    }

    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        let found = self.one(sql::HELD_ENTRY, &[&list.as_str(), &signed(id)], |row| {
            Ok((record(row)?, row.try_get::<_, Option<Vec<u8>>>(1)?))
        })?;
        Ok(found.map(|(post, file)| {
            if file.is_none() {
                tracing::warn!(%list, id, "the message file of a held post is lost");
            }
            (post, file.map_or(MessageFile::LOST, MessageFile))
        }))
    }

    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        self.one(sql::HELD_BY_ENTRY, &[&list.as_str(), &Id(entry)], record)
    }

    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable> {
        let found = self.readable("a held post that has lapsed", sql::LAPSED, &[&Moment(at), &page(limit)])?;
        // Times are found to the microsecond, and kept to the nanosecond.
        Ok(found.into_iter().filter(|post: &HeldPost| post.expires <= at).collect())
    }

    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable> {
        self.one(sql::DECISION, &[&list.as_str(), &signed(id)], record)
    }

    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable> {
        self.all(sql::DECISIONS, &[&list.as_str(), &signed(after.unwrap_or(0)), &page(limit)], record)
    }

    fn request(
        &self,
        list: &ListAddress,
        kind: RequestKind,
        address: &Address,
    ) -> Result<Option<Request>, Unavailable> {
        self.one(sql::REQUEST, &[&list.as_str(), &kind.name(), &address.key()], record)
    }

    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable> {
        self.one(sql::REQUEST_BY_HANDLE, &[&list.as_str(), &Text::from(handle)], record)
    }

    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable> {
        let params: Params<'_> = &[&day(at), &trust_name(trust), &address.key(), &address.domain()];
        let counts =
            self.all(sql::SPENT, params, |row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, i64>(1)?)))?;
        let of = |whose: &str| {
            let count = counts.iter().find(|(name, _)| name == whose).map_or(0, |(_, count)| *count);
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Ok(Spent { address: of("address"), domain: of("domain") })
    }

    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        self.one(sql::BOUNCES, &[&list.as_str(), &address.key()], record)
    }

    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        let found =
            self.readable("what is known of failed deliveries", sql::BOUNCES_DUE, &[&Moment(at), &page(limit)])?;
        Ok(found.into_iter().filter(|record: &BounceRecord| record.due <= at).collect())
    }

    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable> {
        self.one(sql::TALLY, &[&list.as_str(), &Text::from(name)], tally)
    }

    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable> {
        let after = Text::from(after.unwrap_or_default());
        self.all(sql::TALLIES, &[&list.as_str(), &after, &page(limit)], tally)
    }

    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable> {
        self.one(sql::BANNED, &[&list.as_str(), &ban_keys(address)], record)
    }

    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        self.all(sql::BANS, &[&scope.to_string()], record)
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        self.database.ask(async |session, _| keys::read_or_make(session).await)
    }

    fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        self.database.ask(async |session, _| audit::audit(session, after, limit).await)
    }
}

/// The keys of every ban that would hit an address; an address has few domains above it.
fn ban_keys(address: &Address) -> Vec<String> {
    let mut patterns = vec![BanPattern::Address(address.clone()), BanPattern::Domain(address.domain().to_owned())];
    let mut domain = Some(address.domain());
    while let Some(here) = domain {
        patterns.push(BanPattern::Subdomains(here.to_owned()));
        domain = here.split_once('.').map(|(_, above)| above);
    }
    patterns.iter().map(ban_key).collect()
}
