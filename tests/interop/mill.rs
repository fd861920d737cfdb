//! A runner in Python in a spool that Rust fills and empties, and the other way round.

use std::fs;
use std::path::Path;
use std::time::Duration;

use listmill_queue::{Claimed, DiskQueues, QueueBackend, ShuntReason};
use listmill_queue_format::{Entry, EntryId, Priority, Queue, Timestamp};
use listmill_tests::needs::needs;

use crate::python;

/// Long enough for a slow machine; nothing waits for it unless something is broken.
const LONG: Duration = Duration::from_secs(30);
const NOT_AT_ALL: Duration = Duration::ZERO;

fn entry(queue: Queue, number: u8) -> Entry {
    let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [number; 10]);
    let envelope = listmill_queue_format::Envelope { sender: "bob@example.net".to_owned(), ..Default::default() };
    let message = format!("Subject: {number}\r\n\r\nIt turns.\r\n").into_bytes();
    Entry { queue, ..Entry::arrived(id, Timestamp::UNIX_EPOCH, envelope, message.into()) }
}

fn claim(queues: &DiskQueues, queue: Queue) -> Claimed {
    queues.claim(queue, LONG).unwrap().expect("an entry")
}

/// A Python program that begins with the spools `moderation` and `pending`.
fn program(path: &Path, rest: &str) -> String {
    format!(
        "import time\nfrom listmill_spool import Spool, hop, instant, now\n\
         moderation, pending = Spool({path:?}, 'moderation'), Spool({path:?}, 'pending')\n{rest}",
        path = path.to_string_lossy(),
    )
}

/// How many files are in one directory of a queue.
fn count(path: &Path, directory: &str) -> usize {
    fs::read_dir(path.join(directory)).unwrap().count()
}

#[test]
fn a_runner_in_python_takes_the_place_of_moderation() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(directory.path()).unwrap();
    let mut urgent = entry(Queue::Moderation, 3);
    urgent.priority = Priority::High;
    urgent.other.insert("x-unknown".to_owned(), "kept".into());
    queues.put(&[entry(Queue::Moderation, 1), entry(Queue::Moderation, 2), urgent.clone()]).unwrap();
    let runner = "for number in range(3):
    claim = moderation.claim()
    entry = claim.entry.derive('moderation', 0, 'pending')
    entry.head['trace'] = entry.head['trace'] + [hop('moderation', 'forward', 'everybody may post')]
    pending.put(entry)
    moderation.release(claim)
assert moderation.claim() is None
";
    python::run(&["-c", &program(directory.path(), runner)]);

    let first = claim(&queues, Queue::Pending);
    let mut expected = urgent.derive("moderation", 0, Queue::Pending);
    expected.trace.clone_from(&first.entry.trace);
    assert_eq!(first.entry, expected, "the urgent one came first, with all that it had");
    assert_eq!(first.entry.trace[0].reason, "everybody may post");
    for number in [1, 2] {
        let next = claim(&queues, Queue::Pending);
        assert_eq!(next.entry.id, entry(Queue::Moderation, number).id.derive("moderation", 0));
        queues.release(next.claim).unwrap();
    }
    queues.release(first.claim).unwrap();
    assert!(queues.claim(Queue::Moderation, NOT_AT_ALL).unwrap().is_none());
    for place in ["moderation/new", "moderation/cur", "moderation/ids", "moderation/corrupt", "pending/corrupt"] {
        assert_eq!(count(directory.path(), place), 0, "{place}");
    }
}

#[test]
fn each_knows_a_repeat_of_what_the_other_has_written() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(directory.path()).unwrap();
    let put = [entry(Queue::Moderation, 1)];
    queues.put(&put).unwrap();
    let repeats = "claim = moderation.claim()
moderation.put(claim.entry)
moderation.give_back(claim)
pending.put(claim.entry.derive('moderation', 0, 'pending'))
pending.put(claim.entry.derive('moderation', 0, 'pending'))
";
    python::run(&["-c", &program(directory.path(), repeats)]);
    assert_eq!(count(directory.path(), "moderation/new"), 1);
    assert_eq!(count(directory.path(), "pending/new"), 1);
    let forwarded = claim(&queues, Queue::Pending);
    queues.put(std::slice::from_ref(&forwarded.entry)).unwrap();
    queues.release(forwarded.claim).unwrap();
    queues.put(&put).unwrap();
    assert_eq!((count(directory.path(), "moderation/new"), count(directory.path(), "pending/new")), (1, 0));
}

