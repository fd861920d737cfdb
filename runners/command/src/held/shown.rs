//! What a summary showed, found again when it is answered.
//!
//! The token covers the number and the digest of each post in the summary, and the store does not keep summaries. What was held then is what
//! still is, and what was decided since. Two things blur it: a decision in the very second of the summary may have come before it or after it,
//! and a post that came back by `undo` was held when it arrived and perhaps not then. So what fits the token is looked for among the few sets
//! that can be.

use listmill_core::{HeldId, Timestamp, Unavailable};
use listmill_mail::token::{SummaryClaim, is_summary_token};
use listmill_queue_format::{Digest, decode};

use super::summary::SHOWN;
use crate::session::Session;

/// Posts that a page has.
const PAGE: usize = 500;

/// The number of a post, and the digest that was recorded when it was held.
type Item = (HeldId, String);

/// The numbers that the summary showed, when the token is good for the requester and every post of it that is held still has the bytes
/// that it was held with.
pub(super) fn shown(s: &Session<'_>, token: &str, claim: SummaryClaim) -> Result<Option<Vec<HeldId>>, Unavailable> {
    let (mut certain, doubtful) = (held_then(s, claim)?, decided_since(s, claim)?);
    let issued = claim.issued.as_second();
    let later = doubtful.partition_point(|(at, _)| at.as_second() == issued);
    certain.extend(doubtful[later..].iter().map(|(_, item)| item.clone()));
    let keys = s.keys()?;
    let good = |items: &[Item]| {
        let items: Vec<_> = items.iter().map(|(id, sha256)| (*id, sha256.as_str())).collect();
        is_summary_token(&keys, &s.list.address, &s.who.address, claim, &items, token)
    };
    for cut in 0..=later {
        let mut items = certain.clone();
        items.extend(doubtful[cut..later].iter().map(|(_, item)| item.clone()));
        if let Some(items) = fitting(items, good) {
            return Ok(are_unchanged(s, &items)?.then(|| items.into_iter().map(|(id, _)| id).collect()));
        }
    }
    Ok(None)
}

/// The items that fit: all of them, or all but one.
fn fitting(items: Vec<Item>, good: impl Fn(&[Item]) -> bool) -> Option<Vec<Item>> {
    // A summary never shows more; whoever claims so has made the token up, and is not to cost us time.
    if items.len() > SHOWN + 1 {
        return None;
    }
    if good(&items) {
        return Some(items);
    }
    let without = |at: usize| {
        let mut fewer = items.clone();
        fewer.remove(at);
        fewer
    };
    (0..items.len()).map(without).find(|fewer| good(fewer))
}

/// What waits, within the numbers of the summary, and has since then.
fn held_then(s: &Session<'_>, claim: SummaryClaim) -> Result<Vec<Item>, Unavailable> {
    let mut found = Vec::new();
    let mut after = claim.first.checked_sub(1);
    loop {
        let page = s.draft.view.held(&s.list.address, after, PAGE)?;
        let here = page.iter().take_while(|post| post.id <= claim.last);
        let then = here.filter(|post| post.since.as_second() <= claim.issued.as_second());
        found.extend(then.map(|post| (post.id, post.sha256.clone())));
        match page.last() {
            Some(last) if page.len() == PAGE && last.id < claim.last && found.len() <= SHOWN + 1 => {
                after = Some(last.id)
            }
            _ => return Ok(found),
        }
    }
}

/// What was decided since the second of the summary, in the order of the decisions.
fn decided_since(s: &Session<'_>, claim: SummaryClaim) -> Result<Vec<(Timestamp, Item)>, Unavailable> {
    let issued = claim.issued.as_second();
    let mut found = Vec::new();
    let mut after = claim.first.checked_sub(1);
    loop {
        let page = s.draft.view.decisions(&s.list.address, after, PAGE)?;
        let here = page.iter().take_while(|one| one.post.id <= claim.last);
        let since = here.filter(|one| one.at.as_second() >= issued && one.post.since.as_second() <= issued);
        found.extend(since.map(|one| (one.at, (one.post.id, one.post.sha256.clone()))));
        match page.last() {
            Some(last) if page.len() == PAGE && last.post.id < claim.last => after = Some(last.post.id),
            _ => break,
        }
    }
    found.sort();
    Ok(found)
}

/// What is held has the bytes whose digest was recorded: a decision is about what was shown.
fn are_unchanged(s: &Session<'_>, items: &[Item]) -> Result<bool, Unavailable> {
    for (id, sha256) in items {
        if let Some((_, file)) = s.draft.view.held_entry(&s.list.address, *id)? {
            let Ok(entry) = decode(&file.0) else { return Ok(false) };
            if Digest::of(&entry.message).to_string() != *sha256 {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(ids: impl IntoIterator<Item = HeldId>) -> Vec<Item> {
        ids.into_iter().map(|id| (id, String::new())).collect()
    }

    #[test]
    fn one_that_came_back_is_left_out() {
        let shown = items([1, 2, 5]);
        let good = |items: &[Item]| items == shown;
        assert_eq!(fitting(items([1, 2, 5]), good), Some(shown.clone()));
        assert_eq!(fitting(items([1, 2, 4, 5]), good), Some(shown.clone()));
        assert_eq!(fitting(items([1, 2, 3, 4, 5]), good), None);
        assert_eq!(fitting(items([1, 2]), good), None);
    }

    #[test]
    fn what_no_summary_can_have_shown_is_not_tried() {
        assert_eq!(fitting(items(0..=SHOWN as HeldId + 1), |_| panic!("it is tried")), None);
    }
}
