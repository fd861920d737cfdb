//! Rows L5 to L8 and E10: the outbound runner, which fails or dies around each call to its queue. Nobody is skipped, nobody is served or asked
//! for twice, and an entry that comes again after it was finished is not sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use listmill_core::{Context, Disposition, Settle, Stage, StoreView, Timestamp, Unavailable};
use listmill_delivery::{Deliverer, Ledger, Timeouts};
use listmill_outbound::Outbound;
use listmill_queue::State;
use listmill_queue_format::{Entry, Outcome, Queue, Recipient};
use listmill_runner::{Carried, DeliveryWorker, Runner, Shell};
use listmill_tests::sink::{Answer, Script, Sink, Step};
use tokio::runtime::{Builder, Runtime};

use crate::breaking::{Fate, Hazard};
use crate::mill::{self, Mill, hazardous, shell, survives, there, work_off_with};

/// The next host, which takes all but member1, who is refused, and member2, who is to come again.
struct Setting {
    mill: Mill,
    sink: Sink,
    runtime: Runtime,
}

impl Setting {
    fn new() -> Setting {
        let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument) {
            (Step::Rcpt, "member1@example.net") => Answer::say("550 5.1.1 no such user"),
            (Step::Rcpt, "member2@example.net") => Answer::say("451 4.2.1 later"),
            _ => Answer::Usual,
        }));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Setting { mill: Mill::new(), sink, runtime }
    }

    /// A process that delivers and has no store. It opens the ledger that the one before it has left.
    fn start<S: Settle>(&self, stage: S) -> (Shell, DeliveryWorker<S>) {
        let ledger = Ledger::open(&self.mill.dir.path().join("ledger")).unwrap();
        let (url, helo) = (self.sink.url("smtp").parse().unwrap(), "mill.example.org".to_owned());
        let deliverer = Deliverer::new(url, 2, helo, Timeouts::default(), None, ledger).unwrap();
        let worker = DeliveryWorker { stage, deliverer: Arc::new(deliverer), runtime: self.runtime.handle().clone() };
        (shell(self.mill.queues(), None), worker)
    }

    fn work_off<S: Settle + Send + Sync>(&self, shell: &Shell, worker: &DeliveryWorker<S>) -> bool {
        survives(|| work_off_with(shell, Queue::Outbound, |batch| drop(worker.carry(shell, batch))))
    }

    /// How often each of the six was asked for, and served.
    fn times(&self) -> ([usize; 6], [usize; 6]) {
        let (commands, served) = (self.sink.commands(), self.sink.served());
        let who = [0, 1, 2, 3, 4, 5].map(|number| format!("member{number}@example.net"));
        let asked =
            who.each_ref().map(|who| commands.iter().filter(|line| line.contains(&format!("TO:<{who}>"))).count());
        (asked, who.map(|who| served.get(&who).copied().unwrap_or(0)))
    }
}

/// A post for six members.
fn page() -> Entry {
    let mut entry = mill::entry(Queue::Outbound);
    let recipient = |number| Recipient {
        address: format!("member{number}@example.net"),
        return_path: format!("dev-bounces+member{number}=example.net.tag@lists.example.org"),
        ..Recipient::default()
    };
    entry.recipients = (0..6).map(recipient).collect();
    entry
}

fn recipients(entries: &[Entry]) -> Vec<&str> {
    entries.iter().flat_map(|entry| &entry.recipients).map(|recipient| recipient.address.as_str()).collect()
}

/// All six have been asked for once, and are where they belong.
fn assert_delivered_once(setting: &Setting, shell: &Shell) {
    assert_eq!(setting.times(), ([1; 6], [1, 0, 0, 1, 1, 1]));
    let status = shell.queues.status(Queue::Outbound).unwrap();
    assert_eq!((status.depth, status.deferred, status.shunted), (0, 1, 0));
    let waits = there(shell, Queue::Outbound, State::Deferred);
    assert_eq!((recipients(&waits), waits[0].attempts), (vec!["member2@example.net"], 1));
    assert_eq!(recipients(&there(shell, Queue::Bounce, State::New)), ["member1@example.net"]);
}

#[test]
fn whichever_call_fails_or_is_the_last_nobody_is_skipped_and_nobody_asked_for_twice() {
    for (at, call) in ["put", "release"].into_iter().enumerate() {
        for fate in Fate::ALL {
            eprintln!("{fate:?} at {call}");
            let (setting, page) = (Setting::new(), page());
            let (safe, worker) = setting.start(Outbound::default());
            safe.queues.put(std::slice::from_ref(&page)).unwrap();
            let hazard = Hazard::new(fate, at);
            let shell = hazardous(&safe, &hazard);
            let survived = setting.work_off(&shell, &worker);
            assert_eq!(hazard.struck(), Some(call));
            assert_eq!(survived, matches!(fate, Fate::FailsBefore | Fate::FailsAfter));
            drop((safe, shell, worker));

            let (shell, worker) = setting.start(Outbound::default());
            assert!(setting.work_off(&shell, &worker));
            assert_delivered_once(&setting, &shell);

            // Upstream was killed as well, and writes it again: finished, or released and killed before `finish`.
            shell.queues.put(std::slice::from_ref(&page)).unwrap();
            assert!(setting.work_off(&shell, &worker));
            assert_delivered_once(&setting, &shell);
        }
    }
}

