//! One suite for all queue backends: what a runner may rely on, whichever carries its entries.
//!
//! A backend that cannot do something says [`Kind::Unsupported`]; that case is skipped, and the log says so.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use listmill_queue::{Claimed, DiskQueues, Kind, MemoryQueues, QueueBackend, QueueError, ShuntReason, State};
use listmill_queue_format::{Entry, Priority, Queue, Recipient, Timestamp, decode};
use listmill_tests::faults::sweep::memory;
use listmill_tests::needs::skipped;
use serde_json::json;

use crate::queue::{NOW, SOON, claim, drain, entry, entry_of, in_future, is_empty, text};

type Outcome = Result<(), QueueError>;
/// One case; it gets empty queues.
type Case = fn(&dyn QueueBackend) -> Outcome;

/// What is asked of every backend.
const CASES: &[(&str, Case)] = &[
    ("entries come out in the order in which they were put", in_order),
    ("what comes out is what was put, field by field and byte by byte", unchanged),
    ("an entry is claimed from the queue that it names", one_queue_is_not_another),
    ("urgent entries go first and every fourth claim takes the oldest", urgent_first_without_starvation),
    ("a put wakes a waiting claimer", put_wakes),
    ("wake ends a claim that waits", wake_ends_waiting),
    ("a repeated put is harmless wherever the entry is", repeated_put),
    ("an entry that was released can come again", released_is_gone),
    ("not_before holds an entry back", not_before),
    ("an entry is given back to its old place", given_back),
    ("a deferred claim is replaced", deferred),
    ("a deferral without a time goes behind all others", deferred_without_a_time),
    ("a claim is not deferred as another entry", deferred_as_another),
    ("a shunted entry waits for an operator, with its reason", shunted),
    ("a deferred entry can be retried at once", retried_early),
    ("an operator removes what is not claimed", removed),
    ("nothing is claimed from a paused queue", paused),
    ("eight claimers get each of 2,000 entries once", claimed_once),
    ("a dropped claim is taken over", dropped_claim),
    ("a list that has its share in hand is passed over", passed_over),
    ("the status counts what is where", status),
    ("a list is short and in order", listed),
    ("a big message comes out whole", big_message),
];

/// Runs every case with queues of its own.
pub(crate) fn exercise(backend: &str, make: impl Fn() -> Box<dyn QueueBackend>) {
    let mut failed = Vec::new();
    for (name, case) in CASES {
        let queues = make();
        match catch_unwind(AssertUnwindSafe(|| case(queues.as_ref()))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) if matches!(error.kind(), Kind::Unsupported) => {
                skipped(&format!("the {backend} backend cannot do this: {name}"));
            }
            Ok(Err(error)) => failed.push(format!("{name}: failed to {error}")),
            Err(_) => failed.push(format!("{name}: see above")),
        }
    }
    assert!(failed.is_empty(), "the {backend} backend does not conform:\n{}", failed.join("\n"));
}

#[test]
fn the_disk_conforms() {
    let root = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    exercise("disk", || {
        let path = root.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        Box::new(DiskQueues::open(&path).unwrap())
    });
}

#[test]
fn files_that_nobody_has_read_yet_are_passed_over_too() {
    let root = tempfile::tempdir().unwrap();
    let of = |list: &str| Entry { list: Some(list.to_owned()), ..entry(list) };
    DiskQueues::open(root.path()).unwrap().put(&[of("a"), of("a"), of("a"), of("b")]).unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    queues.share(Queue::Auth, 6);
    let claims: Vec<Claimed> = (0..3).map(|_| claim(&queues)).collect();
    assert_eq!(text(&claims[2].entry), "b");
    assert!(is_empty(&queues));
    drop(claims); // taken over
    let claims: Vec<String> = (0..3).map(|_| claim(&queues)).map(|claimed| text(&claimed.entry)).collect();
    assert_eq!(claims, ["a", "a", "a"], "each was dropped before the next was claimed");
}

