//! `listmill member`: the people on a list.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};

use indicatif::{ProgressBar, ProgressStyle};
use listmill_core::{
    Address, BounceEvent, BounceRecord, BounceState, Delivery, ListAddress, Member as Record, Preferences, Role, Roles,
    StoreChange,
};
use listmill_queue_format::Timestamp;
use serde_json::json;

use crate::cli::{Json, Member, MemberSetting};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::output;
use crate::roster::{COLUMNS, Roster};

/// People of one commit of an import, and of one page of a listing.
const BATCH: usize = 10_000;
/// Bad lines that are told one by one.
const TOLD: usize = 50;

pub(crate) fn run(office: &Office, command: Member) -> Outcome {
    match command {
        Member::Add { list, address, name, role } => {
            let changes = additions(office, &list, address, &name, &role)?;
            told(office, "member add", changes)
        }
        Member::Ls { list, role, json } => ls(office, &list, role, json),
        Member::Show { list, address, json } => show(office, &list, &address, json),
        Member::Set { list, address, set } => change(office, &list, &address, set),
        Member::Remove { list, address } => {
            let gone = address.into_iter().map(|address| StoreChange::RemoveMember { list: list.clone(), address });
            told(office, "member remove", gone.collect())
        }
        Member::Import { list, file } => import(office, &list, &file),
        Member::Export { list } => export(office, &list),
    }
}

/// All of these changes, or none; what was done is told.
fn told(office: &Office, why: &str, changes: Vec<StoreChange>) -> Outcome {
    let lines: Vec<_> = changes.iter().map(ToString::to_string).collect();
    let several = if lines.len() > 1 { "; nothing was changed" } else { "" };
    office.commit(why, changes).map_err(|failure| failure.and(several))?;
    lines.iter().try_for_each(|line| output::line(output::printable(line)))
}

/// What adds people; who is there already with other roles gets these roles too.
pub(crate) fn additions(
    office: &Office,
    list: &ListAddress,
    addresses: Vec<Address>,
    name: &str,
    roles: &[Role],
) -> Outcome<Vec<StoreChange>> {
    let roles = if roles.is_empty() { &[Role::Member] } else { roles };
    let joined = Timestamp::now().as_second();
    let mut changes = Vec::new();
    let mut seen: Vec<Address> = Vec::new();
    for address in addresses {
        if seen.contains(&address) {
            continue;
        }
        seen.push(address.clone());
        let with_roles = |start: Roles| roles.iter().fold(start, |all, role| all.with(*role));
        match office.store.member(list, &address)? {
            Some(member) if with_roles(member.roles) != member.roles => {
                let name = if name.is_empty() { member.name.clone() } else { name.to_owned() };
                let was = Box::new(member.clone());
                let member = Record { roles: with_roles(member.roles), name, ..member };
                changes.push(StoreChange::UpdateMember { list: list.clone(), was, member });
            }
            _ => {
                let member =
                    Record { name: name.to_owned(), roles: with_roles(Roles::NONE), ..Record::new(address, joined) };
                changes.push(StoreChange::AddMember { list: list.clone(), member });
            }
        }
    }
    Ok(changes)
}

/// Every person on a list, page by page.
fn each(office: &Office, list: &ListAddress, mut each: impl FnMut(Record) -> Outcome) -> Outcome {
    office.list(list)?;
    let mut after: Option<Address> = None;
    loop {
        let page = office.store.roster(list, after.as_ref(), BATCH)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.address.clone());
        page.into_iter().try_for_each(&mut each)?;
    }
}

fn ls(office: &Office, list: &ListAddress, role: Option<Role>, json: Json) -> Outcome {
    let wanted = |member: &Record| role.is_none_or(|role| member.roles.has(role));
    if !json.on {
        return each(office, list, |member| if wanted(&member) { output::line(summary(&member)) } else { Ok(()) });
    }
    // One object a line inside the array: a million of them need not be in memory.
    let mut mark = "[\n";
    each(office, list, |member| {
        if wanted(&member) {
            output::bytes(format!("{mark}{}", object(&member)).as_bytes())?;
            mark = ",\n";
        }
        Ok(())
    })?;
    output::line(if mark == "[\n" { "[]" } else { "\n]" })
}

fn show(office: &Office, list: &ListAddress, address: &Address, json: Json) -> Outcome {
    office.list(list)?;
    let member = office.store.member(list, address)?;
    let member = member.ok_or_else(|| Failure::data(format!("{address} is not on {list}")))?;
    let bounces = office.store.bounces(list, address)?;
    if json.on {
        let mut object = object(&member);
        object["bounces"] = bounces.map_or(json!(null), |record| history(&record));
        return output::json(&object);
    }
    output::line(summary(&member))?;
    bounces.iter().try_for_each(told_of)
}

