//! Who of a page gets a copy: whoever receives each post at this moment, less those who have chosen not to get this one.

use std::cell::OnceCell;
use std::collections::HashSet;

use listmill_core::{Address, Member, Timestamp};
use listmill_mail::message::Message;
use listmill_queue_format::Entry;

/// The fields that name those who get the post without us (RFC 5322 §3.6.3, §3.6.6).
const NAMING: [&str; 4] = ["To", "Cc", "Resent-To", "Resent-Cc"];

/// Who gets a copy of one post.
pub(crate) struct Copies<'a> {
    entry: &'a Entry,
    now: Timestamp,
    author: Option<Address>,
    /// Read when somebody asks: on most lists nobody on a page does.
    named: OnceCell<HashSet<Address>>,
}

impl<'a> Copies<'a> {
    /// The copies of this post at this moment.
    pub(crate) fn of(entry: &'a Entry, now: Timestamp) -> Self {
        let author = entry.facts.author.as_ref().and_then(|author| author.address.parse().ok());
        Copies { entry, now, author, named: OnceCell::new() }
    }

    /// Who wrote it; none where that is in doubt.
    pub(crate) fn author(&self) -> Option<&Address> {
        self.author.as_ref()
    }

    /// This person gets one.
    pub(crate) fn goes_to(&self, member: &Member) -> bool {
        let chosen = &member.preferences;
        member.receives_each(self.now)
            && (chosen.myposts || self.author.as_ref() != Some(&member.address))
            && (chosen.duplicates || !self.named().contains(&member.address))
    }

    fn named(&self) -> &HashSet<Address> {
        self.named.get_or_init(|| {
            let message = Message::parse(&self.entry.message);
            let named = NAMING.into_iter().flat_map(|name| message.addresses(name));
            named.filter_map(|(_, address)| address.parse().ok()).collect()
        })
    }
}