#[test]
fn behind_more_of_one_list_than_are_known_another_lists_entry_is_found() {
    let root = tempfile::tempdir_in(memory()).unwrap();
    let of = |list: &str| Entry { list: Some(list.to_owned()), ..entry(list) };
    let flood = DiskQueues::open(root.path()).unwrap();
    // 4,096 are known at first.
    (0..9).for_each(|_| flood.put(&(0..500).map(|_| of("a")).collect::<Vec<_>>()).unwrap());
    flood.put(&[of("b")]).unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    queues.share(Queue::Auth, 6);
    let claims: Vec<Claimed> = (0..3).map(|_| claim(&queues)).collect();
    let texts: Vec<String> = claims.iter().map(|claimed| text(&claimed.entry)).collect();
    assert_eq!(texts, ["a", "a", "b"]);
}

#[test]
fn memory_conforms() {
    exercise("memory", || Box::new(MemoryQueues::new()));
}

fn why() -> ShuntReason {
    ShuntReason {
        stage: "auth".to_owned(),
        reason: "index out of bounds".to_owned(),
        trace: "auth.rs:1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn in_order(queues: &dyn QueueBackend) -> Outcome {
    assert!(is_empty(queues));
    queues.put(&[entry("1"), entry("2")])?;
    queues.put(&[entry("3")])?;
    queues.put(&[])?;
    queues.put(&[entry("4"), entry("5")])?;
    assert_eq!(drain(queues), ["1", "2", "3", "4", "5"]);
    Ok(())
}

fn unchanged(queues: &dyn QueueBackend) -> Outcome {
    let mut put = Entry {
        list: Some("dev@lists.example.org".to_owned()),
        attempts: 3,
        not_before: Some(Timestamp::UNIX_EPOCH),
        recipients: vec![Recipient { address: "bob@example.net".to_owned(), ..Recipient::default() }],
        ..entry_of(Priority::Low, "all of it")
    };
    put.other.insert("x-future".to_owned(), json!({"kept": [1, 2]}));
    queues.put(std::slice::from_ref(&put))?;
    let claimed = claim(queues);
    assert_eq!(claimed.entry, put);
    assert_eq!((claimed.claim.id(), claimed.claim.queue()), (put.id, put.queue));
    queues.release(claimed.claim)
}

fn one_queue_is_not_another(queues: &dyn QueueBackend) -> Outcome {
    let entries: Vec<Entry> = Queue::ALL.into_iter().map(|queue| Entry { queue, ..entry(queue.name()) }).collect();
    queues.put(&entries)?;
    for queue in Queue::ALL {
        let claimed = queues.claim(queue, NOW)?.expect("one entry for each");
        assert_eq!(text(&claimed.entry), queue.name());
        queues.release(claimed.claim)?;
        assert!(queues.claim(queue, NOW)?.is_none());
    }
    Ok(())
}

fn urgent_first_without_starvation(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry_of(Priority::Low, "low 1"), entry_of(Priority::Low, "low 2"), entry("normal")])?;
    for number in 1..=8 {
        queues.put(&[entry_of(Priority::High, &format!("high {number}"))])?;
    }
    let (high, low): (Vec<_>, Vec<_>) =
        drain(queues).into_iter().enumerate().partition(|(_, text)| text.starts_with('h'));
    let texts = |part: &[(usize, String)]| part.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&high), (1..=8).map(|number| format!("high {number}")).collect::<Vec<_>>());
    // Two of eleven claims were for the oldest while urgent entries were there; the normal one overtook nobody before it.
    assert_eq!(low[..2], [(3, "low 1".to_owned()), (7, "low 2".to_owned())]);
    assert_eq!(low[2].1, "normal");
    Ok(())
}