/// What is known of the failed deliveries of a member.
fn history(record: &BounceRecord) -> serde_json::Value {
    let event = |event: &BounceEvent| {
        json!({
            "at": event.at, "cause": event.cause, "status": event.status, "weight": f64::from(event.weight) / 100.0,
            "post": event.post, "relay": event.relay, "evidence": event.evidence,
        })
    };
    json!({
        "state": state(&record.state), "since": since(&record.state), "due": record.due, "cleared": record.cleared,
        "complained": record.complained, "events": record.events.iter().map(event).collect::<Vec<_>>(),
    })
}

fn state(state: &BounceState) -> &'static str {
    match state {
        BounceState::Scoring => "scoring",
        BounceState::Probed { .. } => "probed",
        BounceState::Disabled { .. } => "disabled",
    }
}

fn since(state: &BounceState) -> Option<Timestamp> {
    match state {
        BounceState::Scoring => None,
        BounceState::Probed { since, .. } | BounceState::Disabled { since, .. } => Some(*since),
    }
}

/// The same for a person: a line for each failure.
fn told_of(record: &BounceRecord) -> Outcome {
    let since = since(&record.state).map(|at| format!(" since {at}")).unwrap_or_default();
    output::line(format!("bounces: {}{since}", state(&record.state)))?;
    if let Some(at) = record.complained {
        output::line(format!("  {at}  complained about mail of the list"))?;
    }
    record.events.iter().try_for_each(|event| {
        let uncounted = record.cleared.is_some_and(|cleared| event.at < cleared);
        let weight = if event.weight == 0 || uncounted { "-".to_owned() } else { format!("{}%", event.weight) };
        let words = [event.post.as_str(), event.status.as_str(), event.evidence.as_str()];
        let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ");
        output::line(format!("  {}  {:<11} {weight:>4}  {}", event.at, event.cause.name(), output::printable(&words)))
    })
}

fn object(member: &Record) -> serde_json::Value {
    json!({
        "address": member.address, "name": member.name,
        "roles": member.roles.iter().map(Role::name).collect::<Vec<_>>(),
        "delivery": member.delivery, "moderation": member.moderation, "language": member.language,
        "preferences": BTreeMap::from(member.preferences.named()), "resumes": resumes(member),
        "joined": Timestamp::from_second(member.joined).ok(),
    })
}

fn summary(member: &Record) -> String {
    let who = if member.name.is_empty() {
        member.address.to_string()
    } else {
        format!("{} <{}>", output::printable(&member.name), member.address)
    };
    let until = resumes(member).map(|at| format!(" until {at}")).unwrap_or_default();
    let mut line =
        format!("{who}  {}  delivery {}{until}  moderation {}", member.roles, member.delivery, member.moderation);
    if member.preferences != Preferences::default() {
        line += &format!("  {}", member.preferences);
    }
    line
}

fn resumes(member: &Record) -> Option<Timestamp> {
    member.resumes.and_then(|at| Timestamp::from_second(at).ok())
}

fn change(office: &Office, list: &ListAddress, address: &Address, set: Vec<MemberSetting>) -> Outcome {
    office.list(list)?;
    let member = office.store.member(list, address)?;
    let mut member = member.ok_or_else(|| Failure::data(format!("{address} is not on {list}")))?;
    let was = Box::new(member.clone());
    if set.iter().any(|setting| matches!(setting, MemberSetting::Delivery(_))) {
        // When the delivery that was off before was to begin again says nothing about this one.
        member.resumes = None;
    }
    let resumes = set.iter().any(|setting| matches!(setting, MemberSetting::Resumes(Some(_))));
    for setting in set {
        match setting {
            MemberSetting::Name(name) => member.name = name,
            MemberSetting::Roles(roles) if roles == Roles::NONE => {
                return Err(Failure::usage("a person without a role is not on the list: `listmill member remove`"));
            }
            MemberSetting::Roles(roles) => member.roles = roles,
            MemberSetting::Delivery(delivery) => member.delivery = delivery,
            MemberSetting::Moderation(moderation) => member.moderation = moderation,
            MemberSetting::Language(language) => member.language = language,
            MemberSetting::Preference(name, on) => {
                member.preferences.set(name, on);
            }
            MemberSetting::Resumes(at) => member.resumes = at.map(Timestamp::as_second),
        }
    }
    if resumes && member.delivery == Delivery::Each {
        return Err(Failure::usage("only a delivery that is off can resume: delivery=off resumes=2026-12-01"));
    }
    told(office, "member set", vec![StoreChange::UpdateMember { list: list.clone(), was, member }])
}