#[test]
fn what_one_has_claimed_the_other_does_not_get_until_it_dies() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(directory.path()).unwrap();
    queues.put(&[entry(Queue::Moderation, 1)]).unwrap();
    let waits = program(
        directory.path(),
        "claim = moderation.claim()\nprint(claim.entry.head['id'], flush=True)\ntime.sleep(600)\n",
    );
    let mut runner = python::Running::start(&["-c", &waits]);
    assert_eq!(runner.line(), entry(Queue::Moderation, 1).id.to_string());
    assert!(queues.claim(Queue::Moderation, NOT_AT_ALL).unwrap().is_none(), "Python has it");
    runner.kill();
    let taken_over = claim(&queues, Queue::Moderation);
    assert_eq!(taken_over.entry, entry(Queue::Moderation, 1));

    let tries = program(directory.path(), "claim = moderation.claim()\nprint(claim and claim.entry.head['id'])\n");
    assert_eq!(python::run(&["-c", &tries]), b"None\n", "Rust has it");
    drop(taken_over); // as if this process had died
    assert_eq!(python::run(&["-c", &tries]), format!("{}\n", entry(Queue::Moderation, 1).id).into_bytes());
}

#[test]
fn each_takes_up_what_the_other_deferred_and_leaves_what_it_set_aside() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(directory.path()).unwrap();
    queues.put(&[entry(Queue::Moderation, 1)]).unwrap();
    let defers = "claim = moderation.claim()
claim.entry.head.update(attempts=1, not_before=instant(now().replace(year=2999)))
moderation.defer(claim, claim.entry)
assert moderation.claim() is None
";
    python::run(&["-c", &program(directory.path(), defers)]);
    assert_eq!(queues.status(Queue::Moderation).unwrap().deferred, 1);
    assert!(queues.claim(Queue::Moderation, NOT_AT_ALL).unwrap().is_none());
    assert!(queues.retry(entry(Queue::Moderation, 1).id).unwrap());
    let due = claim(&queues, Queue::Moderation);
    assert_eq!(due.entry.attempts, 1);

    let until = Timestamp::now() - Duration::from_secs(1); // due already when it is deferred
    let again = Entry { attempts: 2, not_before: Some(until), ..due.entry.clone() };
    queues.defer(due.claim, &again).unwrap();
    let shunts = "claim = moderation.claim()
assert claim.entry.head['attempts'] == 2
moderation.shunt(claim, 'moderation', 'cannot decide')
";
    python::run(&["-c", &program(directory.path(), shunts)]);
    let found = queues.find(again.id).unwrap().expect("it is shunted");
    assert_eq!(found.state, listmill_queue::State::Shunted);
    let why = found.why.expect("with its reason");
    assert_eq!((why.stage.as_str(), why.reason.as_str()), ("moderation", "cannot decide"));
}

#[test]
fn python_reads_every_entry_of_a_spool_stopped_in_mid_work() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(directory.path()).unwrap();
    let later = Entry { not_before: Some("2999-01-01T00:00:00Z".parse().unwrap()), ..entry(Queue::Outbound, 4) };
    queues.put(&[entry(Queue::Inbound, 1), entry(Queue::Auth, 2), entry(Queue::Auth, 3), later]).unwrap();
    let claimed = claim(&queues, Queue::Auth);
    let shunted = claim(&queues, Queue::Auth);
    let why = ShuntReason {
        stage: "auth".to_owned(),
        reason: "it panicked".to_owned(),
        trace: String::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    queues.shunt(shunted.claim, &why).unwrap();
    let check = ["listmill_queue.py", "check", &directory.path().to_string_lossy()].map(str::to_owned);
    let told = String::from_utf8(python::run(&check.each_ref().map(String::as_str))).unwrap();
    let places: Vec<&str> = ["/auth/cur/", "/auth/shunt/", "/inbound/new/", "/outbound/deferred/"].to_vec();
    assert_eq!(told.lines().count(), places.len(), "{told}");
    for (line, place) in told.lines().zip(places) {
        assert!(line.starts_with("ok ") && line.contains(place), "{line}");
    }
    drop(claimed);
}