fn passed_over(queues: &dyn QueueBackend) -> Outcome {
    let of = |list: &str, number: u32| Entry { list: Some(list.to_owned()), ..entry(&format!("{list} {number}")) };
    let texts = |claims: &[Claimed]| claims.iter().map(|claimed| text(&claimed.entry)).collect::<Vec<_>>();
    queues.share(Queue::Auth, 6);
    queues.put(&[of("a", 1), of("a", 2), of("a", 3), of("b", 1), of("b", 2)])?;
    let mut claims: Vec<Claimed> = (0..3).map(|_| claim(queues)).collect();
    assert_eq!(texts(&claims), ["a 1", "a 2", "b 1"], "two are half of the four that are not for letters");
    assert!(is_empty(queues), "and one is half of the two that were left");
    queues.put(&[entry_of(Priority::High, "letter")])?;
    let letter = claim(queues);
    assert_eq!(text(&letter.entry), "letter");
    queues.give_back(letter.claim)?;
    queues.release(claim(queues).claim)?;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(queues));
        queues.release(claims.remove(0).claim)?;
        let claimed = waiting.join().expect("it came");
        assert_eq!(text(&claimed.entry), "a 3");
        queues.release(claimed.claim)
    })?;
    for claimed in claims {
        queues.give_back(claimed.claim)?;
    }
    let mut left = drain(queues);
    left.sort();
    assert_eq!(left, ["a 2", "b 1", "b 2"]);
    Ok(())
}

fn put_wakes(queues: &dyn QueueBackend) -> Outcome {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(queues));
        queues.put(&[entry("news")])?;
        let claimed = waiting.join().expect("it came");
        queues.release(claimed.claim)
    })
}

fn wake_ends_waiting(queues: &dyn QueueBackend) -> Outcome {
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| queues.claim(Queue::Auth, Duration::MAX))).collect();
        // One that has not begun to wait yet needs another call.
        while waiting.iter().any(|thread| !thread.is_finished()) {
            queues.wake();
            thread::yield_now();
        }
        for thread in waiting {
            assert!(thread.join().expect("it returned")?.is_none());
        }
        Ok(())
    })
}

fn repeated_put(queues: &dyn QueueBackend) -> Outcome {
    if !queues.knows_repeats() {
        return Err(QueueError::unsupported("recognise", "a repeat"));
    }
    let once = entry("once");
    let put = || queues.put(&[once.clone(), once.clone()]);
    let numbers = || {
        let status = queues.status(Queue::Auth).expect("the status can be read");
        (status.depth, status.claimed, status.deferred, status.shunted)
    };
    put()?;
    put()?;
    assert_eq!(numbers(), (1, 0, 0, 0));
    let claimed = claim(queues);
    put()?;
    assert_eq!(numbers(), (1, 1, 0, 0));
    let later = Entry { not_before: Some(in_future(Duration::from_secs(3600))), ..claimed.entry };
    queues.defer(claimed.claim, &later)?;
    put()?;
    assert_eq!(numbers(), (0, 0, 1, 0));
    assert!(queues.retry(once.id)?);
    put()?;
    assert_eq!(numbers(), (1, 0, 0, 0));
    queues.shunt(claim(queues).claim, &why())?;
    put()?;
    assert_eq!(numbers(), (0, 0, 0, 1));
    Ok(())
}

fn released_is_gone(queues: &dyn QueueBackend) -> Outcome {
    let again = entry("again");
    for _ in 0..2 {
        queues.put(std::slice::from_ref(&again))?;
        assert_eq!(drain(queues), ["again"]);
        assert!(queues.find(again.id)?.is_none());
    }
    Ok(())
}

fn not_before(queues: &dyn QueueBackend) -> Outcome {
    let due = in_future(Duration::from_millis(300));
    queues.put(&[Entry { not_before: Some(due), ..entry("later") }, entry("now")])?;
    assert_eq!(drain(queues), ["now"]);
    assert_eq!(queues.status(Queue::Auth)?.deferred, 1);
    let claimed = claim(queues);
    assert!(Timestamp::now() >= due, "claimed too early");
    assert_eq!(text(&claimed.entry), "later");
    queues.release(claimed.claim)
}

fn given_back(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry("1"), entry("2")])?;
    queues.give_back(claim(queues).claim)?;
    assert_eq!(drain(queues), ["1", "2"]);
    Ok(())
}

