//! Mail for the people in charge: a list's owners, the site admins.
//!
//! The message leaves as it came: no list header, because it is no post, and no personal return path, because its recipients are
//! not scored. What bounces comes back to the list's `-bounces` address and ends there; it never goes to the owners, whose
//! addresses may be what bounces. Mail to the site admins belongs to no list, so it leaves with the null reverse-path: a bounce
//! could only come back to `postmaster@` and go round for ever. Addresses that would lead straight back here are left out.

use listmill_core::{Address, Disposition, List, Member, Role, StoreView, Unavailable, Word, resolve};
use listmill_queue_format::{Entry, Envelope, Facts, Queue, Recipient};

use crate::PendingConfig;

/// Mail to `dev-owner@`: to the owners, or else to the moderators, or else to the site admins.
pub(crate) fn owners(
    entry: &Entry,
    list: &List,
    config: &PendingConfig,
    view: &dyn StoreView,
) -> Result<Disposition, Unavailable> {
    let return_path = list.address.with_word(Word::Bounces, "");
    for role in [Role::Owner, Role::Moderator] {
        let mut people = Vec::new();
        for person in view.staff(&list.address, role)? {
            if !leads_back(&person, list, view)? {
                people.push(person.address);
            }
        }
        if !people.is_empty() {
            return Ok(forward(entry, &people, &return_path, &format!("to the {}s", role.name())));
        }
    }
    let admins = site_admin_addresses(config);
    Ok(if admins.is_empty() {
        let reason = format!(
            "{} has no owner and no moderator, and the site file names no other admin: give the list an owner, then retry",
            list.address
        );
        Disposition::Shunt { reason }
    } else {
        forward(entry, &admins, &return_path, "to the site admins: the list has nobody in charge")
    })
}

/// Mail to `postmaster@` or `abuse@` the site.
pub(crate) fn site_admins(entry: &Entry, config: &PendingConfig) -> Disposition {
    let admins = site_admin_addresses(config);
    if admins.is_empty() {
        let reason = "the site file names no admin outside this site: set site.admins, then retry".to_owned();
        return Disposition::Shunt { reason };
    }
    forward(entry, &admins, "", "to the site admins")
}

/// An address of the same list: mail to it would come back here.
fn leads_back(person: &Member, list: &List, view: &dyn StoreView) -> Result<bool, Unavailable> {
    let resolved = resolve(view, &person.address)?;
    Ok(resolved.is_some_and(|resolved| resolved.list.address == list.address))
}

/// The site admins, less `postmaster@` and `abuse@` our own domains.
fn site_admin_addresses(config: &PendingConfig) -> Vec<Address> {
    let ours = |address: &Address| {
        let domain = config.domains.iter().any(|domain| domain.eq_ignore_ascii_case(address.domain()));
        domain && ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role))
    };
    config.admins.iter().filter(|admin| !ours(admin)).cloned().collect()
}

fn forward(entry: &Entry, people: &[Address], return_path: &str, reason: &str) -> Disposition {
    let mut outbound = entry.derive("pending", 0, Queue::Outbound);
    outbound.envelope = Envelope { sender: return_path.to_owned(), client: None, ..outbound.envelope };
    outbound.facts = Facts { other: entry.facts.other.clone(), ..Facts::default() };
    let recipient = |address: &Address| Recipient {
        address: address.to_string(),
        return_path: return_path.to_owned(),
        ..Recipient::default()
    };
    outbound.recipients = people.iter().map(recipient).collect();
    Disposition::Forward { entry: outbound, reason: reason.to_owned() }
}
