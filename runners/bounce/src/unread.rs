//! What no program can read is for a person: it goes to the owners, a few a day.

use listmill_core::{Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_mail::automatic::automatic;
use listmill_mail::message::Message;
use listmill_templates::BounceUnread;

use crate::session::Session;

/// Passes the message on to the owners.
pub(crate) fn pass_on(s: &mut Session<'_>) -> Result<(), Unavailable> {
    // An answer to a letter of ours is not for this address; what a list sends is for nobody.
    let message = Message::parse(&s.entry.message);
    if let Some(why) = automatic(&message, &s.entry.envelope.sender).filter(|_| message.raw("List-Id").next().is_some())
    {
        s.log(format!("mail of a list at the bounce address: {why}"));
        return Ok(());
    }
    let most = s.list.settings.bounce_unread;
    let today = format!("unread/{}", s.cx.now.strftime("%Y%m%d"));
    if s.tally(&today)? >= most {
        s.log("no program can read it, and the owners have had enough of these today".to_owned());
        return Ok(());
    }
    let owners = s.in_charge()?;
    if owners.is_empty() {
        s.log("no program can read it, and the list has no owner who could".to_owned());
        return Ok(());
    }
    s.count(&today, None, Some(most), "");
    let list = s.list;
    let bounces = list.address.with_word(Word::Bounces, "");
    let entry = s.entry;
    for owner in owners {
        let language = language_of(Some(&owner), list).to_owned();
        let letter = Letter {
            attached: Some(&entry.message),
            ..Letter::from_owners("bounce-unread", list, &owner.address, &language)
        };
        s.write(&letter, &BounceUnread { list: list.address.as_str(), bounces: &bounces }, |_| {});
    }
    Ok(())
}
