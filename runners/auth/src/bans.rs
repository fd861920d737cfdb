//! Who of the people that a message names is banned.

use listmill_core::{Address, Ban, BanScope, ListAddress, StoreView, Unavailable};
use listmill_mail::message::Message;
use listmill_mail::sender::person;

/// The first ban that hits somebody who may have written this message, in words.
///
/// Everybody counts whom From names, and the envelope sender, as it is written and the person in it: a banned person must
/// not get past by putting a second address beside their own, nor a mark around it.
pub(crate) fn banned(
    message: &Message<'_>,
    envelope_sender: &str,
    list: Option<&ListAddress>,
    view: &dyn StoreView,
) -> Result<Option<String>, Unavailable> {
    let from = message.addresses("From").into_iter().map(|(_, address)| address);
    let suspects = from.chain([envelope_sender.to_owned(), person(envelope_sender).into_owned()]);
    for suspect in suspects.filter_map(|text| text.parse::<Address>().ok()) {
        if let Some(ban) = ban(&suspect, list, view)? {
            return Ok(Some(in_words(&suspect, &ban)));
        }
    }
    Ok(None)
}

fn ban(suspect: &Address, list: Option<&ListAddress>, view: &dyn StoreView) -> Result<Option<Ban>, Unavailable> {
    match list {
        Some(list) => view.banned(list, suspect),
        None => Ok(view.bans(&BanScope::Site)?.into_iter().find(|ban| ban.pattern.hits(suspect))),
    }
}

fn in_words(suspect: &Address, ban: &Ban) -> String {
    let reason = if ban.reason.is_empty() { String::new() } else { format!(": {}", ban.reason) };
    format!("{suspect} is banned ({} on {}){reason}", ban.pattern, ban.scope)
}
