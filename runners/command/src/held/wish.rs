//! Somebody wishes to join or to leave, and a moderator must agree: the wish is held as a post is.

use listmill_core::{Disposition, HeldPost, MessageFile, StoreChange, Timestamp, Unavailable, after_hold};
use listmill_queue_format::{Author, Digest, Entry, Facts, Queue, RuleHit, encode};

use crate::ask::Ask;
use crate::grammar;
use crate::session::{STAGE, Said, Session};

/// Held posts that a page has.
const PAGE: usize = 500;

/// Keeps the requester's wish for a moderator. `asks` is the command in its canonical form, `join` or `leave`.
pub(crate) fn hold_request(s: &mut Session<'_>, asks: &str) -> Result<Said, Unavailable> {
    let waits = s.waiting("wish-waits", &[]);
    if is_held(s, asks)? {
        return Ok(waits);
    }
    let entry = kept(s);
    match encode(&entry) {
        Ok(file) => s.draft.change(StoreChange::Hold { post: post(s, &entry, asks), file: MessageFile(file) }),
        Err(error) => s.push(Disposition::Shunt { reason: format!("the wish cannot be held: {error}") }),
    }
    let parent = s.entry;
    s.forward(|ordinal| after_hold(parent, STAGE, ordinal, entry.id), "to tell who decides".to_owned());
    Ok(waits)
}

/// The same person wishes the same already.
fn is_held(s: &Session<'_>, asks: &str) -> Result<bool, Unavailable> {
    let same = |post: &HeldPost| {
        post.asks.as_deref() == Some(asks)
            && post.author.parse().is_ok_and(|author: listmill_core::Address| author == s.who.address)
    };
    let mut after = None;
    loop {
        let page = s.draft.view.held(&s.list.address, after, PAGE)?;
        if page.iter().any(same) {
            return Ok(true);
        }
        if page.len() < PAGE {
            return Ok(s.draft.holds().any(same));
        }
        after = page.last().map(|post| post.id);
    }
}

/// The entry that is held: the mail with which the person has wished it, and who that is.
fn kept(s: &mut Session<'_>) -> Entry {
    let mut kept = s.entry.derive(STAGE, s.next_ordinal(), Queue::Command);
    let author = Author { address: s.who.address.to_string(), name: s.who.name.clone(), other: Default::default() };
    kept.facts = Facts { author: Some(author), ..Facts::default() };
    kept
}

fn post(s: &Session<'_>, entry: &Entry, asks: &str) -> HeldPost {
    let joins = matches!(grammar::command(asks), Ok(Ask::Join(_)));
    let (rule, key) = if joins { ("subscribe-policy", "wish-join") } else { ("unsubscribe-policy", "wish-leave") };
    // For the moderators, so in the list's language.
    let say = |key: &str| s.phrase_in(&s.list.settings.language, key, &[("list", s.list.address.as_str())]);
    let reason = say(&format!("{key}-reason"));
    HeldPost {
        id: 0,
        list: s.list.address.clone(),
        entry: entry.id,
        author: s.who.address.to_string(),
        subject: say(key),
        message_id: listmill_mail::message::Message::parse(&entry.message).message_id(),
        size: entry.message.len() as u64,
        reasons: vec![RuleHit { rule: rule.to_owned(), reason, other: Default::default() }],
        since: s.cx.now,
        expires: s.cx.now.checked_add(s.list.settings.moderation_expiry).unwrap_or(Timestamp::MAX),
        sha256: Digest::of(&entry.message).to_string(),
        asks: Some(asks.to_owned()),
        away: None,
    }
}
