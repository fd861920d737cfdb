//! The one function that decides about what is held.

use listmill_core::settings::Notices;
use listmill_core::{Decision, HeldId, HeldPost, Unavailable, Verdict};
use listmill_queue_format::{Approval, Entry, Queue};
use listmill_templates::Status;

use super::others::Deed;
use super::post::{Found, entry_of, find, moment};
use super::tell::{self, Untold};
use crate::ask::Ask;
use crate::session::{Said, Session};
use crate::{grammar, members};

/// The name under which accepted posts derive from the held entry: a post is accepted once, so there is one.
const ACCEPTED: &str = "held";

/// So many posts are decided at most by one mail, or by one command of an operator, and those that go to the list have at most so many octets:
/// all of it is one commit, and in memory at once.
pub(super) const MOST: usize = 500;
pub(super) const OCTETS: u64 = 64 * 1024 * 1024;

/// What is to become of a held post, on whose word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decree<'a> {
    /// What is decided.
    pub(crate) verdict: Verdict,
    /// Who decides: an address, or "operator"; empty where it is the clock.
    pub(crate) by: &'a str,
    /// What the author of a rejected post is told; empty: a sentence that says nothing.
    pub(crate) reason: &'a str,
}

/// What came of it.
pub(crate) enum Came {
    /// It is decided.
    Done {
        /// The author should be told, and is not.
        untold: Option<Untold>,
        /// What came of the wish that was granted.
        granted: Option<Said>,
    },
    /// It is not: it was decided before.
    Before(Box<Decision>),
    /// It is not: a line above has decided it.
    Above,
    /// It is not: a line above has brought it back, and it waits again when the message is done.
    Again,
    /// It is not: too much was decided already by this message.
    TooMuch,
    /// It is not: the wish cannot be granted; why. It goes on waiting.
    NotGranted(Said),
    /// It is not: nothing is held under this number.
    Nothing,
    /// It is not: the held entry cannot be read, or its bytes are not those that were held; why.
    Unreadable(String),
}

/// Decides about one held post.
pub(crate) fn decide_one(s: &mut Session<'_>, id: HeldId, decree: Decree<'_>) -> Result<Came, Unavailable> {
    let post = match find(s, id)? {
        Found::Held(post) => post,
        Found::Decided(decision) => return Ok(Came::Before(Box::new(decision))),
        Found::Above => return Ok(Came::Above),
        Found::Nothing => return Ok(Came::Nothing),
    };
    if s.draft.is_brought_back(&s.list.address, id) {
        return Ok(Came::Again);
    }
    let Decree { verdict, by, reason } = decree;
    if is_too_much(s, &post, verdict) {
        return Ok(Came::TooMuch);
    }
    let (mut untold, mut granted) = (None, None);
    match (verdict, &post.asks) {
        // Whoever decides, and by whatever way: what goes to the list are the bytes that were held, and shown.
        (Verdict::Accept, None) => match entry_of(s, &post)? {
            Ok(entry) => accept(s, id, &entry, by),
            Err(why) => return not_readable(s, id, why),
        },
        (Verdict::Accept, Some(asks)) => match grant(s, &post, asks)? {
            Ok(said) => granted = Some(said),
            Err(why_not) => return Ok(why_not),
        },
        (Verdict::Reject | Verdict::Lapse, _) => {
            let entry = entry_of(s, &post)?;
            untold = tell::author(s, &post, &entry, verdict, reason)?;
        }
        (Verdict::Discard | Verdict::Cancel, _) => {}
    }
    s.draft.unhold(&s.list.address, id, verdict, by);
    // Nobody decided that a post lapses; and of one that its author takes back they hear who have heard of the post.
    let heard = verdict != Verdict::Cancel || s.list.settings.moderator_notices == Notices::Each;
    if !by.is_empty() && heard {
        let reason = if verdict == Verdict::Reject { reason } else { "" };
        s.deeds.push(Deed::of(verdict.name(), &post, by).because(reason));
    }
    Ok(Came::Done { untold, granted })
}

/// What was found a moment ago may have been decided by somebody else meanwhile, and then its bytes are gone.
fn not_readable(s: &Session<'_>, id: HeldId, why: String) -> Result<Came, Unavailable> {
    Ok(match find(s, id)? {
        Found::Decided(decision) => Came::Before(Box::new(decision)),
        _ => Came::Unreadable(why),
    })
}

