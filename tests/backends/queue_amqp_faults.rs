//! What a broker may do to us: die, forget, refuse, and hand out what kills its reader.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use listmill_queue::{AmqpConfig, AmqpQueues, Claimed, Kind, QueueBackend, State};
use listmill_queue_format::{Entry, Queue, encode};
use listmill_tests::program::wait_for;
use listmill_tests::rabbit::Rabbit;

use crate::queue::{NOW, SOON, claim, drain, entry, is_empty, text};
use crate::queue_amqp::{config, queues};

/// Restarts of the broker: many when everything is to be tested.
fn restarts() -> usize {
    if std::env::var_os("LISTMILL_TESTS_FULL").is_some_and(|value| value == "1") { 50 } else { 3 }
}

#[test]
fn however_often_the_broker_dies_nothing_confirmed_is_lost() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    let queues = AmqpQueues::connect(AmqpConfig { patience: Duration::from_secs(5), ..config(&rabbit) }).unwrap();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (confirmed, arrived) = (Mutex::new(HashSet::new()), Mutex::new(Vec::new()));
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = count.fetch_add(1, Ordering::Relaxed).to_string();
                    if queues.put(&[entry(&number)]).is_ok() {
                        confirmed.lock().unwrap().insert(number);
                    }
                }
            });
            // From auth to moderation, and out of there.
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(Some(Claimed { entry, claim })) = queues.claim(Queue::Auth, Duration::from_millis(200))
                    else {
                        continue;
                    };
                    let next = entry.derive("auth", 0, Queue::Moderation);
                    if queues.put(&[next]).is_ok() {
                        let _ = queues.release(claim); // else it comes again
                    }
                }
            });
            scope.spawn(|| take_all(&queues, Queue::Moderation, &stop, &arrived));
        }
        for restart in 0..restarts() {
            wait_for_progress(&confirmed);
            if restart % 2 == 0 {
                rabbit.kill()
            } else {
                rabbit.stop()
            }
            rabbit.run();
            let up = Instant::now();
            wait_for_progress(&confirmed);
            slowest = slowest.max(up.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let confirmed = confirmed.into_inner().unwrap();
    let mut rest: Vec<String> = arrived.into_inner().unwrap();
    for queue in [Queue::Auth, Queue::Moderation] {
        while let Some(claimed) = queues.claim(queue, Duration::from_secs(3)).unwrap() {
            rest.push(text(&claimed.entry));
            queues.release(claimed.claim).unwrap();
        }
        let shunted = queues.list(queue, State::Shunted, 1000).unwrap();
        assert!(shunted.is_empty(), "{} in the shunt of {queue}", shunted.len());
    }
    let arrived: HashSet<String> = rest.iter().cloned().collect();
    let lost: Vec<_> = confirmed.difference(&arrived).collect();
    println!(
        "{} restarts: {} confirmed, {} lost, {} came twice, back at work within {slowest:?}",
        restarts(),
        confirmed.len(),
        lost.len(),
        rest.len() - arrived.len()
    );
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(slowest < Duration::from_secs(30));
}

/// More is confirmed than now.
fn wait_for_progress(confirmed: &Mutex<HashSet<String>>) {
    let before = confirmed.lock().unwrap().len();
    wait_for("confirms that go on", || confirmed.lock().unwrap().len() >= before + 20);
}

fn take_all(queues: &AmqpQueues, queue: Queue, stop: &AtomicBool, arrived: &Mutex<Vec<String>>) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(Some(claimed)) = queues.claim(queue, Duration::from_millis(200)) else { continue };
        arrived.lock().unwrap().push(text(&claimed.entry));
        let _ = queues.release(claimed.claim); // else it comes again
    }
}

#[test]
fn a_process_starts_without_its_broker_and_waits_for_it() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    rabbit.stop();
    let queues = AmqpQueues::connect(AmqpConfig { patience: Duration::from_secs(1), ..config(&rabbit) }).unwrap();
    let began = Instant::now();
    let error = queues.put(&[entry("too early")]).unwrap_err();
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Away(_)), "{error}");
    assert!(queues.claim(Queue::Auth, NOW).unwrap_err().is_temporary());
    assert!(began.elapsed() < Duration::from_secs(10));
    rabbit.run();
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = queues.put(&[entry("now")]) {
        assert!(Instant::now() < until, "{error}");
    }
    assert_eq!(text(&claim(&queues).entry), "now");
}

#[test]
fn a_claim_ends_with_its_connection() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    let queues = queues(&rabbit);
    queues.put(&[entry("1"), entry("2")]).unwrap();
    let (one, two) = (claim(&queues), claim(&queues));
    rabbit.kill();
    rabbit.run();
    // What was in hand when its holder died comes one at a time.
    let again = claim(&queues);
    assert_eq!(text(&again.entry), "1");
    let error = queues.release(one.claim).unwrap_err();
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Lost), "{error}");
    drop(two.claim);
    assert!(is_empty(&queues));
    queues.release(again.claim).unwrap();
    let again = claim(&queues);
    assert_eq!(text(&again.entry), "2");
    queues.release(again.claim).unwrap();
    assert!(is_empty(&queues));
}

#[test]
fn a_queue_that_the_broker_forgot_is_noticed_and_nothing_counts_as_stored() {
    let Some(rabbit) = Rabbit::start() else { return };
    let queues = queues(&rabbit);
    rabbit.ctl(&["delete_queue", "listmill.auth"]);
    let error = queues.put(&[entry("whereto?")]).unwrap_err();
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Unroutable(_)), "{error}");
    // It is declared again, and who was told "later" comes again.
    queues.put(&[entry("there")]).unwrap();
    assert_eq!(text(&claim(&queues).entry), "there");
    // The queue of a reader: its entries are gone with it, and it goes on with what comes.
    rabbit.ctl(&["delete_queue", "listmill.auth"]);
    let until = Instant::now() + SOON;
    while queues.put(&[entry("again")]).is_err() {
        assert!(Instant::now() < until);
    }
    // What was handed out before may come once more.
    while text(&claim_and_release(&queues)) != "again" {
        assert!(Instant::now() < until);
    }
}

