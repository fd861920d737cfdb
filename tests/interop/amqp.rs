//! The runners in Python at a real broker that our backend fills and empties: killed and started again in mid-stream.

use std::path::Path;
use std::time::Duration;

use listmill_queue::{AmqpConfig, AmqpQueues, Claimed, QueueBackend};
use listmill_queue_format::{Entry, EntryId, Queue, Timestamp};
use listmill_tests::needs::needs_python_with;
use listmill_tests::program::{PATIENCE, wait_for};
use listmill_tests::rabbit::Rabbit;
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use crate::outbound::outgoing;
use crate::python;

/// Entries of one round; each has four recipients.
const ENTRIES: usize = 30;

/// Returns when everything that Python works with has been declared.
fn connect(url: &str) -> AmqpQueues {
    let queues = AmqpQueues::connect(AmqpConfig::new(url, "mill.example.org")).unwrap();
    wait_for("the broker", || queues.is_ready());
    queues
}

fn answer(asked: &Asked<'_>) -> Answer {
    match asked.step {
        Step::Rcpt if asked.argument.starts_with("no-") => Answer::say("550 5.1.1 no such mailbox"),
        Step::Rcpt if asked.argument.starts_with("later-") => Answer::say("451 4.2.2 full now"),
        _ => Answer::Usual,
    }
}

fn numbered(number: usize) -> Entry {
    let mut chance = [7; 10];
    chance[2..].copy_from_slice(&(number as u64).to_be_bytes());
    Entry { id: EntryId::fresh(Timestamp::UNIX_EPOCH, chance), ..outgoing(&format!("-{number}-"), 1) }
}

/// All entries of a queue, claimed and released.
fn empty(queues: &AmqpQueues, queue: Queue, count: usize) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    // A runner that was killed may have written one twice: a broker does not recognise a repeat, its readers do.
    wait_for(&format!("{count} entries in {queue}"), || {
        while let Some(Claimed { entry, claim }) = queues.claim(queue, Duration::from_millis(200)).unwrap() {
            queues.release(claim).unwrap();
            if !found.iter().any(|one| one.id == entry.id) {
                found.push(entry);
            }
        }
        found.len() >= count
    });
    found
}

fn outbound(python: &Path, url: &str, ledger: &str, sink: &Sink) -> python::Running {
    let relay = sink.address().to_string();
    let arguments = ["listmill_outbound.py", "--amqp", url, "--ledger", ledger, "--relay", &relay];
    python::Running::start_by(python, &arguments)
}

#[test]
fn outbound_in_python_serves_a_broker_and_may_be_killed() {
    let Some(python) = needs_python_with("pika") else { return };
    let Some(rabbit) = Rabbit::start() else { return };
    let (sink, ledger) = (Sink::start(Script::answering(answer)), tempfile::tempdir().unwrap());
    let ledger = ledger.path().to_string_lossy().into_owned();
    let queues = connect(&rabbit.url());
    let (mut sent, mut kills) = (0, 0);
    for by_force in [true, false, true] {
        let running = outbound(&python, &rabbit.url(), &ledger, &sink);
        for number in sent..sent + ENTRIES {
            queues.put(&[numbered(number)]).unwrap();
        }
        sent += ENTRIES;
        assert!(sink.wait(PATIENCE, |sink| sink.count() >= 2 * sent - ENTRIES), "{} of {}", sink.count(), 2 * sent);
        kills += usize::from(by_force);
        if by_force { running.kill() } else { running.stop() }
    }
    let last = outbound(&python, &rabbit.url(), &ledger, &sink);
    let refused = empty(&queues, Queue::Bounce, sent);
    last.stop();

    let served = sink.served();
    assert_eq!(served.len(), 2 * sent, "everybody who can be served");
    let repeats: usize = served.values().map(|count| count - 1).sum();
    assert!(repeats <= kills, "{repeats} copies too many after {kills} kills, with one connection");
    assert_eq!(refused.len(), sent);
    for entry in &refused {
        assert_eq!(entry.recipients.len(), 1);
        assert!(entry.recipients[0].address.starts_with("no-"));
        assert_eq!(entry.other["x-unknown"], serde_json::json!({ "kept": [1, null] }));
    }
    let deferred = queues.status(Queue::Outbound).unwrap().deferred;
    assert!(deferred >= sent as u64, "{deferred} wait for another attempt, of {sent}");
    assert_eq!(sink.violations(), Vec::<String>::new());
    println!("{sent} entries from a broker by Python, killed twice and stopped once: nothing lost, {repeats} repeats");
}

#[test]
fn a_filter_in_python_stands_between_two_virtual_hosts() {
    let Some(python) = needs_python_with("pika") else { return };
    let Some(rabbit) = Rabbit::start() else { return };
    rabbit.ctl(&["add_vhost", "scanned"]);
    rabbit.ctl(&["set_permissions", "-p", "scanned", "guest", ".*", ".*", ".*"]);
    let via = format!("{}scanned", rabbit.url().trim_end_matches("%2f"));
    let (before, queues) = (connect(&via), connect(&rabbit.url()));
    let arguments =
        ["listmill_filter.py", "--via", &via, "--amqp", &rabbit.url(), "--mark", "X-Scanned: yes"].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut passed = Vec::new();
    for round in 0..3 {
        let filter = python::Running::start_by(&python, &arguments);
        for number in round * ENTRIES..(round + 1) * ENTRIES {
            before.put(&[Entry { queue: Queue::Pending, ..numbered(number) }]).unwrap();
        }
        passed.extend(empty(&queues, Queue::Pending, ENTRIES / 2));
        if round % 2 == 0 { filter.kill() } else { filter.stop() }
    }
    let filter = python::Running::start_by(&python, &arguments);
    wait_for("everything to pass", || {
        passed.extend(empty(&queues, Queue::Pending, 0));
        passed.sort_by_key(|entry| entry.id);
        passed.dedup_by_key(|entry| entry.id);
        passed.len() >= 3 * ENTRIES
    });
    filter.stop();
    let mut expected: Vec<EntryId> = (0..3 * ENTRIES).map(|number| numbered(number).id.derive("filter", 0)).collect();
    expected.sort();
    assert_eq!(passed.iter().map(|entry| entry.id).collect::<Vec<_>>(), expected);
    assert!(passed.iter().all(|entry| entry.message.starts_with(b"X-Scanned: yes\r\nFrom:")));
}