fn is_too_much(s: &Session<'_>, post: &HeldPost, verdict: Verdict) -> bool {
    let octets: u64 = s.deeds.iter().map(|deed| deed.octets).sum();
    let goes_on = verdict == Verdict::Accept && post.asks.is_none();
    s.deeds.len() >= MOST || (goes_on && octets > 0 && octets + post.size > OCTETS)
}

/// The post goes on to the list.
fn accept(s: &mut Session<'_>, id: HeldId, entry: &Entry, by: &str) {
    let at = s.cx.now;
    let accepted = |_| {
        let mut accepted = entry.derive(ACCEPTED, 0, Queue::Pending);
        accepted.facts.approved = Some(Approval { by: by.to_owned(), at, other: Default::default() });
        accepted
    };
    s.forward(accepted, format!("held post {id} accepted by {by}"));
}

/// The wish is fulfilled; or why it cannot be, and goes on waiting: who was banned meanwhile may be unbanned, and a discard ends it.
fn grant(s: &mut Session<'_>, post: &HeldPost, asks: &str) -> Result<Result<Said, Came>, Unavailable> {
    let unreadable = |why: &str| Ok(Err(Came::Unreadable(why.to_owned())));
    let Ok(address) = post.author.parse() else { return unreadable("nobody can be named who wishes it") };
    let said = match grammar::command(asks) {
        Ok(Ask::Join(joining)) => members::join_approved(s, &address, &joining)?,
        Ok(Ask::Leave { .. }) => members::leave_approved(s, &address)?,
        // A wish that an older version wrote.
        _ => return unreadable("nobody knows what it wishes"),
    };
    Ok(if said.status == Status::Ok { Ok(said) } else { Err(Came::NotGranted(said)) })
}

/// The command: `approve 1 3-5`, `reject 2: off topic`, `discard 4`.
pub(crate) fn decide(s: &mut Session<'_>, verdict: Verdict, ids: &[HeldId], reason: &str) -> Result<Said, Unavailable> {
    let by = s.who.address.to_string();
    let mut all = Vec::new();
    for id in ids {
        let came = decide_one(s, *id, Decree { verdict, by: &by, reason })?;
        all.push(said(s, *id, verdict, came));
    }
    Ok(together(all))
}

/// One answer for several posts: a line for each, and refused if one of them is.
pub(super) fn together(all: Vec<Said>) -> Said {
    let refused = all.iter().find(|said| said.status != Status::Ok).map(|said| said.status);
    let lines: Vec<_> = all.into_iter().map(|said| said.text).collect();
    Said { status: refused.unwrap_or(Status::Ok), text: lines.join("\n"), told: false }
}

/// What is said about one post.
pub(super) fn said(s: &Session<'_>, id: HeldId, verdict: Verdict, came: Came) -> Said {
    let number = id.to_string();
    let values = [("id", number.as_str())];
    match (came, verdict) {
        (Came::Done { granted: Some(granted), .. }, _) => {
            Said { text: format!("{id}: {}", granted.text), told: false, ..granted }
        }
        (Came::Done { untold: Some(why), .. }, _) => {
            s.done("held-rejected-untold", &[("id", &number), ("why", &why.phrase(s))])
        }
        (Came::Done { .. }, Verdict::Accept) => s.done("held-accepted", &values),
        (Came::Done { .. }, Verdict::Reject) => s.done("held-rejected", &values),
        (Came::Done { .. }, Verdict::Cancel) => s.done("held-cancelled", &values),
        (Came::Done { .. }, Verdict::Discard | Verdict::Lapse) => s.done("held-discarded", &values),
        (Came::Before(decision), _) => before(s, &decision),
        (Came::Above, _) => s.refused("held-decided-above", &values),
        (Came::Again, _) => s.refused("held-again-above", &values),
        (Came::TooMuch, _) => s.refused("held-too-much", &values),
        (Came::NotGranted(said), _) => Said { text: format!("{id}: {}", said.text), told: false, ..said },
        (Came::Nothing, _) => s.refused("held-nothing", &values),
        (Came::Unreadable(_), _) => s.refused("held-unreadable", &values),
    }
}

/// Whoever comes too late is told who decided, what, and when.
pub(super) fn before(s: &Session<'_>, decision: &Decision) -> Said {
    let (id, at) = (decision.post.id.to_string(), moment(decision.at));
    let what = s.phrase(&format!("verdict-{}", decision.verdict), &[]);
    if decision.by.is_empty() {
        return s.refused("held-lapsed-already", &[("id", &id), ("at", &at)]);
    }
    s.refused("held-decided-already", &[("id", &id), ("what", &what), ("by", &decision.by), ("at", &at)])
}
