//! The embedded store as a stream of records, and filled from one.

use listmill_core::{
    BanScope, BounceTally, Decision, HeldPost, ListAddress, MessageFile, SigningKeys, StoreView as _, Trust,
    Unavailable,
};
use listmill_queue_format::EntryId;
use rand::RngExt as _;

use super::apply::Application;
use super::engine::{Changes, Engine, Fault};
use super::keys;
use super::maps::{self, ListRecord, from_json, number_key, put_json, to_json};
use super::meta::SIGNING_KEY;
use super::store::{SledStore, unavailable};
use crate::blocks::{Map, Pages as _, PagesMut as _, Pair};
use crate::transfer::{Record, Table, Transfer};

impl Transfer for SledStore {
    fn export(
        &self,
        table: Table,
        list: Option<&ListAddress>,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        match list {
            Some(list) => self.export_of_list(table, list, after, limit),
            None => self.with(|engine| Ok(engine.export(table, after, limit)?)).map_err(unavailable),
        }
    }

    fn import(&self, records: &[Record]) -> Result<(), Unavailable> {
        self.with(|engine| engine.import(records)).map_err(unavailable)
    }

    /// Those who commit wait until `read` is done.
    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Transfer)) -> Result<(), Unavailable> {
        self.with(|engine| engine.still(|| read(self))).map_err(unavailable)
    }
}

impl SledStore {
    fn export_of_list(
        &self,
        table: Table,
        list: &ListAddress,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let owned = || list.clone();
        Ok(match (table, after) {
            (Table::Members, after) => {
                let after = after.and_then(Record::address);
                let page = self.roster(list, after, limit)?;
                page.into_iter().map(|member| Record::Member { list: owned(), member }).collect()
            }
            (Table::Tallies, after) => {
                let after = after.and_then(Record::name);
                let page = self.bounce_tallies(list, after, limit)?;
                page.into_iter().map(|tally| Record::Tally { list: owned(), tally }).collect()
            }
            (Table::ListBans, None) => {
                self.bans(&BanScope::List(owned()))?.into_iter().map(|ban| Record::Ban { ban }).collect()
            }
            (Table::ListBans, Some(_)) => Vec::new(),
            (table, after) => {
                self.with(|engine| Ok(engine.export_of_list(table, list, after, limit)?)).map_err(unavailable)?
            }
        })
    }
}

impl Engine {
    fn export_of_list(
        &self,
        table: Table,
        list: &ListAddress,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let after = after.map(key_of);
        let page = |map: Map| self.read(|disk| map.page(&disk, after.as_deref(), limit));
        match table {
            Table::Held => page(maps::held(list))?
                .iter()
                .map(|(key, value)| {
                    let post: HeldPost = from_json(value)?;
                    Ok(Record::Held { post, file: self.held_file(list, key)? })
                })
                .collect(),
            Table::Decisions => page(maps::decisions(list))?
                .iter()
                .map(|(key, value)| {
                    let decision: Decision = from_json(value)?;
                    Ok(Record::Decision { decision, file: self.held_file(list, key)? })
                })
                .collect(),
            Table::Requests => {
                each(page(maps::requests(list))?, |_, value| Ok(Record::Request { request: from_json(value)? }))
            }
            Table::Bounces => {
                each(page(maps::bounces(list))?, |_, value| Ok(Record::Bounces { bounces: from_json(value)? }))
            }
            Table::CountedOnce => each(page(maps::counted_once(list))?, |key, _| {
                let text = std::str::from_utf8(key).map_err(|error| maps::damaged("tally", &error.to_string()))?;
                let (name, what) =
                    text.split_once('\0').ok_or_else(|| maps::damaged("tally", "its key has one part"))?;
                Ok(Record::CountedOnce { list: list.clone(), name: name.to_owned(), what: what.to_owned() })
            }),
            _ => Ok(Vec::new()),
        }
    }

    fn held_file(&self, list: &ListAddress, number: &[u8]) -> Result<Option<MessageFile>, Unavailable> {
        let record = self.read(|disk| maps::held_files(list).get(&disk, number))?;
        record.map_or(Ok(None), |record| self.files.read(&record))
    }

