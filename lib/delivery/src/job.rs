//! One delivery plan while it is carried out: what is still to be sent, and what came of the rest.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use listmill_core::DeliveryPlan;
use listmill_queue_format::{Entry, EntryId, Outcome};
use tokio::sync::Notify;

use crate::content::{transparent, wire_form};
use crate::ledger::Page;
use crate::work::Work;
use crate::{Ledger, Outgoing, Reply};

/// A plan that several connections work on.
#[derive(Debug)]
pub(crate) struct Job {
    entry: EntryId,
    /// As it goes over the wire.
    message: Arc<[u8]>,
    /// Dots that transparency adds to it.
    dots: usize,
    ledger: Ledger,
    state: Mutex<State>,
    /// Connections that broke since the last transaction that went well.
    breaks: AtomicUsize,
    /// The most connections that work on it.
    connections: usize,
    /// Something was put back, or nothing is ahead any more.
    changed: Notify,
    /// More lanes are worth their while.
    grown: Notify,
}

#[derive(Debug)]
struct State {
    todo: VecDeque<Arc<Work>>,
    /// Those of them that are sent ahead and have not begun.
    ahead: usize,
    /// How many lanes are worth their while.
    lanes: usize,
    page: Page,
    /// Outcomes that are written with the next write, and how many transactions have ended, how many of them are written.
    unwritten: Vec<(usize, Outcome)>,
    ended_count: u64,
    written_count: u64,
    /// Nothing more is sent.
    ended: bool,
    /// Why something is left.
    why_left: Option<Reply>,
}

impl Job {
    /// What of this plan is not done yet according to the page.
    pub(crate) fn new(entry: &Entry, plan: &DeliveryPlan, ledger: Ledger, page: Page, connections: usize) -> Job {
        let transactions = plan.transactions.iter();
        let todo: VecDeque<_> = transactions.filter_map(|one| Work::of(entry, one, &page)).map(Arc::new).collect();
        let message = match wire_form(&entry.message) {
            Cow::Borrowed(_) => Arc::clone(&entry.message),
            Cow::Owned(changed) => {
                tracing::warn!(entry = %entry.id, "the message has bare CR or LF, or no end: it leaves with CRLF");
                Arc::from(changed)
            }
        };
        let (message, dots) = match transparent(&message) {
            (Cow::Owned(changed), dots) => (Arc::from(changed), dots),
            (Cow::Borrowed(_), _) => (message, 0),
        };
        let lanes = connections.min(todo.len());
        let (ahead, unwritten, ended_count, written_count) = Default::default();
        let state = Mutex::new(State {
            todo,
            ahead,
            lanes,
            page,
            unwritten,
            ended_count,
            written_count,
            ended: false,
            why_left: None,
        });
        let (breaks, changed, grown) = Default::default();
        Job { entry: entry.id, message, dots, ledger, state, breaks, connections, changed, grown }
    }

    /// How many lanes work on it.
    pub(crate) fn lanes(&self) -> usize {
        self.state().lanes
    }