/// A letter has no page in the ledger: that it was taken is among the finished ids before it is released.
#[test]
fn a_letter_whose_release_fails_or_is_the_last_call_is_not_sent_again() {
    for fate in Fate::ALL {
        eprintln!("{fate:?}");
        let (setting, mut letter) = (Setting::new(), page());
        letter.recipients.drain(..5);
        let (safe, worker) = setting.start(Outbound::default());
        safe.queues.put(std::slice::from_ref(&letter)).unwrap();
        let hazard = Hazard::new(fate, 0);
        setting.work_off(&hazardous(&safe, &hazard), &worker);
        assert_eq!(hazard.struck(), Some("release"));
        assert!(worker.deliverer.ledger().was_finished(letter.id));
        assert!(!setting.mill.dir.path().join("ledger").join(letter.id.to_string()).exists());
        drop((safe, worker));
        for _ in 0..2 {
            let (shell, worker) = setting.start(Outbound::default());
            assert!(setting.work_off(&shell, &worker));
            assert_eq!(setting.times(), ([0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1]));
            let status = shell.queues.status(Queue::Outbound).unwrap();
            assert_eq!((status.depth, status.deferred, status.shunted), (0, 0, 0));
            shell.queues.put(std::slice::from_ref(&letter)).unwrap();
        }
    }
}

#[test]
fn a_finished_entry_that_upstream_writes_again_is_released_by_any_process() {
    let (setting, page) = (Setting::new(), page());
    for _ in 0..3 {
        let (shell, worker) = setting.start(Outbound::default());
        shell.queues.put(std::slice::from_ref(&page)).unwrap();
        assert!(setting.work_off(&shell, &worker));
        assert!(worker.deliverer.ledger().was_finished(page.id));
        assert_delivered_once(&setting, &shell);
    }
}

#[test]
fn a_stop_in_the_middle_gives_the_entry_back_and_the_next_process_does_the_rest() {
    let (setting, page) = (Setting::new(), page());
    let (shell, worker) = setting.start(Outbound::default());
    shell.queues.put(std::slice::from_ref(&page)).unwrap();
    worker.deliverer.stop();
    let claimed = shell.queues.claim(Queue::Outbound, mill::PATIENCE).unwrap().unwrap();
    assert!(matches!(&worker.carry(&shell, vec![claimed])[..], [Carried::GivenBack(_)]));
    assert_eq!(mill::waiting(&shell, Queue::Outbound), [page.id]);
    drop((shell, worker));
    let (shell, worker) = setting.start(Outbound::default());
    assert!(setting.work_off(&shell, &worker));
    assert_delivered_once(&setting, &shell);
}

/// Outbound, but for how it settles as long as it is `ill`.
struct Ill<F> {
    ill: AtomicBool,
    settle: F,
}

impl<F> Stage for Ill<F> {
    const READS: Queue = Queue::Outbound;
    const WRITES: &'static [Queue] = Outbound::WRITES;

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        Outbound::default().decide(entry, view, cx)
    }
}

impl<F: Fn(&Entry) -> Vec<Disposition>> Settle for Ill<F> {
    fn settle(&self, entry: &Entry, outcomes: &[(usize, Outcome)], cx: Context) -> Vec<Disposition> {
        if self.ill.load(Ordering::SeqCst) {
            return (self.settle)(entry);
        }
        Outbound::default().settle(entry, outcomes, cx)
    }
}

/// The entry is shunted after its delivery; then the stage is mended, and the entry retried.
fn assert_replayed(because: &str, settle: impl Fn(&Entry) -> Vec<Disposition> + Send + Sync) {
    let (setting, page) = (Setting::new(), page());
    let (shell, worker) = setting.start(Ill { ill: AtomicBool::new(true), settle });
    shell.queues.put(std::slice::from_ref(&page)).unwrap();
    assert!(setting.work_off(&shell, &worker));
    let found = shell.queues.find(page.id).unwrap().unwrap();
    let why = found.why.unwrap();
    assert_eq!((found.state, why.stage.as_str()), (State::Shunted, "outbound"));
    assert!(why.reason.contains(because), "{}", why.reason);
    assert!(!worker.deliverer.ledger().was_finished(page.id));
    worker.stage.ill.store(false, Ordering::SeqCst);
    assert!(shell.queues.retry(page.id).unwrap());
    assert!(setting.work_off(&shell, &worker));
    assert_delivered_once(&setting, &shell);
}

/// Invariant 5: it can be replayed without a second delivery.
#[test]
fn a_stage_that_panics_after_the_delivery() {
    assert_replayed("", |entry| panic!("what is that, in {}?", entry.id));
}

/// Finished entries are known by their id, which a deferred one keeps.
#[test]
fn a_stage_that_defers_after_the_delivery() {
    let until = Timestamp::now();
    assert_replayed("cannot be deferred", move |_| vec![Disposition::Defer { until, reason: "no".to_owned() }]);
}

#[test]
fn a_stage_that_writes_after_the_delivery_where_it_may_not() {
    assert_replayed("outbound may not write to pending", |entry| {
        let entry = entry.derive("outbound", 9, Queue::Pending);
        vec![Disposition::Forward { entry, reason: "no".to_owned() }]
    });
}