    fn export(&self, table: Table, after: Option<&Record>, limit: usize) -> Result<Vec<Record>, Unavailable> {
        let key = after.map(key_of);
        let page = |map: Map| self.read(|disk| map.page(&disk, key.as_deref(), limit));
        match table {
            Table::SigningKeys if after.is_some() => Ok(Vec::new()),
            Table::SigningKeys => {
                let keys = self.read(|disk| disk.get(SIGNING_KEY))?;
                keys.into_iter().map(|keys| Ok(Record::SigningKeys { keys: from_json(&keys)? })).collect()
            }
            Table::Lists => page(maps::lists())?.iter().map(|(key, value)| self.list_record(key, value)).collect(),
            Table::SiteBans if after.is_some() => Ok(Vec::new()),
            Table::SiteBans => {
                each(self.read(|disk| maps::bans(&BanScope::Site).page(&disk, None, usize::MAX))?, |_, value| {
                    Ok(Record::Ban { ban: from_json(value)? })
                })
            }
            Table::Spent => each(page(maps::spent())?, spent_record),
            Table::Applied => each(page(maps::applied())?, |key, at| {
                let (id, at) = (key.try_into().ok(), at.try_into().ok().map(i64::from_be_bytes));
                let (id, at) = id.zip(at).ok_or_else(|| maps::damaged("applied id", "it has no time"))?;
                Ok(Record::Applied { id: EntryId::from_bytes(id), at })
            }),
            Table::Outbox => {
                // Behind every ordinal of the last one.
                let after = key.map(|id| [id.as_slice(), &[0xff; 4]].concat());
                let found = self.outbox_behind(after, limit)?;
                Ok(found.into_iter().map(|(id, files)| Record::Outbox { id, files }).collect())
            }
            Table::Audit => each(page(maps::audit())?, |key, value| {
                Ok(Record::Audit { number: maps::key_number(key)?, audit: from_json(value)? })
            }),
            _ => Ok(Vec::new()),
        }
    }

    fn list_record(&self, key: &[u8], value: &[u8]) -> Result<Record, Unavailable> {
        let list = maps::key_list(key)?;
        let ListRecord { created, own } = from_json(value)?;
        let last_held = self.counters(&list)?.last_held;
        Ok(Record::List { list, created, own, last_held })
    }

    fn import(&self, records: &[Record]) -> Result<(), Fault> {
        // The files of one page are named after an id that no other page has.
        let id = EntryId::from_bytes(rand::rng().random());
        let kept = self.files.keep(id, records.iter().flat_map(Record::files))?;
        self.write(|draft, _| {
            let mut kept = kept.iter();
            import_members(draft, records)?;
            records.iter().try_for_each(|record| import(draft, record, &mut kept))
        })
    }
}

fn each(
    page: Vec<Pair>,
    record: impl Fn(&[u8], &[u8]) -> Result<Record, Unavailable>,
) -> Result<Vec<Record>, Unavailable> {
    page.iter().map(|(key, value)| record(key, value)).collect()
}

/// People come by the thousand: all at once.
fn import_members(draft: &mut Changes<'_>, records: &[Record]) -> Result<(), Fault> {
    let of = records.iter().find_map(|record| match record {
        Record::Member { list, .. } => Some(list.clone()),
        _ => None,
    });
    let Some(list) = of else { return Ok(()) };
    let members = records.iter().filter_map(|record| match record {
        Record::Member { member, .. } => Some(member.clone()),
        _ => None,
    });
    let members: Vec<_> = members.collect();
    Application::at_any_time(draft).import_members(&list, &members)
}

