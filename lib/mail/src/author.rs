//! Who wrote a message: exactly one mailbox in exactly one From field, or a doubt.
//!
//! Membership, moderation and bans rest on this answer, so a message is never attributed to an address that another
//! reader of the same bytes would not see as its author.

use listmill_core::Address;
use listmill_queue_format::Author;

use crate::message::Message;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorship {
    /// This is the author. The address is one that [`listmill_core::Address`] takes.
    Known(Author),
    /// Nobody can be named; why, for a moderator.
    Doubt(String),
}

/// Who wrote this message.
pub fn author(message: &Message<'_>) -> Authorship {
    let addresses = message.addresses("From");
    match (message.named("From").count(), addresses.as_slice()) {
        (0, _) => Authorship::Doubt("there is no From field".to_owned()),
        (1, [(name, address)]) => match address.parse::<Address>() {
            Ok(address) => Authorship::Known(Author {
                address: address.to_string(),
                name: name.clone(),
                other: Default::default(),
            }),
            Err(error) => Authorship::Doubt(error.to_string()),
        },
        (1, _) => Authorship::Doubt(format!("the From field names {} addresses", addresses.len())),
        (fields, _) => Authorship::Doubt(format!("there are {fields} From fields")),
    }
}
