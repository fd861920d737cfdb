//! The outbound runner in Python in place of ours, and ours in place of it, with posts flowing: by SIGTERM and by kill -9, on one spool and one ledger.

use std::collections::HashMap;

use listmill_queue::{DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, EntryId, Envelope, Queue, Recipient, Timestamp, decode};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::needs::needs;
use listmill_tests::program::{PATIENCE, Running, Site, wait_for};
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use crate::python;

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 100;
/// Posts that are handed in while one runner serves.
const POSTS: usize = 4;
/// Transactions that our runner may have open when it is killed (`[outbound] connections`), and so may repeat; Python's has one connection.
const OURS_OPEN: usize = 10;
const PYTHONS_OPEN: usize = 1;

/// What a runner of outbound is told beside its queues.
pub(crate) fn ledger_and_relay(site: &Site, sink: &Sink) -> Vec<String> {
    let ledger = site.dir().join("data/ledger").to_string_lossy().into_owned();
    vec!["--ledger".to_owned(), ledger, "--relay".to_owned(), sink.address().to_string()]
}

fn start_python(site: &Site, sink: &Sink) -> python::Running {
    let mut arguments = vec!["listmill_outbound.py".to_owned(), "--spool".to_owned()];
    arguments.push(site.spool().to_string_lossy().into_owned());
    arguments.extend(ledger_and_relay(site, sink));
    python::Running::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whoever serves outbound at the moment.
enum Serving {
    Ours(Running),
    Python(python::Running),
}

impl Serving {
    fn end(self, by_force: bool) {
        match (self, by_force) {
            (Serving::Ours(running), true) => running.kill(),
            (Serving::Ours(running), false) => {
                let _ = running.stop();
            }
            (Serving::Python(running), true) => running.kill(),
            (Serving::Python(running), false) => running.stop(),
        }
    }
}

/// How often each member got each post, by Message-ID and address.
pub(crate) fn copies(sink: &Sink) -> HashMap<(String, String), usize> {
    let mut copies = HashMap::new();
    for received in sink.received() {
        let text = String::from_utf8_lossy(&received.data);
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("a copy has its Message-ID");
        for recipient in received.recipients {
            *copies.entry((id.trim().to_owned(), recipient)).or_default() += 1;
        }
    }
    copies
}

#[test]
fn outbound_changes_hands_in_mid_stream_and_nobody_is_skipped() {
    let Some(_) = needs("python3") else { return };
    let sink = Sink::start(Script::default());
    let site = Site::new(&sink.url("smtp"), "");
    site.list(DEV, &[], (0..MEMBERS).map(|number| format!("u{number:03}@example.net")));
    let front = site.run_with(&["inbound", "auth", "moderation", "pending", "command"]);
    let mut lmtp = Lmtp::connect(front.lmtp.unwrap());
    let (mut posts, mut may_repeat) = (0, 0);
    for (ours, by_force) in [(true, true), (false, true), (true, false), (false, false), (true, true), (false, true)] {
        let running = if ours {
            Serving::Ours(site.run_with(&["outbound"]))
        } else {
            Serving::Python(start_python(&site, &sink))
        };
        for _ in 0..POSTS {
            let post =
                format!("From: u001@example.net\r\nTo: {DEV}\r\nSubject: x\r\nMessage-ID: <{posts}@x>\r\n\r\nx\r\n");
            lmtp.post("u001@example.net", DEV, post.as_bytes());
            posts += 1;
        }
        // In the middle of what was handed in now, and of a distribution list.
        let middle = (posts - POSTS / 2) * MEMBERS - MEMBERS / 3;
        assert!(sink.wait(PATIENCE, |sink| sink.count() >= middle), "{} of {middle}", sink.count());
        running.end(by_force);
        may_repeat += if !by_force {
            0
        } else if ours {
            OURS_OPEN
        } else {
            PYTHONS_OPEN
        };
    }
    let last = Serving::Python(start_python(&site, &sink));
    wait_for("outbound to be empty", || site.figure("outbound", "depth") == 0);
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    last.end(false);
    front.stop();

    let copies = copies(&sink);
    assert_eq!(copies.len(), posts * MEMBERS, "every member has every post");
    let repeats: usize = copies.values().map(|count| count - 1).sum();
    println!(
        "{posts} posts to {MEMBERS} members, outbound changed hands six times: {repeats} repeats, {may_repeat} allowed"
    );
    assert!(repeats <= may_repeat, "{repeats} copies too many, where {may_repeat} transactions can have been open");
    assert_eq!(sink.violations(), Vec::<String>::new());
    for figure in ["deferred", "shunted", "corrupt"] {
        assert_eq!(site.figure("outbound", figure), 0, "{figure}");
    }
}

/// Refused: `no-`; put off the first time: `later-`.
fn answer(asked: &Asked<'_>) -> Answer {
    match asked.step {
        Step::Rcpt if asked.argument.starts_with("no-") => Answer::say("550 5.1.1 no such mailbox"),
        Step::Rcpt if asked.argument.starts_with("later-") && asked.before == 0 => Answer::say("451 4.2.2 full now"),
        _ => Answer::Usual,
    }
}

/// An entry of outbound with fields of a newer writer, for four people: served, refused, put off, served with UTF-8 in the address.
pub(crate) fn outgoing(who: &str, chance: u8) -> Entry {
    let message = b"From: bob@example.net\r\nSubject: x\r\nMessage-ID: <1@x>\r\n\r\n.\r\n..dots\r\n".as_slice();
    let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]);
    let mut entry = Entry::arrived(id, Timestamp::UNIX_EPOCH, Envelope::default(), message.into());
    entry.queue = Queue::Outbound;
    entry.other.insert("x-unknown".to_owned(), serde_json::json!({ "kept": [1, null] }));
    let recipient = |name: &str| Recipient {
        address: format!("{name}{who}@example.net"),
        return_path: format!("dev-bounces+{name}{who}@lists.example.org"),
        headers: vec![format!("X-Own: {name}")],
        other: serde_json::from_value(serde_json::json!({ "x-mine": name })).unwrap(),
        ..Recipient::default()
    };
    entry.recipients = ["", "no-", "later-", "ü-"].into_iter().map(recipient).collect();
    entry
}

