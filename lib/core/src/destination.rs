//! What an entry concerns, as inbound has established it.

use listmill_queue_format::{Entry, EntryId, Envelope, Facts, Queue, Subaddress};

use crate::{Disposition, List, ListAddress, StoreView, Unavailable};

/// The word of mail to `postmaster@` or `abuse@` the site (RFC 2142 §5), in the place of a list's subaddress.
pub const POSTMASTER: &str = "postmaster";

/// The word of an entry that tells of the time, in the place of a list's subaddress; it concerns no list. Its detail says what is to be
/// done: `tick` what is done every few minutes, `day` what is done once a day.
pub const CLOCK: &str = "clock";

/// The word of an entry that follows a hold: its detail is the id of the entry that was held, its message is empty.
pub const HELD: &str = "held";

/// The entry that follows a hold, so that people are told of it: only then the post has its number. It is the `ordinal`-th entry
/// that `stage` writes from `parent`; `held` is the entry that is held.
pub fn after_hold(parent: &Entry, stage: &str, ordinal: u32, held: EntryId) -> Entry {
    let mut note = parent.derive(stage, ordinal, Queue::Command);
    let (word, detail) = (HELD.to_owned(), held.to_string());
    note.facts = Facts { subaddress: Some(Subaddress { word, detail, other: Default::default() }), ..Facts::default() };
    note.envelope = Envelope::default();
    note.message = Vec::new().into();
    note
}

/// What an entry concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// A list.
    List(Box<List>),
    /// The site admins: mail to `postmaster@`, which belongs to no list.
    SiteAdmins,
}

impl Destination {
    /// The list; none for mail to the site admins.
    pub fn list(&self) -> Option<&List> {
        match self {
            Destination::List(list) => Some(list),
            Destination::SiteAdmins => None,
        }
    }
}

/// What `entry` concerns, or what becomes of it when that is nothing.
///
/// A list that was removed while the entry waited takes it along: it is discarded, and the log says so. It is not shunted,
/// because nothing an operator could do would deliver it. An entry that names no list at all is a fault of the program that wrote
/// it, and is shunted.
///
/// # Errors
/// [`Unavailable`] when the view cannot be read now.
pub fn destination(entry: &Entry, view: &dyn StoreView) -> Result<Result<Destination, Disposition>, Unavailable> {
    let Some(name) = &entry.list else {
        let for_site_admins = entry.facts.subaddress.as_ref().is_some_and(|subaddress| subaddress.word == POSTMASTER);
        let shunt = || Disposition::Shunt { reason: "the entry names no list; inbound should have".to_owned() };
        return Ok(if for_site_admins { Ok(Destination::SiteAdmins) } else { Err(shunt()) });
    };
    let address: ListAddress = match name.parse() {
        Ok(address) => address,
        Err(error) => return Ok(Err(Disposition::Shunt { reason: format!("the entry's list: {error}") })),
    };
    Ok(match view.list(&address)? {
        Some(list) => Ok(Destination::List(Box::new(list))),
        None => Err(Disposition::Discard { reason: format!("the list {address} has been removed") }),
    })
}
