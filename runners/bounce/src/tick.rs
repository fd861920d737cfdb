//! The clock rings every few minutes: steps that are due are taken, of whatever list, some at a time.

use std::collections::BTreeMap;

use listmill_core::{BounceRecord, Context, Disposition, List, ListAddress, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

use crate::config::BounceConfig;
use crate::session::{STAGE, Session};
use crate::steps;

/// Steps in one commit.
const AT_ONCE: usize = 50;

/// So many records are looked at for those whose lists can be read.
const LOOKED_AT: usize = 1000;

/// Takes the steps that are due.
pub(crate) fn tick(
    config: &BounceConfig,
    entry: &Entry,
    view: &dyn StoreView,
    cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    let (records, lists, remarks) = due(view, cx)?;
    let Some((_, first)) = lists.first_key_value() else {
        let reason = if remarks.is_empty() { "nothing is due".to_owned() } else { remarks.join("; ") };
        return Ok(vec![Disposition::Discard { reason }]);
    };
    let mut s = Session::new(config, entry, first, view, cx);
    remarks.into_iter().for_each(|remark| s.log(remark));
    let is_all = records.len() < AT_ONCE;
    for record in records {
        if let Some(list) = lists.get(&record.list) {
            if s.list.address != list.address {
                s.turn_to(list)?;
            }
            steps::step(&mut s, record)?;
        }
    }
    if !is_all {
        s.forward(|ordinal| again(entry, ordinal), "tick for what is due besides".to_owned());
    }
    s.finish()
}

type Due = (Vec<BounceRecord>, BTreeMap<ListAddress, List>, Vec<String>);

/// What is due, by list, with the lists. The records of a list that cannot be read now wait, and hold up no other.
fn due(view: &dyn StoreView, cx: Context) -> Result<Due, Unavailable> {
    let (mut lists, mut remarks): (BTreeMap<ListAddress, Option<List>>, Vec<String>) = Default::default();
    let mut records = view.bounces_due(cx.now, AT_ONCE)?;
    let unreadable = |record: &BounceRecord| view.list(&record.list).is_err();
    if records.iter().any(unreadable) {
        records = view.bounces_due(cx.now, LOOKED_AT)?;
    }
    records.retain(|record| {
        let list = lists.entry(record.list.clone()).or_insert_with(|| match view.list(&record.list) {
            Ok(list) => list,
            Err(error) => {
                remarks.push(format!("the failures of {} wait: {error}", record.list));
                None
            }
        });
        list.is_some()
    });
    records.truncate(AT_ONCE);
    records.sort_by(|one, other| one.list.cmp(&other.list));
    let lists = lists.into_iter().filter_map(|(address, list)| list.map(|list| (address, list))).collect();
    Ok((records, lists, remarks))
}

/// The same once more.
pub(crate) fn again(entry: &Entry, ordinal: u32) -> Entry {
    let mut next = entry.derive(STAGE, ordinal, Queue::Bounce);
    next.priority = entry.priority;
    next
}
