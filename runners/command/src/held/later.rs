//! Not now, and not after all: held posts that are to wait longer, and decisions that are taken back.

use listmill_core::{Address, Decision, HeldId, Timestamp, Unavailable, Verdict};

use super::decide::{before, together};
use super::others::Deed;
use super::post::{Found, find, moment};
use crate::session::{Said, Session};

/// Decisions that a page has.
const PAGE: usize = 500;

/// `defer 6`: it waits as long again.
pub(crate) fn defer(s: &mut Session<'_>, ids: &[HeldId]) -> Result<Said, Unavailable> {
    let until = s.cx.now.checked_add(s.list.settings.moderation_expiry).unwrap_or(Timestamp::MAX);
    let mut all = Vec::new();
    for id in ids {
        let number = id.to_string();
        all.push(match find(s, *id)? {
            Found::Held(post) => {
                let until = until.max(post.expires);
                s.draft.postpone(post, until);
                s.done("held-deferred", &[("id", &number), ("until", &moment(until))])
            }
            Found::Decided(decision) => before(s, &decision),
            Found::Above => s.refused("held-decided-above", &[("id", &number)]),
            Found::Nothing => s.refused("held-nothing", &[("id", &number)]),
        });
    }
    Ok(together(all))
}

/// `undo 4`, or `undo` for all that the requester has decided in the last minutes and that can come back.
pub(crate) fn undo(s: &mut Session<'_>, ids: &[HeldId]) -> Result<Said, Unavailable> {
    let by = s.who.address.clone();
    let lately = if ids.is_empty() { lately(s, &by)? } else { Vec::new() };
    if ids.is_empty() && lately.is_empty() {
        return Ok(s.refused("undo-nothing", &[]));
    }
    let mut all = Vec::new();
    for id in ids.iter().chain(&lately) {
        let came = undo_one(s, *id, Some(&by))?;
        all.push(said(s, *id, came));
    }
    Ok(together(all))
}

/// What came of taking a decision back.
pub(super) enum Undone {
    /// The post is held again; what had been decided.
    Held(Verdict),
    /// It waits: there is nothing to take back.
    Waits,
    /// Nobody remembers a decision about it.
    Nothing,
    /// It cannot come back: this was decided.
    Not(Box<Decision>),
}

/// Takes one decision back: one of `by`, or anybody's for an operator.
pub(super) fn undo_one(s: &mut Session<'_>, id: HeldId, by: Option<&Address>) -> Result<Undone, Unavailable> {
    let decision = match find(s, id)? {
        Found::Held(_) => return Ok(Undone::Waits),
        // What a line above decided is not in the store yet.
        Found::Above | Found::Nothing => return Ok(Undone::Nothing),
        Found::Decided(decision) => decision,
    };
    let in_time = s.cx.now.duration_since(decision.at) <= Decision::UNDO;
    let can = match by {
        Some(by) => decision.can_be_undone(by, s.cx.now),
        None => decision.verdict.can_be_undone() && in_time,
    };
    if !can {
        return Ok(Undone::Not(Box::new(decision)));
    }
    let (post, verdict) = (decision.post, decision.verdict);
    s.deeds.push(Deed::of("undo", &post, by.map_or("operator", Address::as_str)));
    s.draft.rehold(post);
    Ok(Undone::Held(verdict))
}

fn said(s: &Session<'_>, id: HeldId, came: Undone) -> Said {
    let number = id.to_string();
    let values = [("id", number.as_str())];
    let decision = match came {
        Undone::Held(Verdict::Reject) => return s.done("undone-rejection", &values),
        Undone::Held(_) => return s.done("undone", &values),
        Undone::Waits => return s.refused("undo-waits", &values),
        Undone::Nothing => return s.refused("held-nothing", &values),
        Undone::Not(decision) => decision,
    };
    let mine = decision.by.parse().is_ok_and(|by: Address| by == s.who.address);
    match decision.verdict {
        Verdict::Accept if decision.post.asks.is_none() => s.refused("undo-gone-out", &values),
        Verdict::Reject | Verdict::Discard if mine => s.refused("undo-too-late", &values),
        _ => before(s, &decision),
    }
}

/// What `by` has decided in the last minutes and can take back.
fn lately(s: &Session<'_>, by: &Address) -> Result<Vec<HeldId>, Unavailable> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = s.draft.view.decisions(&s.list.address, after, PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|decision| decision.post.id);
        found.extend(page.iter().filter(|one| one.can_be_undone(by, s.cx.now)).map(|one| one.post.id));
        if last {
            return Ok(found);
        }
    }
}
