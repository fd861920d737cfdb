//! What happens because time has passed: held posts lapse, summaries leave, what nobody needs is tidied away.
//!
//! A stroke walks over the lists, a page at a time, and makes an entry for each list on which there is something to do. So a list that
//! cannot be dealt with holds up none of the others, and no commit is large.

use listmill_core::{Context, Disposition, HeldId, List, ListAddress, StoreChange, StoreView, Unavailable, Verdict};
use listmill_queue_format::{Cursor, Entry, Queue};

use crate::config::CommandConfig;
use crate::held::{Decree, decide_one, summaries};
use crate::session::Session;
use crate::who::Requester;

const STAGE: &str = "command";

/// Lists on a page.
const LISTS: usize = 50;

/// Held posts that are looked at together.
const PAGE: usize = 500;

/// Held posts that lapse in one commit.
const LAPSING: usize = 100;

/// The clock has struck: `tick` every few minutes, `day` once a day. `list` is the one to look at; none: all of them.
pub(crate) fn strike(
    config: &CommandConfig,
    entry: &Entry,
    (what, list): (&str, Option<&List>),
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    match (what, list) {
        ("tick" | "day", None) => round(entry, what, view, cx),
        ("tick", Some(list)) => lapse(config, entry, list, view, cx),
        ("day", Some(list)) => summary(config, entry, list, view, cx),
        _ => Ok(vec![Disposition::Shunt { reason: format!("the clock says {what:?}, which nobody understands") }]),
    }
}

/// One page of the lists, and the entry for the next one.
fn round(entry: &Entry, what: &str, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
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
        // What cannot be read now waits for the next stroke.
        let due = match what {
            "tick" => expired(&list.address, 1, view, cx).is_ok_and(|expired| !expired.is_empty()),
            _ => view.held(&list.address, None, 1).is_ok_and(|held| !held.is_empty()),
        };
        if due {
            let mut one = entry.derive(STAGE, ordinal, Queue::Command);
            one.list = Some(list.address.to_string());
            one.facts.cursor = None;
            one.priority = entry.priority;
            decided.push(Disposition::Forward { entry: one, reason: format!("{what} for {}", list.address) });
        }
    }
    if let Some(last) = lists.last().filter(|_| lists.len() == LISTS) {
        let page = entry.facts.cursor.as_ref().map_or(0, |cursor| cursor.page) + 1;
        let mut next = entry.derive(STAGE, 0, Queue::Command);
        next.facts.cursor = Some(Cursor { after: last.address.to_string(), page, other: Default::default() });
        next.priority = entry.priority;
        decided
            .push(Disposition::Forward { entry: next, reason: format!("{what} for the lists after {}", last.address) });
    }
    // Each page changes something, so that a stroke that comes once more is known; and this is what there is to change.
    decided.push(Disposition::Change(StoreChange::Tidy));
    Ok(decided)
}

/// Posts that have waited too long, at most so many.
fn expired(list: &ListAddress, most: usize, view: &dyn StoreView, cx: Context) -> Result<Vec<HeldId>, Unavailable> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = view.held(list, after, PAGE)?;
        found.extend(page.iter().filter(|post| post.expires <= cx.now).map(|post| post.id).take(most - found.len()));
        if found.len() == most || page.len() < PAGE {
            return Ok(found);
        }
        after = page.last().map(|post| post.id);
    }
}

/// The posts of one list lapse, and their authors are told.
fn lapse(
    config: &CommandConfig,
    entry: &Entry,
    list: &List,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    let ids = expired(&list.address, LAPSING, view, cx)?;
    let mut s = Session::new(config, entry, None, list, Requester::nobody(list), view, cx)?;
    for id in &ids {
        decide_one(&mut s, *id, Decree { verdict: Verdict::Lapse, by: "", reason: "" })?;
    }
    if ids.len() == LAPSING {
        let again = |ordinal| {
            let mut next = entry.derive(STAGE, ordinal, Queue::Command);
            next.priority = entry.priority;
            next
        };
        s.forward(again, format!("tick for more of {}", list.address));
    } else if ids.is_empty() {
        s.push(Disposition::Discard { reason: format!("nothing has lapsed on {}", list.address) });
    }
    s.finish()
}

/// The people who decide about one list learn what waits on it.
fn summary(
    config: &CommandConfig,
    entry: &Entry,
    list: &List,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    let mut s = Session::new(config, entry, None, list, Requester::nobody(list), view, cx)?;
    let told = summaries(&mut s)?;
    s.push(Disposition::Discard { reason: format!("{told} summaries of {}", list.address) });
    s.finish()
}
