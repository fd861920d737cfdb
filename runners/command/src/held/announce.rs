//! A post was held: those who decide are told, and its author.

use listmill_core::settings::Notices;
use listmill_core::{Address, Context, Disposition, HeldPost, List, Member, StoreView, Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_mail::compose::Room;
use listmill_mail::token::{Act, decision_token};
use listmill_queue_format::{Entry, EntryId};
use listmill_templates::{Moderate, RuleHit};

use super::excerpt::{excerpt, own_words};
use super::others::readers;
use super::post::{author_of, entry_of, moment, one_line, short, size};
use super::tell;
use crate::config::CommandConfig;
use crate::session::Session;
use crate::who::Requester;

/// When so many wait, a letter for each is one too many: the summary names them.
const CROWD: usize = 50;

/// Characters of a reason for which a post is held; there may be words of the author in it.
const REASON: usize = 58;

/// Tells the moderators and the author of the post that was the entry `held`.
pub(crate) fn announce(
    config: &CommandConfig,
    entry: &Entry,
    held: &str,
    list: &List,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    let Ok(held) = held.parse::<EntryId>() else {
        return Ok(vec![Disposition::Shunt { reason: format!("{held:?} is no entry that was held") }]);
    };
    let Some(post) = view.held_by_entry(&list.address, held)? else {
        return Ok(vec![Disposition::Discard { reason: "it was decided before anybody was told".to_owned() }]);
    };
    let mut s = Session::new(config, entry, None, list, Requester::nobody(list), view, cx)?;
    let entry = match entry_of(&s, &post)? {
        Ok(entry) => entry,
        Err(why) => return Ok(vec![Disposition::Shunt { reason: format!("held post {}: {why}", post.id) }]),
    };
    let told = moderators(&mut s, &post, &entry)?;
    let why = author(&mut s, &post, &entry, &told)?;
    let reason = format!("held post {}: {} who decide are told; the author: {why}", post.id, told.len());
    s.push(Disposition::Discard { reason });
    s.finish()
}

/// Tells those who decide; who they are.
fn moderators(s: &mut Session<'_>, post: &HeldPost, entry: &Entry) -> Result<Vec<Member>, Unavailable> {
    let waiting = s.draft.view.held(&s.list.address, None, CROWD)?.len();
    if s.list.settings.moderator_notices != Notices::Each || waiting >= CROWD {
        return Ok(Vec::new());
    }
    let people = readers(s)?;
    let excerpt = if post.asks.is_some() { own_words(&entry.message) } else { excerpt(&entry.message) };
    for person in &people {
        notice(s, post, entry, person, &excerpt, waiting as u64)?;
    }
    Ok(people)
}

/// The notice of one moderator, with tokens that are good for nobody else.
fn notice(
    s: &mut Session<'_>,
    post: &HeldPost,
    entry: &Entry,
    person: &Member,
    excerpt: &[String],
    waiting: u64,
) -> Result<(), Unavailable> {
    let list = s.list;
    let keys = s.keys()?;
    let to = |word: Word, act: Act| {
        let token = decision_token(&keys, &list.address, post.id, &person.address, act, &post.sha256);
        list.address.with_word(word, &token)
    };
    let hit = |hit: &listmill_queue_format::RuleHit| RuleHit {
        rule: hit.rule.clone(),
        reason: one_line(&hit.reason, REASON),
    };
    let values = Moderate {
        list: list.address.as_str(),
        author: &author_of(post, Some(entry)),
        subject: &short(&post.subject),
        message_id: &short(&post.message_id),
        size: &size(post.size),
        since: &moment(post.since),
        expires: &moment(post.expires),
        reasons: post.reasons.iter().map(hit).collect(),
        excerpt: excerpt.to_vec(),
        approve: &to(Word::Approve, Act::Approve),
        reject: &to(Word::Reject, Act::Reject),
        discard: &to(Word::Discard, Act::Discard),
        id: &post.id.to_string(),
        waiting,
    };
    let text = if post.asks.is_some() { "moderate-request" } else { "moderate" };
    let letter = Letter {
        from: Word::Request,
        reply_to: Some(&to(Word::Request, Act::Answer)),
        attached: Some(&entry.message),
        room: Room::Known,
        ..Letter::from_owners(text, list, &person.address, language_of(Some(person), list))
    };
    s.write(&letter, &values, None)?;
    Ok(())
}

/// Tells the author that the post waits; for the log, whether that is so.
fn author(s: &mut Session<'_>, post: &HeldPost, entry: &Entry, told: &[Member]) -> Result<String, Unavailable> {
    // Who wishes to join or to leave has had the answer to the request.
    if post.asks.is_some() || !s.list.settings.hold_notice {
        return Ok("is not to be told".to_owned());
    }
    let author: Option<Address> = post.author.parse().ok();
    if told.iter().any(|person| Some(&person.address) == author.as_ref()) {
        return Ok("decides as a moderator".to_owned());
    }
    Ok(match tell::held(s, post, entry)? {
        None => "told".to_owned(),
        Some(why) => format!("not told: {why}"),
    })
}