fn claim_and_release(queues: &AmqpQueues) -> Entry {
    let claimed = claim(queues);
    let _ = queues.release(claimed.claim); // else it comes again
    claimed.entry
}

fn drain_soon(queues: &AmqpQueues) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_secs(3)).unwrap() {
        texts.push(text(&claimed.entry));
        let _ = queues.release(claimed.claim); // else it comes again
    }
    texts
}

#[test]
fn a_broker_short_of_memory_is_said_so_within_bounds() {
    let Some(rabbit) = Rabbit::start() else { return };
    let queues = AmqpQueues::connect(AmqpConfig { patience: Duration::from_secs(3), ..config(&rabbit) }).unwrap();
    queues.put(&[entry("before")]).unwrap();
    rabbit.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    let until = Instant::now() + SOON;
    let error = loop {
        let began = Instant::now();
        let put = queues.put(&[entry("meanwhile")]);
        assert!(began.elapsed() < Duration::from_secs(5), "within the patience");
        match put {
            Err(error) => break error,
            Ok(()) => assert!(Instant::now() < until, "the broker takes everything"),
        }
    };
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Blocked(_)), "{error}");
    assert!(!queues.is_ready());
    // What is there can be worked off, which is what makes room.
    let claimed = claim(&queues);
    assert_eq!(text(&claimed.entry), "before");
    queues.release(claimed.claim).unwrap();
    rabbit.ctl(&["set_vm_memory_high_watermark", "0.6"]);
    wait_for("word that there is room again", || queues.is_ready());
    queues.put(&[entry("after")]).unwrap();
    assert!(drain_soon(&queues).contains(&"after".to_owned()));
}

#[test]
fn an_entry_that_kills_its_readers_is_set_aside_alone() {
    let Some(rabbit) = Rabbit::start() else { return };
    let names = ["1", "2", "3", "poison", "5", "6", "7", "8"];
    queues(&rabbit).put(&names.map(entry)).unwrap();
    let (mut deaths, mut done) = (0, Vec::new());
    while done.len() < names.len() - 1 || queues(&rabbit).status(Queue::Auth).unwrap().shunted == 0 {
        // A process that dies of it: everything that it had goes back at once.
        let process = queues(&rabbit);
        while let Some(claimed) = process.claim(Queue::Auth, Duration::from_secs(1)).unwrap() {
            if text(&claimed.entry) == "poison" {
                deaths += 1;
                assert!(deaths < 20, "it is handed out for ever");
                std::mem::forget(claimed.claim);
                break;
            }
            done.push(text(&claimed.entry));
            process.release(claimed.claim).unwrap();
        }
    }
    println!("set aside after {deaths} deaths");
    assert!(deaths <= 6);
    done.sort();
    assert_eq!(done, ["1", "2", "3", "5", "6", "7", "8"], "its neighbours are not harmed");
    let queues = queues(&rabbit);
    let until = Instant::now() + SOON;
    while queues.status(Queue::Auth).unwrap().shunted == 0 {
        assert!(Instant::now() < until, "it is in no shunt queue");
    }
    let listed = queues.list(Queue::Auth, State::Shunted, 10).unwrap();
    assert!(listed[0].why.as_deref().is_some_and(|why| why.contains("delivery limit")), "{listed:?}");
    let id = listed[0].entry.as_ref().unwrap().id;
    assert_eq!(queues.find(id).unwrap().unwrap().why.unwrap().stage, "auth");
    assert!(queues.retry(id).unwrap());
    assert_eq!(drain(&queues), ["poison"]);
}

#[test]
fn what_is_no_entry_is_set_aside_and_what_is_newer_waits() {
    let Some(rabbit) = Rabbit::start() else { return };
    let queues = queues(&rabbit);
    let good = encode(&entry("good")).unwrap();
    let newer = String::from_utf8(good.clone()).unwrap().replacen("listmill/1\"", "listmill/2\"", 1).into_bytes();
    let elsewhere = encode(&listmill_queue_format::Entry { queue: Queue::Bounce, ..entry("astray") }).unwrap();
    publish(&rabbit, &[b"no entry\r\n".to_vec(), newer, elsewhere, good]);
    assert_eq!(drain(&queues), ["good"]);
    let until = Instant::now() + SOON;
    loop {
        let status = queues.status(Queue::Auth).unwrap();
        if (status.corrupt, status.deferred, status.depth) == (2, 1, 0) {
            break;
        }
        assert!(Instant::now() < until, "{status:?}");
    }
    let whys: Vec<_> =
        queues.list(Queue::Auth, State::Corrupt, 10).unwrap().into_iter().filter_map(|listed| listed.why).collect();
    assert!(whys.iter().any(|why| why.starts_with("json: ")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("bounce")), "{whys:?}");
}

/// As a foreign program does that knows no better.
fn publish(rabbit: &Rabbit, bodies: &[Vec<u8>]) {
    with_channel(rabbit, async |channel| {
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        for body in bodies {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let sent = channel.basic_publish(
                "listmill.auth".into(),
                "new.normal".into(),
                options,
                body,
                BasicProperties::default(),
            );
            assert!(sent.await.unwrap().await.unwrap().is_ack());
        }
    });
}

pub(crate) fn with_channel(rabbit: &Rabbit, work: impl AsyncFnOnce(Channel)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await.unwrap();
        work(connection.create_channel().await.unwrap()).await;
    });
}