fn only(queues: &DiskQueues, queue: Queue, state: State) -> Entry {
    let listed = queues.list(queue, state, 10).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let id = listed[0].entry.as_ref().unwrap().id;
    decode(&queues.find(id).unwrap().unwrap().bytes).unwrap()
}

#[test]
fn what_python_defers_and_refuses_is_what_ours_would_write() {
    let Some(_) = needs("python3") else { return };
    let sink = Sink::start(Script::answering(answer));
    let mut written = Vec::new();
    for ours in [true, false] {
        let site = Site::new(&sink.url("smtp"), "");
        let queues = DiskQueues::open(&site.spool()).unwrap();
        let entry = outgoing(if ours { "a" } else { "b" }, 1);
        queues.put(std::slice::from_ref(&entry)).unwrap();
        let running = if ours {
            Serving::Ours(site.run_with(&["outbound"]))
        } else {
            Serving::Python(start_python(&site, &sink))
        };
        wait_for("one to be deferred", || queues.status(Queue::Outbound).unwrap().deferred == 1);
        site.settle(&["outbound"]);
        running.end(false);
        written.push([only(&queues, Queue::Bounce, State::New), only(&queues, Queue::Outbound, State::Deferred)]);

        // The other one makes the second attempt.
        let later = written.last().unwrap()[1].id;
        let running = if ours {
            Serving::Python(start_python(&site, &sink))
        } else {
            Serving::Ours(site.run_with(&["outbound"]))
        };
        assert!(queues.retry(later).unwrap());
        let who = entry.recipients[2].address.clone();
        assert!(sink.wait(PATIENCE, |sink| sink.served().contains_key(&who)));
        site.settle(&["outbound"]);
        running.end(false);
        assert_eq!(queues.status(Queue::Outbound).unwrap().deferred, 0);
    }
    let [[our_bounce, our_later], [bounce, later]] = [&written[0], &written[1]];
    for (our, python) in [(our_bounce, bounce), (our_later, later)] {
        assert_eq!(python.id, our.id, "derived alike");
        assert_eq!(&python.other["x-unknown"], &our.other["x-unknown"]);
        assert_eq!((python.attempts, python.expires.is_some()), (our.attempts, our.expires.is_some()));
        assert_eq!((&python.trace.len(), &python.trace[0].runner), (&our.trace.len(), &our.trace[0].runner));
        let (one, other) = (&python.recipients[0], &our.recipients[0]);
        assert_eq!((python.recipients.len(), one.other.get("x-mine")), (1, other.other.get("x-mine")));
        let (one, other) = (one.outcome.as_ref().unwrap(), other.outcome.as_ref().unwrap());
        assert_eq!((one.code, &one.status, &one.text), (other.code, &other.status, &other.text));
    }
    let served: Vec<_> = sink.received().into_iter().filter(|one| !one.return_path.contains("later-")).collect();
    let [ours, python] = [0, 2].map(|at| served[at..at + 2].iter().map(|one| &one.data).collect::<Vec<_>>());
    let sorted = |mut data: Vec<&Vec<u8>>| {
        data.sort();
        data.into_iter().cloned().collect::<Vec<_>>()
    };
    assert_eq!(sorted(python), sorted(ours), "the same octets on the wire");
    assert!(sink.served().values().all(|count| *count == 1), "{:?}", sink.served());
    assert_eq!(sink.violations(), Vec::<String>::new());
}

