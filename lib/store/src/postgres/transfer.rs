//! The store in PostgreSQL as a stream of records, and filled from one.

use std::collections::BTreeMap;

use listmill_core::{
    Address, AuditRecord, BanScope, ListAddress, MessageFile, RequestKind, StoreView as _, Timestamp, Trust,
    Unavailable,
};
use listmill_queue_format::EntryId;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::apply::Application;
use super::commit::keep_outgoing;
use super::fault::{Fault, damaged};
use super::outbox::batches;
use super::session::{Params, change, json, page, record, row, rows, signed, unsigned};
use super::sql;
use super::store::PostgresStore;
use super::tidy::trust_name;
use super::types::{Id, Moment, Text};
use super::view::list_record;
use crate::transfer::{Record, Table, Transfer};

impl Transfer for PostgresStore {
    fn export(
        &self,
        table: Table,
        list: Option<&ListAddress>,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        match (table, list) {
            (Table::ListBans | Table::SiteBans | Table::SigningKeys, _) if after.is_some() => Ok(Vec::new()),
            (Table::SigningKeys, _) => Ok(vec![Record::SigningKeys { keys: self.signing_keys()? }]),
            (Table::SiteBans, _) => self.bans_of(&BanScope::Site),
            (Table::ListBans, Some(list)) => self.bans_of(&BanScope::List(list.clone())),
            (table, Some(list)) => self.export_of_list(table, list, after, limit),
            (Table::Audit, None) => {
                let number = signed(after.map_or(0, number_of));
                let most = page(limit);
                let numbered = self.all(sql::AUDIT, &[&number, &most], audit_record)?;
                if numbered.is_empty() {
                    return self.all(sql::EXPORT_AUDIT_WAITING, &[&number, &most], audit_record);
                }
                Ok(numbered)
            }
            (table, None) => self.export_of_site(table, after, limit),
        }
    }

    fn import(&self, records: &[Record]) -> Result<(), Unavailable> {
        let done = self.database.transact(async |session, owner| {
            let sent = session.transaction().await?;
            let mut application = Application::new(&sent, Timestamp::UNIX_EPOCH);
            import_members(&mut application, records).await?;
            for record in records {
                import(&mut application, owner, record).await?;
            }
            application.finish().await?;
            Ok(sent.commit().await?)
        });
        done.map_err(|fault| self.database.unavailable(fault))
    }

    /// All is read over one connection, in one transaction.
    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Transfer)) -> Result<(), Unavailable> {
        // Whoever asks first makes them, which nobody can at a moment.
        self.signing_keys()?;
        let moment = self.moment().map_err(|error| Unavailable { reason: error.to_string() })?;
        let before = moment.seen_of()?;
        read(&moment);
        // Another connection, after the first was lost, would see another moment.
        if moment.seen_of()? == before {
            Ok(())
        } else {
            Err(Unavailable { reason: "the connection was lost meanwhile".to_owned() })
        }
    }
}

impl PostgresStore {
    /// Which transactions of others the present one sees.
    fn seen_of(&self) -> Result<String, Unavailable> {
        self.database.ask(async |session, _| {
            let seen = row(&*session, sql::SEEN, &[]).await?;
            Ok(seen.ok_or_else(|| damaged("snapshot", &"there is none"))?.try_get(0)?)
        })
    }

    fn bans_of(&self, scope: &BanScope) -> Result<Vec<Record>, Unavailable> {
        Ok(self.bans(scope)?.into_iter().map(|ban| Record::Ban { ban }).collect())
    }

