//! What the rules look at.

use listmill_core::{Address, ListAddress, Member, Settings};
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Facts};

/// A message on its way to a list, and what is known about it. Rules look at nothing else.
pub(crate) struct Post<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) message: &'a Message<'a>,
    /// The list; none for mail to the site admins.
    pub(crate) list: Option<&'a ListAddress>,
    /// The list's settings; the built-in ones for mail to the site admins.
    pub(crate) settings: &'a Settings,
    /// The author; none where there is a doubt.
    pub(crate) author: Option<&'a Address>,
    /// The author's record on the list: a member, a moderator or an owner.
    pub(crate) member: Option<&'a Member>,
}

impl Post<'_> {
    /// What earlier stages established.
    pub(crate) fn facts(&self) -> &Facts {
        &self.entry.facts
    }

    /// It is to go to the list, and not to its owners or to the site admins.
    pub(crate) fn is_post(&self) -> bool {
        self.entry.facts.subaddress.is_none()
    }

    /// Every address that To and Cc name, members of groups included.
    pub(crate) fn addressees(&self) -> impl Iterator<Item = String> {
        ["To", "Cc"].into_iter().flat_map(|name| self.message.addresses(name)).map(|(_, address)| address)
    }
}
