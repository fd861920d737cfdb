//! An entry, a next host, and the way of one through the other.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use listmill_core::{Context, DeliveryPlan, Disposition, NoStore, Settle, Stage, Timestamp};
use listmill_delivery::{Claimant, Deliverer, DeliveryError, Ledger, Timeouts};
use listmill_outbound::Outbound;
use listmill_queue_format::{Entry, EntryId, Envelope, Outcome, Queue, Recipient};
use listmill_tests::sink::Sink;
use tempfile::TempDir;

/// Long enough for every test on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const MESSAGE: &[u8] = b"From: alice@example.org\r\nSubject: hello\r\n\r\n.dots\r\n..\r\nbody\r\n\r\n";

/// A deliverer with its ledger in a directory of its own.
pub(crate) struct Setting {
    pub(crate) dir: TempDir,
    pub(crate) deliverer: Deliverer,
}

impl Setting {
    /// Over plain SMTP with so many connections.
    pub(crate) fn new(sink: &Sink, connections: usize) -> Setting {
        Setting::over(&sink.url("smtp"), connections, Timeouts::default(), None)
    }

    pub(crate) fn over(url: &str, connections: usize, timeouts: Timeouts, ca_file: Option<&Path>) -> Setting {
        let dir = tempfile::tempdir().unwrap();
        let deliverer = deliverer(dir.path(), url, connections, timeouts, ca_file);
        Setting { dir, deliverer }
    }

    /// Delivers once; what the stage makes of it.
    pub(crate) async fn send(&self, entry: &Entry) -> Sent {
        let plan = plan(entry);
        let outcomes = after_a_kill(&self.deliverer, entry, &plan).await;
        let mut places: Vec<usize> = outcomes.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        assert_eq!(places, (0..entry.recipients.len()).collect::<Vec<_>>(), "each recipient has one outcome");
        let dispositions = Outbound::default().settle(entry, &outcomes, context());
        let of = |queue| {
            dispositions.iter().find_map(|one| match one {
                Disposition::Forward { entry, .. } if entry.queue == queue => Some(entry.clone()),
                _ => None,
            })
        };
        let sent = Sent { waiting: of(Queue::Outbound), refused: of(Queue::Bounce), outcomes };
        self.deliverer.ledger().finish(entry.id);
        sent
    }

    /// Delivers; the error instead.
    pub(crate) async fn fail(&self, entry: &Entry) -> DeliveryError {
        self.deliverer.deliver(entry, &plan(entry), Claimant::Alone).await.unwrap_err()
    }
}

pub(crate) fn deliverer(
    dir: &Path,
    url: &str,
    connections: usize,
    timeouts: Timeouts,
    ca_file: Option<&Path>,
) -> Deliverer {
    let ledger = Ledger::open(&dir.join("ledger")).unwrap();
    let helo = "lists.example.org".to_owned();
    Deliverer::new(url.parse().unwrap(), connections, helo, timeouts, ca_file.map(Path::to_owned), ledger).unwrap()
}

/// What came of a delivery.
pub(crate) struct Sent {
    pub(crate) outcomes: Vec<(usize, Outcome)>,
    pub(crate) waiting: Option<Entry>,
    pub(crate) refused: Option<Entry>,
}

impl Sent {
    /// The outcome of one recipient.
    pub(crate) fn of(&self, place: usize) -> &Outcome {
        &self.outcomes.iter().find(|(at, _)| *at == place).unwrap().1
    }

    /// Code and status of one recipient.
    pub(crate) fn code(&self, place: usize) -> (u16, &str) {
        let outcome = self.of(place);
        (outcome.code, &outcome.status)
    }

    pub(crate) fn done(&self) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| outcome.code / 100 == 2).count()
    }
}

pub(crate) fn context() -> Context {
    Context { now: Timestamp::now(), seed: 7 }
}

/// An entry for so many recipients, each with a return path and a field of its own.
pub(crate) fn entry(recipients: usize) -> Entry {
    static COUNTER: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
    let count = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = Timestamp::now();
    let mut entry = Entry::arrived(EntryId::fresh(now, [count; 10]), now, Envelope::default(), MESSAGE.into());
    entry.queue = Queue::Outbound;
    entry.recipients = (0..recipients).map(recipient).collect();
    entry
}

pub(crate) fn recipient(number: usize) -> Recipient {
    Recipient {
        address: format!("member{number}@example.net"),
        return_path: format!("dev-bounces+member{number}=example.net.tag@lists.example.org"),
        headers: vec![format!("List-Unsubscribe: <mailto:dev-leave+token{number}@lists.example.org>")],
        ..Recipient::default()
    }
}

/// The same without anything of their own: one transaction.
pub(crate) fn shared(recipients: usize) -> Entry {
    let mut entry = entry(recipients);
    for recipient in &mut entry.recipients {
        recipient.return_path.clear();
        recipient.headers.clear();
    }
    entry
}

pub(crate) fn plan(entry: &Entry) -> DeliveryPlan {
    match Outbound::default().decide(entry, &NoStore, context()).unwrap().as_slice() {
        [Disposition::Deliver(plan)] => plan.clone(),
        other => panic!("a plan and not {other:?}"),
    }
}

/// The outcomes of a delivery, once the page is free: the kernel takes a killed process's lock at once, and what stands for such a process here
/// is a task that ends a moment later.
pub(crate) async fn after_a_kill(deliverer: &Deliverer, entry: &Entry, plan: &DeliveryPlan) -> Vec<(usize, Outcome)> {
    let begun = Instant::now();
    loop {
        match deliverer.deliver(entry, plan, Claimant::Alone).await {
            Err(DeliveryError::Ledger(error)) if error.source.kind() == ErrorKind::WouldBlock => {
                assert!(begun.elapsed() < PATIENCE, "nobody lets go of the page");
                tokio::task::yield_now().await;
            }
            outcomes => return outcomes.unwrap(),
        }
    }
}