    fn export_of_list(
        &self,
        table: Table,
        list: &ListAddress,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let (of, most) = (list.as_str(), page(limit));
        let number = signed(after.map_or(0, number_of));
        let key = after.and_then(Record::address).map(Address::key).unwrap_or_default();
        match table {
            Table::Members => {
                let page = self.roster(list, after.and_then(Record::address), limit)?;
                Ok(page.into_iter().map(|member| Record::Member { list: list.clone(), member }).collect())
            }
            Table::Tallies => {
                let page = self.bounce_tallies(list, after.and_then(Record::name), limit)?;
                Ok(page.into_iter().map(|tally| Record::Tally { list: list.clone(), tally }).collect())
            }
            Table::Held => self.all(sql::EXPORT_HELD, &[&of, &number, &most], |row| {
                Ok(Record::Held { post: record(row)?, file: file(row, 1)? })
            }),
            Table::Decisions => self.all(sql::EXPORT_DECISIONS, &[&of, &number, &most], |row| {
                Ok(Record::Decision { decision: record(row)?, file: file(row, 1)? })
            }),
            Table::Requests => {
                let (kind, key) = after.and_then(request_key).unwrap_or_default();
                self.all(sql::EXPORT_REQUESTS, &[&of, &kind, &key, &most], |row| {
                    Ok(Record::Request { request: record(row)? })
                })
            }
            Table::Bounces => {
                self.all(sql::EXPORT_BOUNCES, &[&of, &key, &most], |row| Ok(Record::Bounces { bounces: record(row)? }))
            }
            Table::CountedOnce => {
                let (name, what) = match after {
                    Some(Record::CountedOnce { name, what, .. }) => (name.as_str(), what.as_str()),
                    _ => ("", ""),
                };
                self.all(sql::EXPORT_ONCE, &[&of, &Text::from(name), &Text::from(what), &most], |row| {
                    let (name, what) = (row.try_get::<_, Text>(0)?.0, row.try_get::<_, Text>(1)?.0);
                    Ok(Record::CountedOnce { list: list.clone(), name, what })
                })
            }
            _ => Ok(Vec::new()),
        }
    }

