//! One delivery plan while it is carried out: what is still to be sent, and what came of the rest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use listmill_core::{DeliveryPlan, Transaction};
use listmill_queue_format::{Entry, EntryId, Outcome};

use crate::content::wire_form;
use crate::ledger::Page;
use crate::{Ledger, Outgoing, Reply};

/// One transaction, with all that it needs.
#[derive(Debug)]
pub(crate) struct Work {
    places: Vec<usize>,
    recipients: Vec<String>,
    return_path: String,
    prefix: Vec<u8>,
    smtputf8: bool,
    eight_bit: bool,
}

/// A plan that several connections work on.
#[derive(Debug)]
pub(crate) struct Job {
    entry: EntryId,
    message: Arc<[u8]>,
    ledger: Ledger,
    state: Mutex<State>,
    /// Connections that broke since the last transaction that went well.
    breaks: AtomicUsize,
    max_breaks: usize,
}

#[derive(Debug)]
struct State {
    todo: VecDeque<Work>,
    page: Page,
    /// Nothing more is sent.
    ended: bool,
    /// Why something is left.
    why_left: Option<Reply>,
}

impl Job {
    /// What of this plan is not done yet according to the page.
    pub(crate) fn new(entry: &Entry, plan: &DeliveryPlan, ledger: Ledger, page: Page, connections: usize) -> Job {
        let todo: VecDeque<Work> = plan.transactions.iter().filter_map(|one| Work::of(entry, one, &page)).collect();
        let message = match wire_form(&entry.message) {
            std::borrow::Cow::Borrowed(_) => Arc::clone(&entry.message),
            std::borrow::Cow::Owned(changed) => {
                tracing::warn!(entry = %entry.id, "the message has bare CR or LF, or no end: it leaves with CRLF");
                Arc::from(changed)
            }
        };
        // A restarting next host breaks every connection once.
        let max_breaks = connections.min(todo.len()) + 3;
        let state = Mutex::new(State { todo, page, ended: false, why_left: None });
        Job { entry: entry.id, message, ledger, state, breaks: AtomicUsize::new(0), max_breaks }
    }

    /// How many transactions are left.
    pub(crate) fn left(&self) -> usize {
        self.state().todo.len()
    }

    /// The next transaction, unless nothing more is to be sent.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut state = self.state();
        if state.ended { None } else { state.todo.pop_front() }
    }

    /// The transaction has not begun.
    pub(crate) fn put_back(&self, work: Work) {
        self.state().todo.push_front(work);
    }

    /// The transaction as it leaves.
    pub(crate) fn outgoing<'a>(&'a self, work: &'a Work) -> Outgoing<'a> {
        Outgoing {
            return_path: &work.return_path,
            recipients: &work.recipients,
            prefix: &work.prefix,
            message: &self.message,
            smtputf8: work.smtputf8,
            eight_bit: work.eight_bit,
        }
    }

    /// The replies to a transaction: into the ledger before anything else happens.
    pub(crate) fn record(&self, work: &Work, replies: Vec<Reply>) {
        let at = Timestamp::now();
        for (reply, address) in replies.iter().zip(&work.recipients) {
            self.log(address, reply);
        }
        let outcomes: Vec<(usize, Outcome)> =
            work.places.iter().copied().zip(replies.into_iter().map(|reply| outcome(reply, at))).collect();
        self.ledger.record(&mut self.state().page, &outcomes);
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
        if self.breaks.fetch_add(1, Ordering::Relaxed) + 1 >= self.max_breaks {
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
        let state = self.state();
        let at = Timestamp::now();
        let reason = state.why_left.clone().unwrap_or_else(|| Reply::none("4.3.0", "not attempted"));
        let of = |place: usize| state.page.done().get(&place).cloned().unwrap_or_else(|| outcome(reason.clone(), at));
        plan.transactions.iter().flat_map(|one| &one.recipients).map(|place| (*place, of(*place))).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// The transaction without the recipients that are done; none when no one is left.
    fn of(entry: &Entry, transaction: &Transaction, page: &Page) -> Option<Work> {
        let is_left = |place: &usize| !page.done().contains_key(place) && *place < entry.recipients.len();
        let places: Vec<usize> = transaction.recipients.iter().copied().filter(is_left).collect();
        let recipients: Vec<String> =
            places.iter().filter_map(|place| Some(entry.recipients.get(*place)?.address.clone())).collect();
        (!places.is_empty()).then(|| Work {
            places,
            recipients,
            return_path: transaction.return_path.clone(),
            prefix: wire_form(&transaction.prefix).into_owned(),
            smtputf8: transaction.smtputf8,
            eight_bit: transaction.eight_bit,
        })
    }
}

fn outcome(reply: Reply, at: Timestamp) -> Outcome {
    Outcome { at, code: reply.code, status: reply.status, text: reply.text, other: serde_json::Map::new() }
}