fn deferred(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry("try")])?;
    let claimed = claim(queues);
    let due = in_future(Duration::from_millis(300));
    let recipients = vec![Recipient { address: "carol@example.net".to_owned(), ..Recipient::default() }];
    let later = Entry { attempts: 1, not_before: Some(due), recipients, ..claimed.entry };
    queues.defer(claimed.claim, &later)?;
    assert!(is_empty(queues));
    let listed = queues.list(Queue::Auth, State::Deferred, 10)?;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].at.map(Timestamp::as_microsecond), Some(due.as_microsecond()));
    let claimed = claim(queues);
    assert!(Timestamp::now() >= due, "claimed too early");
    assert_eq!(claimed.entry, later);
    queues.release(claimed.claim)?;
    assert!(is_empty(queues));
    Ok(())
}

fn deferred_without_a_time(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry("1"), entry("2")])?;
    let claimed = claim(queues);
    queues.defer(claimed.claim, &Entry { attempts: 1, ..claimed.entry })?;
    assert_eq!(drain(queues), ["2", "1"]);
    Ok(())
}

fn deferred_as_another(queues: &dyn QueueBackend) -> Outcome {
    let mine = entry("mine");
    queues.put(std::slice::from_ref(&mine))?;
    for wrong in [entry("another"), Entry { queue: Queue::Bounce, ..mine }] {
        let error = queues.defer(claim(queues).claim, &wrong).expect_err("another entry");
        assert!(matches!(error.kind(), Kind::Misuse(_)) && !error.is_temporary());
    }
    assert_eq!(text(&claim(queues).entry), "mine", "it is not lost");
    Ok(())
}

fn shunted(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry("fault"), entry("next")])?;
    let claimed = claim(queues);
    let id = claimed.claim.id();
    queues.shunt(claimed.claim, &why())?;
    let found = queues.find(id)?.expect("it is kept");
    assert_eq!((found.queue, found.state, found.why), (Queue::Auth, State::Shunted, Some(why())));
    assert_eq!(decode(&found.bytes).expect("its message file"), claimed.entry);
    assert_eq!(queues.list(Queue::Auth, State::Shunted, 10)?[0].why.as_deref(), Some("index out of bounds"));
    assert!(queues.retry(id)?);
    assert!(!queues.retry(id)?, "it is claimable already");
    assert_eq!(drain(queues), ["next", "fault"]);
    Ok(())
}

fn retried_early(queues: &dyn QueueBackend) -> Outcome {
    let later = Entry { not_before: Some(in_future(Duration::from_secs(3600))), ..entry("later") };
    queues.put(&[later.clone(), entry("now")])?;
    assert!(queues.retry(later.id)?);
    assert!(!queues.retry(entry("unknown").id)?);
    assert_eq!(drain(queues), ["now", "later"]);
    Ok(())
}

fn removed(queues: &dyn QueueBackend) -> Outcome {
    let later = Entry { not_before: Some(in_future(Duration::from_secs(3600))), ..entry("later") };
    let (fault, work, new) = (entry("fault"), entry("work"), entry("new"));
    queues.put(&[later.clone(), fault.clone(), work.clone(), new.clone()])?;
    queues.shunt(claim(queues).claim, &why())?;
    let claimed = claim(queues);
    for entry in [&later, &fault, &new] {
        assert!(queues.remove(entry.id)?, "{}", text(entry));
        assert!(!queues.remove(entry.id)?, "{}, a second time", text(entry));
        assert!(queues.find(entry.id)?.is_none());
    }
    assert!(!queues.remove(work.id)?, "somebody works on it");
    queues.release(claimed.claim)?;
    assert!(is_empty(queues));
    let status = queues.status(Queue::Auth)?;
    assert_eq!((status.depth, status.deferred, status.shunted), (0, 0, 0));
    Ok(())
}

fn paused(queues: &dyn QueueBackend) -> Outcome {
    queues.set_paused(Queue::Auth, true)?;
    queues.set_paused(Queue::Auth, true)?;
    queues.put(&[entry("waits")])?;
    assert!(is_empty(queues));
    let status = queues.status(Queue::Auth)?;
    assert!(status.paused && status.depth == 1);
    assert!(!queues.status(Queue::Bounce)?.paused);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(queues));
        queues.set_paused(Queue::Auth, false)?;
        queues.release(waiting.join().expect("it came").claim)
    })
}