    fn export_of_site(&self, table: Table, after: Option<&Record>, limit: usize) -> Result<Vec<Record>, Unavailable> {
        let most = page(limit);
        let id = Id(match after {
            Some(Record::Applied { id, .. } | Record::Outbox { id, .. }) => *id,
            _ => EntryId::from_bytes([0; 16]),
        });
        match table {
            Table::Lists => {
                let after = match after {
                    Some(Record::List { list, .. }) => list.as_str(),
                    _ => "",
                };
                self.all(sql::EXPORT_LISTS, &[&after, &most], |row| {
                    let found = list_record(row)?;
                    let last_held = unsigned(row.try_get(4)?);
                    Ok(Record::List { list: found.address, created: found.created, own: found.own, last_held })
                })
            }
            Table::Spent => {
                let (day, trust, whose, name) = match after {
                    Some(Record::Spent { day, trust, domain, name, .. }) => {
                        (*day, trust_name(*trust), whose(*domain), name.as_str())
                    }
                    _ => (i64::MIN, "", "", ""),
                };
                self.all(sql::EXPORT_SPENT, &[&day, &trust, &whose, &name, &most], spent_record)
            }
            Table::Applied => self.all(sql::EXPORT_APPLIED, &[&id, &most], |row| {
                let (Id(id), Moment(at)) = (row.try_get(0)?, row.try_get(1)?);
                Ok(Record::Applied { id, at: at.as_second() })
            }),
            Table::Outbox => {
                let params: Params<'_> = &[&id, &most];
                let found = self
                    .database
                    .ask(async |session, _| batches(&rows(&*session, sql::EXPORT_OUTBOX, params).await?))?;
                Ok(found.into_iter().map(|(id, files)| Record::Outbox { id, files }).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn file(row: &Row, column: usize) -> Result<Option<MessageFile>, Fault> {
    Ok(row.try_get::<_, Option<Vec<u8>>>(column)?.map(MessageFile))
}

fn number_of(record: &Record) -> u64 {
    match record {
        Record::Held { post, .. } => post.id,
        Record::Decision { decision, .. } => decision.post.id,
        Record::Audit { number, .. } => *number,
        _ => 0,
    }
}

fn request_key(record: &Record) -> Option<(&'static str, String)> {
    match record {
        Record::Request { request } => Some((RequestKind::name(request.kind), request.address.key())),
        _ => None,
    }
}

fn whose(domain: bool) -> &'static str {
    if domain { "domain" } else { "address" }
}

fn audit_record(row: &Row) -> Result<Record, Fault> {
    let Json(audit) = row.try_get(1)?;
    Ok(Record::Audit { number: unsigned(row.try_get(0)?), audit })
}

fn spent_record(row: &Row) -> Result<Record, Fault> {
    let trust = match row.try_get::<_, &str>(1)? {
        "stranger" => Trust::Stranger,
        "known" => Trust::Known,
        other => return Err(damaged("budget", &format!("{other:?} is nobody's word"))),
    };
    let letters = u32::try_from(row.try_get::<_, i64>(4)?).unwrap_or(u32::MAX);
    let domain = row.try_get::<_, &str>(2)? == whose(true);
    Ok(Record::Spent { day: row.try_get(0)?, trust, domain, name: row.try_get(3)?, letters })
}

/// People come by the thousand: all at once.
async fn import_members(application: &mut Application<'_>, records: &[Record]) -> Result<(), Fault> {
    let mut lists: BTreeMap<&ListAddress, Vec<_>> = BTreeMap::new();
    for record in records {
        if let Record::Member { list, member } = record {
            lists.entry(list).or_default().push(member.clone());
        }
    }
    for (list, members) in lists {
        application.import_members(list, &members).await?;
    }
    Ok(())
}

async fn import(application: &mut Application<'_>, owner: i32, record: &Record) -> Result<(), Fault> {
    let sent = application.sent;
    match record {
        Record::Member { .. } => {}
        Record::SigningKeys { keys } => {
            change(sent, sql::FORGET_KEYS, &[]).await?;
            for (position, key) in (0_i32..).zip(keys.verifying()) {
                change(sent, sql::IMPORT_KEY, &[&position, &key.as_slice()]).await?;
            }
        }
        Record::List { list, created, own, last_held } => {
            application.at = *created;
            application.create_list(list, own).await?;
            let id = application.need_list(list).await?;
            change(sent, sql::IMPORT_LAST_HELD, &[&id, &signed(*last_held)]).await?;
        }
        Record::Request { request } => application.open_request(request, None).await?,
        Record::Bounces { bounces } => application.note_bounces(bounces, None).await?,
        Record::Ban { ban } => application.ban(ban).await?,
        Record::Spent { day, trust, domain, name, letters } => {
            let (trust, letters) = (trust_name(*trust), i64::from(*letters));
            change(sent, sql::IMPORT_SPENT, &[day, &trust, &whose(*domain), name, &letters]).await?;
        }
        Record::Applied { id, at } => {
            let at = Timestamp::from_second(*at).map_err(|error| damaged("applied id", &error))?;
            change(sent, sql::APPLY, &[&Id(*id), &Moment(at)]).await?;
        }
        Record::Outbox { id, files } => keep_outgoing(sent, owner, *id, files).await?,
        Record::Audit { number, audit } => {
            change(sent, sql::IMPORT_AUDIT, &[&signed(*number), &json::<&AuditRecord>(audit)]).await?;
        }
        Record::Held { .. } | Record::Decision { .. } | Record::Tally { .. } | Record::CountedOnce { .. } => {
            import_of_list(application, record).await?;
        }
    }
    Ok(())
}

async fn import_of_list(application: &mut Application<'_>, record: &Record) -> Result<(), Fault> {
    let sent = application.sent;
    match record {
        Record::Held { post, file } => {
            let of = application.need_list(&post.list).await?;
            application.put_held(of, post).await?;
            if let Some(file) = file {
                change(sent, sql::HOLD_FILE, &[&of, &signed(post.id), &file.0]).await?;
            }
        }
        Record::Decision { decision, file } => {
            let of = application.need_list(&decision.post.list).await?;
            let (number, at) = (signed(decision.post.id), Moment(decision.at));
            change(sent, sql::DECIDE, &[&of, &number, &at, &json(decision)]).await?;
            if let Some(file) = file {
                change(sent, sql::HOLD_FILE, &[&of, &number, &file.0]).await?;
                change(sent, sql::KEEP_FILE, &[&of, &number, &at]).await?;
            }
        }
        Record::Tally { list, tally } => {
            let of = application.need_list(list).await?;
            let (name, note) = (Text::from(tally.name.as_str()), Text::from(tally.note.as_str()));
            let (since, began, count) = (Moment(tally.since), tally.since.to_string(), i64::from(tally.count));
            change(sent, sql::IMPORT_TALLY, &[&of, &name, &count, &since, &began, &note]).await?;
        }
        Record::CountedOnce { list, name, what } => {
            let of = application.need_list(list).await?;
            change(sent, sql::COUNT_ONCE, &[&of, &Text::from(name.as_str()), &Text::from(what.as_str())]).await?;
        }
        _ => {}
    }
    Ok(())
}
