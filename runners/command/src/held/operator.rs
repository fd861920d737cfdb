//! What an operator does with held posts at the command line: the same decisions, by "operator".

use listmill_core::{Context, Decision, Disposition, HeldId, List, StoreView, Unavailable, Verdict};
use listmill_queue_format::Entry;

use super::decide::{Came, Decree, MOST, OCTETS, decide_one};
use super::later::{Undone, undo_one};
use super::summary::summaries;
use crate::Command;
use crate::session::Session;
use crate::who::Requester;

/// Who decides.
const BY: &str = "operator";

/// What an operator wants.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// To decide about these.
    Decide {
        /// What: accept, reject or discard.
        verdict: Verdict,
        /// About which.
        ids: &'a [HeldId],
        /// What the authors of rejected ones are told; empty: a sentence that says nothing.
        reason: &'a str,
    },
    /// To take decisions back, whoever made them.
    Undo(&'a [HeldId]),
    /// To send everybody who decides the summary now.
    Summary,
}

/// What follows from an order.
#[derive(Debug, Default)]
pub struct Operated {
    /// What is to be carried out; to be left alone when something was refused.
    pub dispositions: Vec<Disposition>,
    /// What an operator should know: authors who are not told, and why.
    pub remarks: Vec<String>,
    /// What cannot be done, and why.
    pub refused: Vec<String>,
    /// How many summaries leave.
    pub summaries: usize,
}

impl Command {
    /// What an operator's order comes to. `entry` has the identity of the commit, and no message: letters derive from it.
    ///
    /// # Errors
    /// [`Unavailable`] when the view cannot be read now.
    pub fn operate(
        &self,
        entry: &Entry,
        list: &List,
        order: Order<'_>,
        view: &dyn StoreView,
        cx: Context,
    ) -> Result<Operated, Unavailable> {
        let mut s = Session::new(&self.config, entry, None, list, Requester::nobody(list), view, cx)?;
        let mut operated = Operated::default();
        match order {
            Order::Decide { verdict, ids, reason } => {
                for id in ids {
                    match decide_one(&mut s, *id, Decree { verdict, by: BY, reason })? {
                        Came::Done { untold: Some(why), .. } => {
                            operated.remarks.push(format!("the author of post {id} is not told: {why}"));
                        }
                        Came::Done { granted: Some(said), .. } => operated.remarks.push(format!("{id}: {}", said.text)),
                        Came::Done { .. } => {}
                        other => operated.refused.push(why_not(list, *id, other)),
                    }
                }
            }
            Order::Undo(ids) => {
                for id in ids {
                    match undo_one(&mut s, *id, None)? {
                        Undone::Held(_) => {}
                        Undone::Waits => {
                            operated.refused.push(format!("post {id} of {list} waits", list = list.address))
                        }
                        Undone::Nothing => operated.refused.push(not_held(list, *id)),
                        Undone::Not(decision) => operated.refused.push(format!("{}: {CANNOT}", told(list, &decision))),
                    }
                }
            }
            Order::Summary => operated.summaries = summaries(&mut s)?,
        }
        operated.dispositions = s.finish()?;
        Ok(operated)
    }
}

const CANNOT: &str = "only a rejection or a discard of the last 15 minutes can be taken back";

fn why_not(list: &List, id: HeldId, came: Came) -> String {
    match came {
        Came::Before(decision) => told(list, &decision),
        Came::Unreadable(why) => format!("held post {id} is corrupt: {why}"),
        Came::NotGranted(said) => format!("{id}: {}", said.text),
        Came::TooMuch => {
            let mib = OCTETS / (1024 * 1024);
            format!("post {id} is too much for one command: {MOST} posts, and {mib} MiB of those that go to the list")
        }
        Came::Done { .. } | Came::Above | Came::Again | Came::Nothing => not_held(list, id),
    }
}

fn not_held(list: &List, id: HeldId) -> String {
    format!("{list} holds no post {id}: see `listmill held ls {list}`", list = list.address)
}

/// Who decided, what, and when.
fn told(list: &List, Decision { post, verdict, by, at }: &Decision) -> String {
    let by = if by.is_empty() { "the clock" } else { by };
    format!("{} holds no post {} any more: {verdict} by {by}, {at}", list.address, post.id)
}