fn import(office: &Office, list: &ListAddress, file: &str) -> Outcome {
    office.list(list)?;
    let mut bytes = Vec::new();
    let read = if file == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|all| bytes = all)
    };
    read.map_err(|error| Failure::io(format!("read {file}"), &error))?;
    let roster = Roster::read(bytes).map_err(|bad| {
        for line in bad.iter().take(TOLD) {
            eprintln!("{file}:{}: {}", line.number, output::printable(&line.reason));
        }
        let more = if bad.len() > TOLD { format!(" (the first {TOLD} are told above)") } else { String::new() };
        Failure::data(format!("{} lines of {file} cannot be read{more}; nobody was imported", bad.len()))
    })?;
    if !roster.ignored.is_empty() {
        let columns = roster.ignored.iter().map(|name| output::printable(name)).collect::<Vec<_>>().join(", ");
        eprintln!("listmill: columns that are not read: {columns} ({} are)", COLUMNS.join(", "));
    }
    let before = office.store.member_count(list)?;
    store_all(office, list, &roster)?;
    let added = office.store.member_count(list)?.saturating_sub(before);
    let there = roster.len() as u64 - added.min(roster.len() as u64);
    output::line(format!("{added} imported, {there} were members already, {} repeated in the file", roster.repeated))
}

fn store_all(office: &Office, list: &ListAddress, roster: &Roster) -> Outcome {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(roster.len() as u64) } else { ProgressBar::hidden() };
    let style = "{bar:40} {human_pos} of {human_len} members, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is a constant"));
    let staff = staff_to_be_members(office, list)?;
    let mut members = roster.members(Timestamp::now().as_second()).peekable();
    while members.peek().is_some() {
        let batch: Vec<Record> = members.by_ref().take(BATCH).collect();
        let count = batch.len() as u64;
        let named = |member: &&Record| {
            let found = batch.binary_search_by(|other| other.address.cmp(&member.address));
            found.is_ok_and(|at| batch.get(at).is_some_and(|other| other.roles.has(Role::Member)))
        };
        let promoted = staff.iter().filter(named);
        let mut changes: Vec<_> = promoted.map(|staff| promoted_to_member(list, staff)).collect();
        changes.push(StoreChange::ImportMembers { list: list.clone(), members: batch });
        office.commit("member import", changes)?;
        bar.inc(count);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Owners and moderators who are not members yet: they will be if the file names them.
fn staff_to_be_members(office: &Office, list: &ListAddress) -> Outcome<Vec<Record>> {
    let mut staff = office.store.staff(list, Role::Owner)?;
    staff.extend(office.store.staff(list, Role::Moderator)?);
    staff.retain(|member| !member.roles.has(Role::Member));
    staff.sort_by(|a, b| a.address.cmp(&b.address));
    staff.dedup_by(|a, b| a.address == b.address);
    Ok(staff)
}

/// Somebody in charge becomes a member as well.
fn promoted_to_member(list: &ListAddress, staff: &Record) -> StoreChange {
    let member = Record { roles: staff.roles.with(Role::Member), ..staff.clone() };
    StoreChange::UpdateMember { list: list.clone(), was: Box::new(staff.clone()), member }
}

fn export(office: &Office, list: &ListAddress) -> Outcome {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let write = |writer: &mut csv::Writer<Vec<u8>>, cells: &[String]| writer.write_record(cells).map_err(Failure::data);
    let head: Vec<_> = COLUMNS.iter().chain(&["joined"]).map(|name| (*name).to_owned()).collect();
    write(&mut writer, &head)?;
    each(office, list, |member| {
        let joined = Timestamp::from_second(member.joined).map_or_else(|_| String::new(), |at| at.to_string());
        let resumes = resumes(&member).map(|at| at.to_string()).unwrap_or_default();
        let cells = [
            member.address.to_string(),
            member.name,
            member.roles.to_string(),
            member.delivery.to_string(),
            member.moderation.to_string(),
            member.language.unwrap_or_default(),
            member.preferences.to_string(),
            resumes,
            joined,
        ];
        write(&mut writer, &cells)
    })?;
    output::bytes(&writer.into_inner().map_err(Failure::data)?)
}
