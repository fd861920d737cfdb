//! Everything that waits on a list, in one letter whose answer decides about all of it: once a day, and whenever a moderator asks.

use listmill_core::{HeldId, HeldPost, Member, Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_mail::compose::Room;
use listmill_mail::token::summary_token;
use listmill_templates::{Summary, SummaryItem};

use super::others::readers;
use super::post::{author_of, entry_of, moment, short};
use crate::session::{Said, Session};

/// How many of those who wait are shown; the next summary shows the next ones.
pub(super) const SHOWN: usize = 100;

/// How many are counted at a time.
const PAGE: usize = 500;

/// What waits, the oldest first, and how many more.
struct Waiting {
    items: Vec<HeldPost>,
    more: u64,
}

/// The command `held`: the summary is the answer.
pub(crate) fn list(s: &mut Session<'_>) -> Result<Said, Unavailable> {
    let waiting = waiting(s)?;
    if waiting.items.is_empty() {
        return Ok(s.done("held-none", &[]));
    }
    let to = match &s.member {
        Some(member) => member.clone(),
        None => Member::new(s.who.address.clone(), 0),
    };
    write(s, &to, &waiting)?;
    Ok(Said { told: true, ..s.done("held-summary-sent", &[]) })
}

/// The summary for everybody who decides; how many they are. Nobody gets one when nothing waits.
pub(crate) fn summaries(s: &mut Session<'_>) -> Result<usize, Unavailable> {
    let waiting = waiting(s)?;
    if waiting.items.is_empty() {
        return Ok(0);
    }
    let people = readers(s)?;
    for person in &people {
        write(s, person, &waiting)?;
    }
    Ok(people.len())
}

fn waiting(s: &Session<'_>) -> Result<Waiting, Unavailable> {
    let list = &s.list.address;
    let (mut items, mut more, mut after) = (Vec::new(), 0, None);
    loop {
        let page = s.draft.view.held(list, after, PAGE)?;
        after = page.last().map(|post| post.id);
        let last = page.len() < PAGE;
        for post in page.into_iter().filter(|post| !s.draft.is_decided(list, post.id)) {
            if items.len() < SHOWN { items.push(post) } else { more += 1 }
        }
        if last {
            return Ok(Waiting { items, more });
        }
    }
}

fn write(s: &mut Session<'_>, to: &Member, waiting: &Waiting) -> Result<(), Unavailable> {
    let list = s.list;
    // What nobody knows the bytes of is shown, and cannot be decided about in answer.
    let known = waiting.items.iter().filter(|post| !post.sha256.is_empty());
    let digests: Vec<(HeldId, &str)> = known.map(|post| (post.id, post.sha256.as_str())).collect();
    let token = summary_token(&s.keys()?, &list.address, &to.address, s.cx.now, &digests);
    let items = waiting.items.iter().map(|post| item(s, post)).collect::<Result<_, _>>()?;
    let values = Summary {
        list: list.address.as_str(),
        count: waiting.items.len() as u64 + waiting.more,
        more: waiting.more,
        items,
    };
    let letter = Letter {
        from: Word::Request,
        reply_to: Some(&list.address.with_word(Word::Request, &token)),
        answers: s.message,
        room: Room::Known,
        ..Letter::from_owners("summary", list, &to.address, language_of(Some(to), list))
    };
    s.write(&letter, &values, None)?;
    Ok(())
}

fn item(s: &Session<'_>, post: &HeldPost) -> Result<SummaryItem, Unavailable> {
    // A wish is small; the bytes of posts are not read for a name.
    let entry = if post.asks.is_some() { entry_of(s, post)?.ok() } else { None };
    Ok(SummaryItem {
        id: post.id.to_string(),
        author: author_of(post, entry.as_ref()),
        subject: short(&post.subject),
        reasons: post.reasons.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>().join(", "),
        since: moment(post.since),
        expires: moment(post.expires),
        asks: post.asks.is_some(),
    })
}
