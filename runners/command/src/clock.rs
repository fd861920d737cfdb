//! What happens because time has passed: held posts lapse, summaries leave, what nobody needs is tidied away.
//!
//! A tick takes the posts that have waited too long, of whatever list, some at a time. A day walks over the lists, a page at a time, and makes
//! an entry for each list on which something waits. So what cannot be dealt with holds up nothing else, and no commit is large.

use std::collections::BTreeMap;

use listmill_core::{
    Context, Disposition, HeldPost, List, ListAddress, StoreChange, StoreView, Timestamp, Unavailable, Verdict,
};
use listmill_queue_format::{Cursor, Entry, Queue};

use crate::config::CommandConfig;
use crate::held::{Came, Decree, decide_one, summaries};
use crate::session::{STAGE, Session};
use crate::who::Requester;

/// Lists on a page.
const LISTS: usize = 50;

/// Held posts that lapse in one commit.
const LAPSING: usize = 100;

/// So many posts whose lists cannot be read are passed over, for those behind them.
const PASSED_OVER: usize = 10_000;

/// The clock rings: `tick` every few minutes, `day` once a day. `list` is the one to look at; none: all of them.
pub(crate) fn ring(
    config: &CommandConfig,
    entry: &Entry,
    (what, list): (&str, Option<&List>),
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    match (what, list) {
        ("tick", None) => tick(config, entry, view, cx),
        ("day", None) => day(entry, view),
        ("day", Some(list)) => summary(config, entry, list, view, cx),
        _ => Ok(vec![Disposition::Shunt { reason: format!("the clock says {what:?}, which nobody understands") }]),
    }
}

/// Posts lapse, and their authors are told.
fn tick(
    config: &CommandConfig,
    entry: &Entry,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    let Due { posts, lists, mut remarks } = due(view, cx.now)?;
    let (mut decided, mut lapsed) = (Vec::new(), 0);
    if let Some((_, first)) = lists.first_key_value() {
        // One session for all lists: what it has written to somebody about one list counts for the next.
        let mut s = Session::new(config, entry, None, first, Requester::nobody(first), view, cx)?;
        for post in &posts {
            if let Some(list) = lists.get(&post.list) {
                (s.list, s.who) = (list, Requester::nobody(list));
                lapsed += usize::from(lapse(&mut s, post, &mut remarks));
            }
        }
        if posts.len() == LAPSING && lapsed > 0 {
            s.forward(|ordinal| again(entry, ordinal), "tick for those that have lapsed besides".to_owned());
        } else {
            s.draft.change(StoreChange::Tidy);
        }
        decided = s.finish()?;
    } else {
        decided.push(Disposition::Change(StoreChange::Tidy));
    }
    if !remarks.is_empty() {
        decided.push(Disposition::Discard { reason: remarks.join("; ") });
    }
    Ok(decided)
}

/// One post lapses; false when it cannot be decided about now, and waits until the clock rings again.
fn lapse(s: &mut Session<'_>, post: &HeldPost, remarks: &mut Vec<String>) -> bool {
    let (id, list) = (post.id, &post.list);
    match decide_one(s, id, Decree { verdict: Verdict::Lapse, by: "", reason: "" }) {
        Ok(Came::Done { untold, .. }) => {
            remarks.extend(untold.map(|why| format!("post {id} of {list} has lapsed, its author untold: {why}")));
            true
        }
        Ok(_) => false,
        Err(error) => {
            remarks.push(format!("post {id} of {list} waits: {error}"));
            false
        }
    }
}

/// The same once more.
fn again(entry: &Entry, ordinal: u32) -> Entry {
    let mut next = entry.derive(STAGE, ordinal, Queue::Command);
    next.priority = entry.priority;
    next
}

/// What has waited too long.
struct Due {
    /// At most so many as lapse in one commit.
    posts: Vec<HeldPost>,
    /// Their lists.
    lists: BTreeMap<ListAddress, List>,
    /// What was passed over, and why.
    remarks: Vec<String>,
}

/// Posts that have waited too long. Those of lists that cannot be read now are passed over: the settings of one list may not hold together,
/// and the others go on.
fn due(view: &dyn StoreView, now: Timestamp) -> Result<Due, Unavailable> {
    let mut passed_over = 0;
    let mut read: BTreeMap<ListAddress, Result<Option<List>, Unavailable>> = BTreeMap::new();
    loop {
        let most = LAPSING + passed_over;
        let mut posts = view.lapsed(now, most)?;
        let found = posts.len();
        posts.retain(|post| {
            matches!(read.entry(post.list.clone()).or_insert_with(|| view.list(&post.list)), Ok(Some(_)))
        });
        if found < most || posts.len() >= LAPSING || passed_over >= PASSED_OVER {
            posts.truncate(LAPSING);
            let mut due = Due { posts, lists: BTreeMap::new(), remarks: Vec::new() };
            for (address, list) in read {
                match list {
                    Ok(list) => due.lists.extend(list.map(|list| (address, list))),
                    Err(error) => due.remarks.push(format!("the posts of {address} wait: {error}")),
                }
            }
            return Ok(due);
        }
        passed_over = 2 * (found - posts.len());
    }
}

/// One page of the lists, and the entry for the next one.
fn day(entry: &Entry, view: &dyn StoreView) -> Result<Vec<Disposition>, Unavailable> {
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
        // What cannot be read now waits for the next day.
        let waits = view.held(&list.address, None, 1).is_ok_and(|held| !held.is_empty());
        if waits {
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
        decided.push(Disposition::Forward {
            entry: next,
            reason: format!("the day for the lists after {}", last.address),
        });
    }
    // Each page changes something, so that an entry that comes once more is known; and this is what there is to change.
    decided.push(Disposition::Change(StoreChange::Tidy));
    Ok(decided)
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
    // Without a change, the entry would not be known when it comes once more.
    s.draft.change(StoreChange::Tidy);
    s.push(Disposition::Discard { reason: format!("{told} summaries of {}", list.address) });
    s.finish()
}
