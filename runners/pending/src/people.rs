//! Mail for the people in charge: a list's owners, its moderators, the site admins.
//!
//! The message leaves as it came, below the mark of the address that was written to, by which that address knows it should it come back
//! ([`listmill_mail::loops`]): no list header, because it is no post, and no personal return path, because its recipients are
//! not scored. What bounces comes back to the list's `-bounces` address and ends there; it never goes to the owners, whose
//! addresses may be what bounces. Mail to the site admins belongs to no list, so it leaves with the null reverse-path: a bounce
//! could only come back to `postmaster@` and go round for ever. Addresses that would lead straight back here are left out, and so
//! are those of programs and of people in charge on this site: the owners of two lists may be each other.

use listmill_core::{Address, Disposition, List, Role, StoreView, Unavailable, Word, leads_back};
use listmill_mail::edit::Edit;
use listmill_mail::loops::mark;
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Envelope, Facts, Queue, Recipient};

use crate::PendingConfig;

/// Mail to `dev-owner@`: to the owners, or else to the moderators, or else to the site admins. To `dev-moderators@`: to the
/// moderators, or else to the owners, or else to the site admins.
pub(crate) fn in_charge(
    entry: &Entry,
    list: &List,
    word: Word,
    config: &PendingConfig,
    view: &dyn StoreView,
) -> Result<Disposition, Unavailable> {
    let return_path = list.address.with_word(Word::Bounces, "");
    let to = |people: &[Address], reason: &str| {
        let mut outbound = addressed(entry, people, &return_path);
        outbound.message = marked(&entry.message, list, word).into();
        Disposition::Forward { entry: outbound, reason: reason.to_owned() }
    };
    let roles = match word {
        Word::Moderators => [Role::Moderator, Role::Owner],
        _ => [Role::Owner, Role::Moderator],
    };
    for role in roles {
        let mut people = Vec::new();
        for person in view.staff(&list.address, role)? {
            if !leads_back(view, &person.address, &list.address)? {
                people.push(person.address);
            }
        }
        if !people.is_empty() {
            return Ok(to(&people, &format!("to the {}s", role.name())));
        }
    }
    let mut admins = Vec::new();
    for admin in site_admin_addresses(config) {
        if !leads_back(view, &admin, &list.address)? {
            admins.push(admin);
        }
    }
    Ok(if admins.is_empty() {
        let reason = format!(
            "{} has no owner and no moderator who is a person, and the site file names no other admin: give the list an owner, then retry",
            list.address
        );
        Disposition::Shunt { reason }
    } else {
        to(&admins, "to the site admins: the list has nobody in charge")
    })
}

/// Mail to `postmaster@` or `abuse@` the site.
pub(crate) fn site_admins(entry: &Entry, config: &PendingConfig) -> Disposition {
    let admins = site_admin_addresses(config);
    if admins.is_empty() {
        let reason = "the site file names no admin outside this site: set site.admins, then retry".to_owned();
        return Disposition::Shunt { reason };
    }
    Disposition::Forward { entry: addressed(entry, &admins, ""), reason: "to the site admins".to_owned() }
}

/// The message with the mark of the address with this word on top; nothing else is changed.
fn marked(message: &[u8], list: &List, word: Word) -> Vec<u8> {
    let passed = list.address.with_word(word, "");
    Edit::new(&Message::parse(message)).prepend(vec![mark(&passed)]).finish()
}

/// The site admins, less `postmaster@` and `abuse@` our own domains.
fn site_admin_addresses(config: &PendingConfig) -> Vec<Address> {
    let ours = |address: &Address| {
        let domain = config.domains.iter().any(|domain| domain.eq_ignore_ascii_case(address.domain()));
        domain && ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role))
    };
    config.admins.iter().filter(|admin| !ours(admin)).cloned().collect()
}

/// The outbound entry that carries the message to these people.
fn addressed(entry: &Entry, people: &[Address], return_path: &str) -> Entry {
    let mut outbound = entry.derive("pending", 0, Queue::Outbound);
    outbound.envelope = Envelope { sender: return_path.to_owned(), client: None, ..outbound.envelope };
    outbound.facts = Facts { other: entry.facts.other.clone(), ..Facts::default() };
    let recipient = |address: &Address| Recipient {
        address: address.to_string(),
        return_path: return_path.to_owned(),
        ..Recipient::default()
    };
    outbound.recipients = people.iter().map(recipient).collect();
    outbound
}
