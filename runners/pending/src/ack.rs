//! The note to an author who wants to know that a post was distributed.

use listmill_core::{Address, Context, Disposition, List, Role, StoreView, Unavailable};
use listmill_letters::{Letter, Letters, language_of};
use listmill_mail::automatic::automatic;
use listmill_mail::message::Message;
use listmill_queue_format::Entry;
use listmill_templates::Ack;

/// The third entry that a first page may write: behind the post and the next page.
const ORDINAL: u32 = 2;

/// The note; none where the author is no member who has asked for it, or a machine has written the post (RFC 3834 §2).
pub(crate) fn note(
    entry: &Entry,
    list: &List,
    author: &Address,
    letters: &Letters,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Option<Disposition>, Unavailable> {
    let member = view.member(&list.address, author)?;
    let Some(member) = member.filter(|member| member.preferences.ack && member.roles.has(Role::Member)) else {
        return Ok(None);
    };
    let message = Message::parse(&entry.message);
    if automatic(&message, &entry.envelope.sender).is_some() {
        return Ok(None);
    }
    let letter = Letter {
        answers: Some(&message),
        ..Letter::from_owners("ack", list, &member.address, language_of(Some(&member), list))
    };
    let subject = message.subject();
    let values = Ack { list: list.address.as_str(), subject: &subject };
    // A text that cannot be filled in is left out, because the post matters more.
    let note = letters.write(&letter, &values, entry, "pending", ORDINAL, cx).ok();
    let reason = format!("{author} is told that it was distributed");
    Ok(note.map(|entry| Disposition::Notify { entry, reason }))
}