fn import<'a>(
    draft: &mut Changes<'_>,
    record: &Record,
    kept: &mut impl Iterator<Item = &'a Vec<u8>>,
) -> Result<(), Fault> {
    match record {
        Record::SigningKeys { keys } => draft.put(SIGNING_KEY.to_vec(), to_json::<SigningKeys>(keys)),
        Record::Member { .. } => {}
        Record::List { list, created, own, last_held } => {
            put_json(
                draft,
                &maps::lists(),
                list.as_str().as_bytes(),
                &ListRecord { created: *created, own: own.clone() },
            )?;
            Application::at_any_time(draft).count(list, |counters| counters.last_held = *last_held)?;
        }
        Record::Held { post, file } => {
            if let Some(kept) = file.as_ref().and_then(|_| kept.next()) {
                put(draft, maps::held_files(&post.list), &number_key(post.id), kept)?;
            }
            Application::at_any_time(draft).put_held(post)?;
        }
        Record::Decision { decision, file } => {
            let (list, number) = (&decision.post.list, number_key(decision.post.id));
            let time = keys::timed(decision.at, list, &number);
            put(draft, maps::decisions(list), &number, &to_json(decision))?;
            put(draft, maps::times_of_decisions(), &time, &[])?;
            if let Some(kept) = file.as_ref().and_then(|_| kept.next()) {
                put(draft, maps::held_files(list), &number, kept)?;
                put(draft, maps::times_of_files(), &time, &[])?;
            }
        }
        Record::Request { request } => Application::at_any_time(draft).open_request(request, None)?,
        Record::Bounces { bounces } => Application::at_any_time(draft).note_bounces(bounces, None)?,
        Record::Tally { list, tally } => import_tally(draft, list, tally)?,
        Record::CountedOnce { list, name, what } => put(draft, maps::counted_once(list), &keys::once(name, what), &[])?,
        Record::Ban { ban } => Application::at_any_time(draft).ban(ban)?,
        Record::Spent { letters, .. } => put(draft, maps::spent(), &key_of(record), &to_json(letters))?,
        Record::Applied { id, at } => put(draft, maps::applied(), id.as_bytes(), &at.to_be_bytes())?,
        Record::Outbox { id, files } => {
            for (ordinal, kept) in (0_u32..).zip(kept.take(files.len())) {
                put(draft, maps::outbox(), &[id.as_bytes().as_slice(), &ordinal.to_be_bytes()].concat(), kept)?;
            }
        }
        Record::Audit { number, audit } => put(draft, maps::audit(), &number_key(*number), &to_json(audit))?,
    }
    Ok(())
}

fn import_tally(draft: &mut Changes<'_>, list: &ListAddress, tally: &BounceTally) -> Result<(), Unavailable> {
    put(draft, maps::tallies(list), tally.name.as_bytes(), &to_json(tally))?;
    put(draft, maps::times_of_tallies(), &keys::timed(tally.since, list, tally.name.as_bytes()), &[])
}

fn put(draft: &mut Changes<'_>, map: Map, key: &[u8], value: &[u8]) -> Result<(), Unavailable> {
    map.insert(draft, key, value).map(drop)
}

/// The key under which a record lies in its map.
fn key_of(record: &Record) -> Vec<u8> {
    match record {
        Record::List { list, .. } => list.as_str().as_bytes().to_vec(),
        Record::Member { member, .. } => member.address.key().into_bytes(),
        Record::Held { post, .. } => number_key(post.id).to_vec(),
        Record::Decision { decision, .. } => number_key(decision.post.id).to_vec(),
        Record::Request { request } => keys::of_request(request),
        Record::Bounces { bounces } => bounces.address.key().into_bytes(),
        Record::Tally { tally, .. } => tally.name.as_bytes().to_vec(),
        Record::CountedOnce { name, what, .. } => keys::once(name, what),
        Record::Spent { day, trust, domain, name, .. } => keys::spent_of(*day, *trust, *domain, name),
        Record::Applied { id, .. } | Record::Outbox { id, .. } => id.as_bytes().to_vec(),
        Record::Audit { number, .. } => number_key(*number).to_vec(),
        Record::SigningKeys { .. } | Record::Ban { .. } => Vec::new(),
    }
}

fn spent_record(key: &[u8], value: &[u8]) -> Result<Record, Unavailable> {
    let wrong = || maps::damaged("budget", "its key is too short");
    let (day, rest) = key.split_first_chunk::<8>().ok_or_else(wrong)?;
    let ([trust, whose], name) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
    Ok(Record::Spent {
        day: keys::number(*day),
        trust: if *trust == b's' { Trust::Stranger } else { Trust::Known },
        domain: *whose == b'd',
        name: String::from_utf8(name.to_vec()).map_err(|error| maps::damaged("budget", &error.to_string()))?,
        letters: from_json(value)?,
    })
}
