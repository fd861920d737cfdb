//! What the author of a held post is told, and when they are told nothing.

use std::fmt;

use listmill_core::{HeldPost, Trust, Unavailable, Verdict, Word};
use listmill_letters::{Letter, Reader, Silence, author_of, language_of};
use listmill_mail::message::Message;
use listmill_mail::token::{Act, decision_token};
use listmill_queue_format::Entry;
use listmill_templates::{Held, JoinRefused, Lapsed, Rejected};

use super::post::{moment, one_line, short};
use crate::ask::Ask;
use crate::grammar;
use crate::session::Session;

/// Characters of a reason for which a post is held.
const MAX_REASON: usize = 200;

/// Why an author is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Untold {
    /// An answer would be backscatter.
    Silence(Silence),
    /// The day's budget of letters is spent.
    Budget,
    /// The held entry cannot be read.
    Unreadable,
}

impl Untold {
    /// Why, for whoever decided.
    pub(super) fn phrase(&self, s: &Session<'_>) -> String {
        let key = match self {
            Untold::Silence(Silence::NoAuthor) | Untold::Unreadable => "untold-no-author",
            Untold::Silence(Silence::Automatic(_)) => "untold-automatic",
            Untold::Silence(Silence::OtherSender) => "untold-other-sender",
            Untold::Silence(Silence::Disowned(_)) => "untold-disowned",
            Untold::Budget => "untold-budget",
        };
        s.phrase(key, &[])
    }
}

impl fmt::Display for Untold {
    /// Why, for an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untold::Silence(silence) => silence.fmt(f),
            Untold::Budget => f.write_str("they get no more letters today"),
            Untold::Unreadable => f.write_str("the held entry cannot be read"),
        }
    }
}

/// Whom a letter about the held post may go to. Who wishes to join or to leave has shown before that the address is theirs.
fn reader(post: &HeldPost, entry: &Entry, message: &Message<'_>) -> Result<Reader, Silence> {
    if post.asks.is_none() {
        return author_of(entry, message);
    }
    let address = post.author.parse().map_err(|_| Silence::NoAuthor)?;
    Ok(Reader { address, recipient: post.author.clone(), trust: Trust::Known })
}

/// Whom a letter about the held post goes to, and in which language; or why nobody is told.
fn addressee(
    s: &Session<'_>,
    post: &HeldPost,
    entry: &Entry,
    message: &Message<'_>,
) -> Result<Result<(Reader, String), Untold>, Unavailable> {
    let reader = match reader(post, entry, message) {
        Ok(reader) => reader,
        Err(silence) => return Ok(Err(Untold::Silence(silence))),
    };
    let member = s.draft.member(&s.list.address, &reader.address)?;
    let language = language_of(member.as_ref(), s.list).to_owned();
    Ok(Ok((reader, language)))
}

/// Tells the author that the post was rejected, or that nobody decided in time.
pub(super) fn author(
    s: &mut Session<'_>,
    post: &HeldPost,
    entry: &Result<Entry, String>,
    verdict: Verdict,
    reason: &str,
) -> Result<Option<Untold>, Unavailable> {
    let Ok(entry) = entry else { return Ok(Some(Untold::Unreadable)) };
    let message = Message::parse(&entry.message);
    let (reader, language) = match addressee(s, post, entry, &message)? {
        Ok(addressee) => addressee,
        Err(untold) => return Ok(Some(untold)),
    };
    let list = s.list;
    let letter = Letter {
        recipient: Some(&reader.recipient),
        answers: post.asks.is_none().then_some(&message),
        ..Letter::from_owners("", list, &reader.address, &language)
    };
    let stock = if verdict == Verdict::Lapse { "reason-lapsed" } else { "reason-none" };
    let reason = if reason.is_empty() { s.phrase_in(&language, stock, &[]) } else { reason.to_owned() };
    let (list, owner, reason) = (list.address.as_str(), &s.address(Word::Owner), reason.as_str());
    let joins = post.asks.as_deref().is_some_and(|asks| matches!(grammar::command(asks), Ok(Ask::Join(_))));
    let trust = Some(reader.trust);
    let written = match verdict {
        _ if joins => {
            let values = JoinRefused { list, reason, owner };
            s.write(&Letter { text: "join-refused", ..letter }, &values, trust)?
        }
        Verdict::Lapse => {
            let values = Lapsed { list, subject: &short(&post.subject), since: &moment(post.since), owner };
            s.write(&Letter { text: "lapsed", ..letter }, &values, trust)?
        }
        _ => {
            let values = Rejected { list, subject: &short(&post.subject), reason, owner };
            s.write(&Letter { text: "rejected", ..letter }, &values, trust)?
        }
    };
    Ok((!written).then_some(Untold::Budget))
}

/// Tells the author that the post waits, and how to take it back.
pub(super) fn held(s: &mut Session<'_>, post: &HeldPost, entry: &Entry) -> Result<Option<Untold>, Unavailable> {
    let message = Message::parse(&entry.message);
    let (reader, language) = match addressee(s, post, entry, &message)? {
        Ok(addressee) => addressee,
        Err(untold) => return Ok(Some(untold)),
    };
    let list = s.list;
    let token = decision_token(&s.keys()?, &list.address, post.id, &reader.address, Act::Cancel, &post.sha256);
    let values = Held {
        list: list.address.as_str(),
        subject: &short(&post.subject),
        reasons: post.reasons.iter().map(|hit| one_line(&hit.reason, MAX_REASON)).collect(),
        expires: &moment(post.expires),
        cancel: &list.address.with_word(Word::Cancel, &token),
        owner: &s.address(Word::Owner),
    };
    let letter = Letter {
        recipient: Some(&reader.recipient),
        answers: Some(&message),
        ..Letter::from_owners("held", list, &reader.address, &language)
    };
    Ok((!s.write(&letter, &values, Some(reader.trust))?).then_some(Untold::Budget))
}