fn claimed_once(queues: &dyn QueueBackend) -> Outcome {
    let entries: Vec<Entry> = (0..2000).map(|number| entry(&number.to_string())).collect();
    let seen = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let claimers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| -> Outcome {
                    while seen.lock().unwrap().len() < entries.len() {
                        let Some(claimed) = queues.claim(Queue::Auth, Duration::from_millis(50))? else { continue };
                        seen.lock().unwrap().push(claimed.entry.id);
                        queues.release(claimed.claim)?;
                    }
                    Ok(())
                })
            })
            .collect();
        let putters: Vec<_> = entries
            .chunks(500)
            .map(|part| scope.spawn(|| part.chunks(7).try_for_each(|some| queues.put(some))))
            .collect();
        putters.into_iter().chain(claimers).try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), entries.len(), "each once");
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), entries.iter().map(|entry| entry.id).collect());
    assert_eq!(queues.status(Queue::Auth)?.depth, 0);
    Ok(())
}

fn dropped_claim(queues: &dyn QueueBackend) -> Outcome {
    queues.put(&[entry("dropped")])?;
    drop(claim(queues));
    let claimed = claim(queues);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(queues));
        drop(claimed);
        let claimed = waiting.join().expect("it came");
        assert_eq!(text(&claimed.entry), "dropped");
        queues.release(claimed.claim)
    })?;
    assert!(is_empty(queues));
    Ok(())
}

fn status(queues: &dyn QueueBackend) -> Outcome {
    let empty = queues.status(Queue::Auth)?;
    assert_eq!((empty.depth, empty.oldest_s), (0, None));
    let later = Entry { not_before: Some(in_future(Duration::from_secs(3600))), ..entry("later") };
    queues.put(&[entry("fault"), entry("work"), entry("new 1"), entry("new 2"), later])?;
    queues.shunt(claim(queues).claim, &why())?;
    let claimed = claim(queues);
    let status = queues.status(Queue::Auth)?;
    assert_eq!((status.depth, status.claimed, status.deferred, status.shunted, status.corrupt), (3, 1, 1, 1, 0));
    assert!(status.oldest_s.is_some_and(|oldest| oldest < SOON.as_secs()));
    assert!(!status.paused && status.queue == Queue::Auth);
    assert_eq!(queues.status(Queue::Outbound)?.depth, 0);
    queues.release(claimed.claim)
}

fn listed(queues: &dyn QueueBackend) -> Outcome {
    let entries: Vec<Entry> = (0..20).map(|number| entry(&number.to_string())).collect();
    queues.put(&entries)?;
    let high = entry_of(Priority::High, "high");
    queues.put(std::slice::from_ref(&high))?;
    let listed = queues.list(Queue::Auth, State::New, 4)?;
    let ids: Vec<_> = listed.iter().filter_map(|listed| listed.entry.as_ref()).map(|entry| entry.id).collect();
    assert_eq!(ids, [high.id, entries[0].id, entries[1].id, entries[2].id]);
    let first = listed[1].entry.as_ref().expect("its line 1");
    assert!(first.message.is_empty(), "messages are not read");
    assert_eq!(first.envelope, entries[0].envelope);
    assert!(listed[1].bytes > entries[0].message.len() as u64);
    assert!(queues.list(Queue::Auth, State::Claimed, 4)?.is_empty());
    assert!(queues.list(Queue::Auth, State::New, 0)?.is_empty());
    Ok(())
}

fn big_message(queues: &dyn QueueBackend) -> Outcome {
    let message: Vec<u8> = (0..5_u32 << 20).map(|at| (at ^ (at >> 8)).to_le_bytes()[0]).collect();
    let put = Entry { message: message.into(), ..entry("") };
    queues.put(std::slice::from_ref(&put))?;
    let claimed = claim(queues);
    assert!(claimed.entry.message == put.message, "every octet");
    queues.release(claimed.claim)
}