    /// Waits until more lanes than these are worth their while.
    pub(crate) async fn wants_more_than(&self, lanes: usize) {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if self.lanes() > lanes {
                return;
            }
            grown.await;
        }
    }

    /// The next host makes no return paths: each of these recipients is a transaction of their own.
    pub(crate) fn set_apart(&self, work: &Work) {
        let mut state = self.state();
        work.apart().rev().for_each(|one| state.todo.push_front(Arc::new(one)));
        state.lanes = state.lanes.max(self.connections.min(state.todo.len()));
        self.grown.notify_waiters();
    }

    /// How many transactions are left.
    pub(crate) fn left(&self) -> usize {
        self.state().todo.len()
    }

    /// The entry.
    pub(crate) fn id(&self) -> EntryId {
        self.entry
    }

    /// The next transaction, unless nothing more is to be sent.
    pub(crate) fn next(&self) -> Option<Arc<Work>> {
        let mut state = self.state();
        if state.ended { None } else { state.todo.pop_front() }
    }

    /// The next transaction, to be sent ahead on a connection that has another under way, as long as the other lanes have work enough. It is
    /// begun in the end, or put back. Not one of whose path the connection would have to make others, and does not.
    pub(crate) fn next_ahead(&self, makes_paths: bool, connections: usize) -> Option<Arc<Work>> {
        let mut state = self.state();
        let is_for_another = !makes_paths && state.todo.front().is_some_and(|next| next.is_shared());
        if state.ended || is_for_another || state.todo.len() <= state.lanes.min(connections) {
            return None;
        }
        state.ahead += 1;
        state.todo.pop_front()
    }

    /// The turn of the one that was sent ahead has come.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.ahead -= 1;
        if state.ahead == 0 {
            self.changed.notify_waiters();
        }
    }

    /// The one that was to be sent ahead goes over whatever connection is free.
    pub(crate) fn give_back(&self, work: Arc<Work>) {
        let mut state = self.state();
        state.ahead -= 1;
        state.todo.push_front(work);
        self.changed.notify_waiters();
    }

    /// Waits until there is something to do, or nothing can come any more; says which.
    pub(crate) async fn has_more(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (more, ahead) = {
                let state = self.state();
                (!state.ended && !state.todo.is_empty(), state.ahead)
            };
            if more || ahead == 0 {
                return more;
            }
            changed.await;
        }
    }

    /// The transaction has not begun.
    pub(crate) fn put_back(&self, work: Arc<Work>) {
        self.state().todo.push_front(work);
    }

    /// The transaction as it leaves.
    pub(crate) fn outgoing<'a>(&'a self, work: &'a Work) -> Outgoing<'a> {
        work.outgoing(&self.message, self.dots)
    }

    /// The replies to a transaction: into the ledger before anything else happens on its connection. What ends on other connections
    /// at the same moment goes with the same write.
    pub(crate) async fn record(&self, work: &Work, replies: Vec<Reply>) {
        let at = Timestamp::now();
        for (reply, address) in replies.iter().zip(work.recipients()) {
            self.log(address, reply);
        }
        let outcomes = work.places().iter().copied().zip(replies.into_iter().map(|reply| outcome(reply, at)));
        let (place, are_others_left) = {
            let mut state = self.state();
            state.unwritten.extend(outcomes);
            state.ended_count += 1;
            (state.ended_count, !state.todo.is_empty())
        };
        if are_others_left {
            // Whoever has a reply to read reads it now.
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        if state.written_count < place {
            self.write(&mut state);
        }
    }

    fn write(&self, state: &mut State) {
        let outcomes = std::mem::take(&mut state.unwritten);
        state.written_count = state.ended_count;
        self.ledger.record(&mut state.page, &outcomes);
    }

    fn log(&self, address: &str, reply: &Reply) {
        match reply.is_positive() {
            true => tracing::debug!(entry = %self.entry, to = address, reply = reply.in_one_line(), "delivered"),
            false => tracing::info!(entry = %self.entry, to = address, reply = reply.in_one_line(), "not delivered"),
        }
    }

    /// A transaction went well.
    pub(crate) fn went_well(&self) {
        self.breaks.store(0, Ordering::Relaxed);
    }

    /// A connection broke, for this reason; too many in a row end the delivery.
    pub(crate) fn broke(&self, why: Reply) {
        // A restarting next host breaks every connection once.
        if self.breaks.fetch_add(1, Ordering::Relaxed) + 1 >= self.lanes() + 3 {
            self.end(why);
        }
    }

    /// A connection could not be had; what the others leave has this reason.
    pub(crate) fn no_connection(&self, why: Reply) {
        self.state().why_left.get_or_insert(why);
    }

    /// Nothing more is sent, for this reason.
    fn end(&self, why: Reply) {
        let mut state = self.state();
        state.ended = true;
        state.why_left = Some(why);
    }

    /// The outcomes: the page's, and for what was not sent the reason why.
    pub(crate) fn outcomes(&self, plan: &DeliveryPlan) -> Vec<(usize, Outcome)> {
        let mut state = self.state();
        if !state.unwritten.is_empty() {
            self.write(&mut state);
        }
        let at = Timestamp::now();
        let reason = state.why_left.clone().unwrap_or_else(|| Reply::none("4.3.0", "not attempted"));
        let of = |place: usize| state.page.done().get(&place).cloned().unwrap_or_else(|| outcome(reason.clone(), at));
        plan.transactions.iter().flat_map(|one| &one.recipients).map(|place| (*place, of(*place))).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(reply: Reply, at: Timestamp) -> Outcome {
    Outcome { at, code: reply.code, status: reply.status, text: reply.text, other: serde_json::Map::new() }
}
