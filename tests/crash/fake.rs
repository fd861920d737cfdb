//! Stages that decide what a test wants.

use std::collections::BTreeMap;

use listmill_core::{
    Address, Context, Disposition, HeldPost, ListAddress, Member, Stage, StoreChange, StoreView, Unavailable,
};
use listmill_queue_format::{Entry, Queue};

type Decide = dyn Fn(&Entry, &dyn StoreView, Context) -> Result<Vec<Disposition>, Unavailable> + Send + Sync;

/// A stage that serves `moderation`.
pub(crate) struct Fake(Box<Decide>);

impl Fake {
    pub(crate) fn new(
        decide: impl Fn(&Entry, &dyn StoreView, Context) -> Result<Vec<Disposition>, Unavailable> + Send + Sync + 'static,
    ) -> Fake {
        Fake(Box::new(decide))
    }

    /// One that asks nothing.
    pub(crate) fn deciding(decide: impl Fn(&Entry) -> Vec<Disposition> + Send + Sync + 'static) -> Fake {
        Fake::new(move |entry, _, _| Ok(decide(entry)))
    }
}

impl Stage for Fake {
    const READS: Queue = Queue::Moderation;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        (self.0)(entry, view, cx)
    }
}

/// The same for `pending`, which writes to itself.
pub(crate) struct FakePending(pub(crate) Fake);

impl Stage for FakePending {
    const READS: Queue = Queue::Pending;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        self.0.decide(entry, view, cx)
    }
}

pub(crate) fn dev() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}

pub(crate) fn bob() -> Address {
    "bob@example.net".parse().unwrap()
}

pub(crate) fn create() -> StoreChange {
    StoreChange::CreateList { list: dev(), own: BTreeMap::new() }
}

pub(crate) fn add_bob() -> StoreChange {
    StoreChange::AddMember { list: dev(), member: Member::new(bob(), 1_700_000_000) }
}

/// The `ordinal`-th entry that leaves.
pub(crate) fn forward(entry: &Entry, ordinal: u32, queue: Queue) -> Disposition {
    let entry = entry.derive(Fake::READS.name(), ordinal, queue);
    Disposition::Forward { entry, reason: "a test".to_owned() }
}

/// The `ordinal`-th entry that leaves, a message of our own.
pub(crate) fn notify(entry: &Entry, ordinal: u32, text: &str) -> Disposition {
    let message = format!("Subject: {text}\r\n\r\n").into_bytes().into();
    let entry = Entry { message, ..entry.derive(Fake::READS.name(), ordinal, Queue::Outbound) };
    Disposition::Notify { entry, reason: text.to_owned() }
}

pub(crate) fn hold(entry: &Entry, cx: Context) -> Disposition {
    let post = HeldPost {
        id: 0,
        list: dev(),
        entry: entry.id,
        author: "alice@example.net".to_owned(),
        subject: "hello".to_owned(),
        message_id: "<1@example.net>".to_owned(),
        size: entry.message.len() as u64,
        reasons: Vec::new(),
        since: cx.now,
        expires: cx.now,
        sha256: String::new(),
        asks: None,
        away: None,
    };
    Disposition::Hold { post }
}
