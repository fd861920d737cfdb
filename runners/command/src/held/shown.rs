//! What a summary showed, found again when it is answered.
//!
//! The token covers the number and the digest of each post in the summary, and the store does not keep summaries. What waited then is what
//! still does and what was decided since, less what was away then because a decision about it was taken back later. The token says when the
//! summary was made to the second; what waited can have changed within it, at moments that are on record, and each of them is tried.
//!
//! Whoever sends a made-up token is to cost us little: records alone are read, and no more of them than there can be.

use jiff::SignedDuration;
use listmill_core::{Away, HeldId, HeldPost, Timestamp, Unavailable};
use listmill_mail::token::{SummaryClaim, is_summary_token};

use super::summary::SHOWN;
use crate::session::Session;

/// Held posts that a page has; what is among the first numbers that a summary names waits mostly since.
const PAGE: usize = 2 * SHOWN;

/// More posts than this never come into question: those that were shown, and some that changed in the second of the summary.
const MOST: usize = 2 * SHOWN;

/// Decisions that a page has, and the most pages that are read.
const DECISIONS: usize = 500;
const PAGES: usize = 20;

/// A post that may have been shown.
struct Item {
    id: HeldId,
    sha256: String,
    gone: Option<Timestamp>,
    away: Option<Away>,
}

impl Item {
    fn of(post: HeldPost, gone: Option<Timestamp>) -> Self {
        Item { id: post.id, sha256: post.sha256, gone, away: post.away }
    }

    fn waited(&self, at: Timestamp) -> bool {
        self.gone.is_none_or(|gone| at < gone) && self.away.is_none_or(|away| at < away.from || away.until <= at)
    }

    /// When it came or went within this second.
    fn moments(&self, second: i64) -> impl Iterator<Item = Timestamp> {
        let away = self.away.map(|away| [away.from, away.until]);
        self.gone.into_iter().chain(away.into_iter().flatten()).filter(move |at| at.as_second() == second)
    }

    fn may_have_been_shown(&self, issued: Timestamp) -> bool {
        // A token covers no post of which nobody knows the bytes.
        !self.sha256.is_empty() && (self.waited(before(issued)) || self.moments(issued.as_second()).next().is_some())
    }
}

/// The numbers that the summary showed, when the token is good for the requester. The bytes of each post are still to be looked at.
pub(super) fn shown(s: &Session<'_>, token: &str, claim: SummaryClaim) -> Result<Option<Vec<HeldId>>, Unavailable> {
    let Some(items) = items(s, claim)? else { return Ok(None) };
    let (keys, list, reader) = (s.keys()?, &s.list.address, &s.who.address);
    Ok(moments(&items, claim.issued).into_iter().find_map(|moment| {
        let then: Vec<_> =
            items.iter().filter(|item| item.waited(moment)).map(|item| (item.id, item.sha256.as_str())).collect();
        let good = then.len() <= SHOWN && is_summary_token(&keys, list, reader, claim, &then, token);
        good.then(|| then.into_iter().map(|(id, _)| id).collect())
    }))
}

/// Right before the second: whatever is on record for it has not happened yet.
fn before(issued: Timestamp) -> Timestamp {
    issued.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(issued)
}

/// When what waited can have been read: before anything changed in the second, or after any change in it.
fn moments(items: &[Item], issued: Timestamp) -> Vec<Timestamp> {
    let mut moments: Vec<_> = items.iter().flat_map(|item| item.moments(issued.as_second())).collect();
    moments.push(before(issued));
    moments.sort();
    moments.dedup();
    moments
}

/// What may have been shown: within these numbers, all that waited then. None: there is too much of it.
fn items(s: &Session<'_>, claim: SummaryClaim) -> Result<Option<Vec<Item>>, Unavailable> {
    let mut items = Vec::new();
    let mut after = claim.first.checked_sub(1);
    loop {
        let page = s.draft.view.held(&s.list.address, after, PAGE)?;
        after = page.last().map(|post| post.id).filter(|last| page.len() == PAGE && *last < claim.last);
        let here = page.into_iter().take_while(|post| post.id <= claim.last).map(|post| Item::of(post, None));
        items.extend(here.filter(|item| item.may_have_been_shown(claim.issued)));
        if items.len() > MOST {
            return Ok(None);
        }
        if after.is_none() {
            break;
        }
    }
    Ok(with_decided(s, claim, &mut items)?.then_some(items))
}

/// Adds what was decided since; false when there is too much of it.
fn with_decided(s: &Session<'_>, claim: SummaryClaim, items: &mut Vec<Item>) -> Result<bool, Unavailable> {
    let mut after = claim.first.checked_sub(1);
    for _ in 0..PAGES {
        let page = s.draft.view.decisions(&s.list.address, after, DECISIONS)?;
        after = page.last().map(|one| one.post.id).filter(|last| page.len() == DECISIONS && *last < claim.last);
        let here = page.into_iter().take_while(|one| one.post.id <= claim.last);
        let here = here.map(|one| Item::of(one.post, Some(one.at)));
        items.extend(here.filter(|item| item.may_have_been_shown(claim.issued)));
        if items.len() > MOST {
            return Ok(false);
        }
        if after.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T08:{text}Z").parse().unwrap()
    }

    fn item(gone: Option<&str>, away: Option<(&str, &str)>) -> Item {
        let away = away.map(|(from, until)| Away { from: at(from), until: at(until) });
        Item { id: 1, sha256: "ab".to_owned(), gone: gone.map(at), away }
    }

    #[test]
    fn what_waited_is_known_to_the_moment() {
        let issued = at("30:00");
        for (item, may, waited) in [
            (item(None, None), true, vec![true]),
            (item(Some("29:59.9"), None), false, vec![false]),
            (item(Some("30:00.5"), None), true, vec![true, false]),
            (item(Some("30:00"), None), true, vec![true, false]),
            (item(Some("30:01"), None), true, vec![true]),
            (item(None, Some(("29:00", "31:00"))), false, vec![false]),
            (item(None, Some(("29:00", "30:00.2"))), true, vec![false, true]),
            (item(None, Some(("30:00.1", "30:00.2"))), true, vec![true, false, true]),
            (item(None, Some(("30:00.5", "31:00"))), true, vec![true, false]),
            (item(Some("30:00.4"), Some(("29:00", "30:00.2"))), true, vec![false, true, false]),
        ] {
            assert_eq!(item.may_have_been_shown(issued), may);
            let moments = moments(std::slice::from_ref(&item), issued);
            assert_eq!(moments.into_iter().map(|at| item.waited(at)).collect::<Vec<_>>(), waited);
        }
        assert!(!Item { sha256: String::new(), ..item(None, None) }.may_have_been_shown(issued));
    }
}
