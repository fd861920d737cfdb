//! `listmill list`: create, show and change lists.

use std::collections::BTreeMap;

use listmill_core::settings::KEYS;
use listmill_core::{Address, List as Record, ListAddress, Member, Role, Roles, StoreChange};
use listmill_queue_format::Timestamp;
use serde_json::json;

use crate::cli::{Json, List};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::output;

pub(crate) fn run(office: &Office, command: List) -> Outcome {
    match command {
        List::Create { list, owner, set } => {
            create(office, list.clone(), owner, set.into_iter().collect())?;
            output::line(format!("{list} created; `listmill member add` or `import` puts people on it"))
        }
        List::Ls { json } => ls(office, json),
        List::Show { list, json } => show(office, &office.list(&list)?, json),
        List::Set { list, set, unset } => change(office, &list, set, unset),
        List::Remove { list } => {
            let members = office.store.member_count(&list)?;
            office.commit("list remove", vec![StoreChange::RemoveList { list: list.clone() }])?;
            output::line(format!("{list} removed, with its {members} members and its held posts"))
        }
    }
}

/// Creates a list with its owners.
pub(crate) fn create(
    office: &Office,
    list: ListAddress,
    owners: Vec<Address>,
    own: BTreeMap<String, String>,
) -> Outcome {
    list.check_not_reserved().map_err(Failure::data)?;
    if !office.site.has_domain_of(&list) {
        let domains = office.site.domains.join(", ");
        return Err(Failure::data(format!(
            "{list} is not at a domain of this site ({domains}): see [site] domains in the site file"
        )));
    }
    let joined = Timestamp::now().as_second();
    let mut changes = vec![StoreChange::CreateList { list: list.clone(), own }];
    let mut seen: Vec<Address> = Vec::new();
    for address in owners {
        if !seen.contains(&address) {
            seen.push(address.clone());
            let member = Member { roles: Roles::only(Role::Owner), ..Member::new(address, joined) };
            changes.push(StoreChange::AddMember { list: list.clone(), member });
        }
    }
    office.commit("list create", changes)
}

fn ls(office: &Office, json: Json) -> Outcome {
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    office.each_list(|list| {
        let members = office.store.member_count(&list.address)?;
        if json.on {
            objects.push(json!({"list": list.address, "members": members, "description": list.settings.description}));
        } else {
            rows.push(vec![list.address.to_string(), members.to_string(), list.settings.description]);
        }
        Ok(())
    })?;
    if json.on { output::json(&objects) } else { output::table(&["LIST", "MEMBERS", "DESCRIPTION"], &rows) }
}

fn show(office: &Office, list: &Record, json: Json) -> Outcome {
    let members = office.store.member_count(&list.address)?;
    let owners = addresses(office, list, Role::Owner)?;
    let moderators = addresses(office, list, Role::Moderator)?;
    let origin = |key: &str| office.site.cascade.origin(&list.address, &list.own, key).to_string();
    let value = |key: &str| list.settings.get(key).unwrap_or_default();
    if json.on {
        let settings: serde_json::Map<_, _> = KEYS
            .iter()
            .map(|key| (key.name.to_owned(), json!({"value": value(key.name), "from": origin(key.name)})))
            .collect();
        return output::json(&json!({
            "list": list.address, "list_id": list.address.list_id(), "created": list.created, "members": members,
            "owners": owners, "moderators": moderators, "settings": settings,
        }));
    }
    output::line(format!("{}  (List-Id {})", list.address, list.address.list_id()))?;
    output::line(format!("created {}, {members} members", list.created))?;
    output::line(format!("owners: {}", joined(&owners)))?;
    output::line(format!("moderators: {}", joined(&moderators)))?;
    output::line("")?;
    let rows: Vec<_> =
        KEYS.iter().map(|key| vec![key.name.to_owned(), shown(&value(key.name)), origin(key.name)]).collect();
    output::table(&["SETTING", "VALUE", "FROM"], &rows)
}

fn addresses(office: &Office, list: &Record, role: Role) -> Outcome<Vec<Address>> {
    Ok(office.store.staff(&list.address, role)?.into_iter().map(|member| member.address).collect())
}

fn joined(addresses: &[Address]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

/// A text of several lines on one.
fn shown(value: &str) -> String {
    if value.is_empty() { "-".to_owned() } else { value.replace('\n', "\\n") }
}

fn change(office: &Office, list: &ListAddress, set: Vec<(String, String)>, unset: Vec<String>) -> Outcome {
    let unknown = unset.iter().find(|key| !KEYS.iter().any(|known| known.name == **key));
    if let Some(key) = unknown {
        return Err(Failure::usage(format!("there is no setting {key:?}: see `listmill list set --help`")));
    }
    let set = set.into_iter().map(|(key, value)| StoreChange::Set { list: list.clone(), key, value: Some(value) });
    let unset = unset.into_iter().map(|key| StoreChange::Set { list: list.clone(), key, value: None });
    let changes: Vec<_> = set.chain(unset).collect();
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    office.commit("list set", changes)?;
    told.iter().try_for_each(output::line)
}
