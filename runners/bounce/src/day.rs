//! Once a day the owners learn which posts were refused the day before: not one letter for each refusal.

use jiff::SignedDuration;
use listmill_core::{
    BounceEvent, BounceTally, Cause, Context, Disposition, ListAddress, StoreChange, StoreView, Timestamp, Unavailable,
};
use listmill_queue_format::{Cursor, Entry};

use crate::session::Session;
use crate::tell::Line;
use crate::tick::again;

/// Lists on a page.
const LISTS: usize = 50;

/// Posts in a letter.
const POSTS: usize = 50;

/// One page of the lists, and the entry for the next one.
pub(crate) fn all_lists(entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
    let after: Option<ListAddress> = match &entry.facts.cursor {
        None => None,
        Some(cursor) => match cursor.after.parse() {
            Ok(after) => Some(after),
            Err(error) => return Ok(vec![Disposition::Shunt { reason: format!("the cursor: {error}") }]),
        },
    };
    let lists = view.lists(after.as_ref(), LISTS)?;
    let mut decided = Vec::new();
    for (ordinal, list) in (1..).zip(&lists) {
        // What cannot be read now is not told.
        if refused(view, &list.address, cx.now, 1).is_ok_and(|refused| !refused.is_empty()) {
            let mut one = again(entry, ordinal);
            one.list = Some(list.address.to_string());
            one.facts.cursor = None;
            decided.push(Disposition::Forward { entry: one, reason: format!("the day for {}", list.address) });
        }
    }
    if let Some(last) = lists.last().filter(|_| lists.len() == LISTS) {
        let page = entry.facts.cursor.as_ref().map_or(0, |cursor| cursor.page) + 1;
        let mut next = again(entry, 0);
        next.facts.cursor = Some(Cursor { after: last.address.to_string(), page, other: Default::default() });
        let reason = format!("the day for the lists after {}", last.address);
        decided.push(Disposition::Forward { entry: next, reason });
    }
    // Each page changes something, so that an entry that comes once more is known.
    decided.push(Disposition::Change(StoreChange::Tidy));
    Ok(decided)
}

/// Tells the owners of one list.
pub(crate) fn one_list(s: &mut Session<'_>) -> Result<(), Unavailable> {
    for tally in refused(s.view, &s.list.address, s.cx.now, POSTS + 1)? {
        let post = tally.name.rsplit('/').next().unwrap_or_default().to_owned();
        let event = BounceEvent {
            at: tally.since,
            cause: Cause::Message,
            status: String::new(),
            weight: 0,
            post,
            relay: String::new(),
            evidence: tally.note,
        };
        s.lines.push(Line::of("bounce-refused", &event).with("count", tally.count.to_string()));
    }
    s.log(format!("the day of {}", s.list.address));
    s.change(StoreChange::Tidy);
    Ok(())
}

/// The posts that hosts did not want on the day before.
fn refused(
    view: &dyn StoreView,
    list: &ListAddress,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<BounceTally>, Unavailable> {
    let yesterday = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let begin = format!("refused/{}/", yesterday.strftime("%Y%m%d"));
    let page = view.bounce_tallies(list, Some(&begin), limit)?;
    Ok(page.into_iter().take_while(|tally| tally.name.starts_with(&begin)).collect())
}