/// A runner of the format's next minor version beside ours: what is new is for it alone, what is old for both.
#[test]
fn a_runner_of_the_next_version_works_beside_ours() {
    let Some(_) = needs("python3") else { return };
    let sink = Sink::start(Script::answering(answer));
    let site = Site::new(&sink.url("smtp"), "");
    let queues = DiskQueues::open(&site.spool()).unwrap();
    let old: Vec<Entry> = (0..10).map(|number| outgoing(&format!("old{number}"), number)).collect();
    queues.put(&old).unwrap();
    let mut new = Vec::new();
    for number in 100..105 {
        new.push(newer(&outgoing(&format!("new{number}"), number)));
        let id = outgoing("", number).id;
        std::fs::write(site.spool().join(format!("outbound/new/5.{:020}.{id}", 1)), new.last().unwrap()).unwrap();
    }
    let ours = site.run_with(&["outbound"]);
    wait_for("ours to come to what is new", || ours.log().iter().any(|line| line.to_string().contains("newer")));
    wait_for("ours to have done what is old", || queues.status(Queue::Outbound).unwrap().depth == new.len() as u64);
    queues.put(&(60..70).map(|number| outgoing(&format!("old{number}"), number)).collect::<Vec<_>>()).unwrap();
    let next = ["-c", NEXT_VERSION, "--spool", &site.spool().to_string_lossy()].map(str::to_owned);
    let next: Vec<String> = next.into_iter().chain(ledger_and_relay(&site, &sink)).collect();
    let next = python::Running::start(&next.iter().map(String::as_str).collect::<Vec<_>>());
    site.settle(&["outbound"]);
    next.stop();
    ours.stop();
    let served = sink.served();
    for (who, count) in [("old", 20), ("new", 5)] {
        let found = served.iter().filter(|(address, times)| address.contains(who) && **times == 1).count();
        assert_eq!(found, 2 * count, "{who}: who is served at once; nobody twice");
    }
    let refused = queues.list(Queue::Bounce, State::New, 100).unwrap();
    assert_eq!(refused.len(), 25);
    let bounced = std::fs::read_dir(site.spool().join("bounce/new"))
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let kept = bounced.filter(|file| file.starts_with(b"{\"format\":\"listmill/1.1\"")).collect::<Vec<_>>();
    assert_eq!(kept.len(), 5, "what is new stays new");
    assert!(kept.iter().all(|file| String::from_utf8_lossy(file).contains("\"newer\":{\"field\":[1]}")));
}

/// The same entry as a writer of the next minor version writes it.
pub(crate) fn newer(entry: &Entry) -> Vec<u8> {
    let old = String::from_utf8(listmill_queue_format::encode(entry).unwrap()).unwrap();
    let old = old.replacen("{\"format\":\"listmill/1\",", "{\"format\":\"listmill/1.1\",", 1);
    old.replacen(",\"message\":{", ",\"newer\":{\"field\":[1]},\"message\":{", 1).into_bytes()
}

/// The outbound runner, by a hand that knows the next minor version.
pub(crate) const NEXT_VERSION: &str = "
import sys
import listmill_queue
listmill_queue.VERSION = (1, 1)
import listmill_outbound
sys.exit(listmill_outbound.main())
";
