//! The queues at a broker: the conformance suite, what several processes share, what an operator may and sees.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lapin::types::FieldTable;
use listmill_queue::{
    AmqpConfig, AmqpQueues, Board, DiskQueues, ForwardConfig, ForwardQueues, Kind, QueueBackend, State, amqp_check,
};
use listmill_queue_format::{Priority, Queue};
use listmill_tests::program::wait_for;
use listmill_tests::rabbit::Rabbit;

use crate::queue::{NOW, SOON, claim, drain, entry, entry_of, is_empty, text};
use crate::queue_amqp_faults::with_channel;
use crate::queue_conformance::exercise;

/// A process's queues at this broker.
pub(crate) fn queues(rabbit: &Rabbit) -> AmqpQueues {
    let queues = AmqpQueues::connect(config(rabbit)).unwrap();
    queues.status(Queue::Auth).unwrap(); // from now on it is connected
    queues
}

pub(crate) fn config(rabbit: &Rabbit) -> AmqpConfig {
    AmqpConfig { patience: Duration::from_secs(20), ..AmqpConfig::new(rabbit.url(), "test") }
}

#[test]
fn the_broker_conforms() {
    let Some(rabbit) = Rabbit::start() else { return };
    exercise("AMQP", || {
        let queues = queues(&rabbit);
        rabbit.purge();
        Box::new(queues)
    });
}

#[test]
fn two_processes_share_a_queue_and_its_pause() {
    let Some(rabbit) = Rabbit::start() else { return };
    let (one, other) = (queues(&rabbit), queues(&rabbit));
    let all: Vec<_> = (0..300).map(|number| entry(&number.to_string())).collect();
    let takes = |queues: &AmqpQueues| {
        let mut texts = Vec::new();
        while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_secs(2)).unwrap() {
            texts.push(text(&claimed.entry));
            queues.release(claimed.claim).unwrap();
        }
        texts
    };
    thread::scope(|scope| {
        let taken = [scope.spawn(|| takes(&one)), scope.spawn(|| takes(&other))];
        all.chunks(10).for_each(|some| one.put(some).unwrap());
        let taken = taken.map(|thread| thread.join().unwrap());
        println!("two processes took {} and {} of 300", taken[0].len(), taken[1].len());
        assert!(taken.iter().all(|texts| texts.len() >= 30), "both have their share");
        assert_eq!(taken.concat().len(), 300, "each once");
        assert_eq!(taken.concat().into_iter().collect::<HashSet<_>>().len(), 300);
    });

    one.leave(Queue::Auth).unwrap(); // else it takes ahead what the other one is asked for
    one.set_paused(Queue::Auth, true).unwrap();
    let until = Instant::now() + SOON;
    other.put(&[entry("waits")]).unwrap();
    // The other one hears of it within a second or so.
    while let Some(claimed) = other.claim(Queue::Auth, NOW).unwrap() {
        assert!(Instant::now() < until, "the pause is not heard of");
        other.give_back(claimed.claim).unwrap();
    }
    assert!(other.status(Queue::Auth).unwrap().paused);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(&other));
        one.set_paused(Queue::Auth, false).unwrap();
        other.release(waiting.join().unwrap().claim).unwrap();
    });
}

#[test]
fn what_a_process_has_taken_ahead_others_get_when_it_leaves() {
    let Some(rabbit) = Rabbit::start() else { return };
    let (one, other) = (queues(&rabbit), queues(&rabbit));
    one.put(&[entry("1"), entry("2"), entry("3")]).unwrap();
    one.put(&[entry_of(Priority::High, "first")]).unwrap();
    let mine = claim(&one);
    assert_eq!(text(&mine.entry), "first");
    assert!(is_empty(&other), "one has taken all of them ahead");
    one.leave(Queue::Auth).unwrap();
    assert_eq!(drain(&other), ["1", "2", "3"]);
    one.release(mine.claim).unwrap();
    other.leave(Queue::Auth).unwrap();
    other.put(&[entry("4")]).unwrap();
    assert_eq!(drain(&one), ["4"], "who claims is there again");
}

#[test]
fn the_board_shows_the_newest_notice_to_all_also_after_a_restart() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    let (one, other) = (queues(&rabbit), queues(&rabbit));
    assert!(one.newest(None, NOW).unwrap().is_none());
    one.post(b"a.example.org").unwrap();
    one.post(b"a.example.org b.example.org").unwrap();
    let (mark, notice) = other.newest(None, NOW).unwrap().unwrap();
    assert_eq!(notice, b"a.example.org b.example.org");
    assert!(other.newest(Some(mark), NOW).unwrap().is_none());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.newest(Some(mark), SOON).unwrap());
        one.post(b"c.example.org").unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().1, b"c.example.org");
    });
    rabbit.kill();
    rabbit.run();
    let late = queues(&rabbit);
    let stands = |(_, notice)| notice == b"c.example.org";
    wait_for("the notice that stood there", || late.newest(None, SOON).ok().flatten().is_some_and(stands));
}

#[test]
fn tls_believes_the_authority_it_is_given_and_no_other() {
    let Some(rabbit) = Rabbit::start() else { return };
    let (url, ca_file) = rabbit.tls();
    let config = AmqpConfig { patience: Duration::from_secs(20), ..AmqpConfig::new(url, "test") };
    let believing = AmqpConfig { ca_file: Some(ca_file), ..config.clone() };
    let queues = AmqpQueues::connect(believing.clone()).unwrap();
    queues.put(&[entry("in private")]).unwrap();
    assert_eq!(drain(&queues), ["in private"]);
    assert!(amqp_check(&believing, &Queue::ALL, &Queue::ALL).unwrap().is_empty());
    let doubting = AmqpConfig { patience: Duration::from_secs(3), ..config };
    let error = amqp_check(&doubting, &[], &[]).unwrap_err();
    assert!(matches!(error.kind(), Kind::Away(why) if why.contains("certificate")), "{error}");
    let error = AmqpQueues::connect(doubting).unwrap().put(&[entry("to whom?")]).unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("certificate"), "{error}");
}

#[test]
fn the_shipped_definitions_let_each_host_do_its_work_and_no_more() {
    let Some(rabbit) = Rabbit::start() else { return };
    rabbit.ctl(&["import_definitions", concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/rabbitmq/definitions.json")]);
    let user = |name: &str| {
        rabbit.ctl(&["change_password", name, "secret"]);
        AmqpConfig { url: rabbit.url().replace("guest:guest", &format!("{name}:secret")), ..config(&rabbit) }
    };
    let (mx1, db1, out1) = (user("mx1"), user("db1"), user("out1"));
    let store = [Queue::Auth, Queue::Moderation, Queue::Pending, Queue::Bounce, Queue::Command];
    let nothing: [String; 0] = [];
    assert_eq!(amqp_check(&mx1, &[Queue::Inbound], &[Queue::Auth, Queue::Bounce, Queue::Command]).unwrap(), nothing);
    assert_eq!(amqp_check(&db1, &store, &[Queue::Pending, Queue::Outbound, Queue::Bounce]).unwrap(), nothing);
    assert_eq!(amqp_check(&out1, &[Queue::Outbound], &[Queue::Outbound, Queue::Bounce]).unwrap(), nothing);
    for (config, reads, writes) in [(&mx1, Queue::Outbound, Queue::Outbound), (&out1, Queue::Auth, Queue::Pending)] {
        assert_eq!(amqp_check(config, &[reads], &[writes]).unwrap().len(), 2);
    }

    // And as they work: a post from the one to the next, the directory back.
    let [mx1, db1, out1] = [mx1, db1, out1].map(|config| AmqpQueues::connect(config).unwrap());
    mx1.put(&[entry("a post")]).unwrap();
    let post = claim(&db1);
    db1.put(&[post.entry.derive("pending", 0, Queue::Outbound)]).unwrap();
    db1.release(post.claim).unwrap();
    let copy = out1.claim(Queue::Outbound, SOON).unwrap().unwrap();
    out1.put(&[copy.entry.derive("outbound", 0, Queue::Bounce)]).unwrap();
    out1.release(copy.claim).unwrap();
    db1.post(b"dev@lists.example.org").unwrap();
    assert_eq!(mx1.newest(None, SOON).unwrap().unwrap().1, b"dev@lists.example.org");
    let error = mx1
        .put(&[entry("")].map(|entry| listmill_queue_format::Entry { queue: Queue::Outbound, ..entry }))
        .unwrap_err();
    assert!(error.to_string().contains("ACCESS_REFUSED"), "{error}");
    assert!(mx1.post(b"forged").is_err());
    mx1.put(&[entry("and it goes on")]).unwrap();
}

#[test]
fn a_spool_in_front_keeps_what_the_broker_does_not_take() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = AmqpConfig { patience: Duration::from_secs(5), ..config(&rabbit) };
    let broker = Arc::new(AmqpQueues::connect(config).unwrap());
    let small = ForwardConfig { max_bytes: 1 << 20, min_free: 0, ..ForwardConfig::new(dir.path()) };
    let queues = ForwardQueues::open(Arc::clone(&broker), small).unwrap();
    broker.status(Queue::Auth).unwrap(); // from now on it is connected
    queues.put(&[entry("direct")]).unwrap();
    assert_eq!(queues.waiting(Queue::Auth).unwrap(), 0);
    rabbit.kill();
    let mut kept = 0;
    let full = loop {
        match queues.put(&[entry(&kept.to_string())]) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full.kind(), Kind::Full(_)) && full.is_temporary(), "{full}");
    println!("{kept} entries were kept in a spool of 1 MiB");
    assert!(kept > 100);
    assert_eq!(queues.status(Queue::Auth).unwrap().unsent, kept);
    assert_eq!(queues.list(Queue::Auth, State::New, 1).unwrap().len(), 1);
    queues.forward(Queue::ALL.to_vec()).unwrap();
    rabbit.run();
    let began = Instant::now();
    wait_for("what was kept to be passed on", || queues.waiting(Queue::Auth).unwrap() == 0);
    println!("passed on {:?} after the broker was back", began.elapsed());
    let mut texts = Vec::new();
    while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_secs(2)).unwrap() {
        texts.push(text(&claimed.entry));
        queues.release(claimed.claim).unwrap();
    }
    let numbers: Vec<String> = (0..kept).map(|number| number.to_string()).collect();
    assert_eq!(texts[0], "direct");
    // A put that the dying broker had taken without saying so is there twice.
    texts.dedup();
    assert_eq!(texts[1..], numbers, "in the order in which they came");
}

#[test]
fn a_binding_that_somebody_removed_is_made_again() {
    let Some(rabbit) = Rabbit::start() else { return };
    let one = queues(&rabbit);
    let bindings = || {
        let all = rabbit.ctl(&["list_bindings", "source_name", "destination_name", "routing_key"]);
        all.lines().map(str::to_owned).collect::<HashSet<_>>()
    };
    let all = bindings();
    let unbind = |key: &str| {
        with_channel(&rabbit, async |channel| {
            let unbound =
                channel.queue_unbind("listmill.auth".into(), "listmill.auth".into(), key.into(), FieldTable::default());
            unbound.await.unwrap();
        })
    };
    unbind("new.normal");
    // Whoever looks makes nothing.
    assert!(amqp_check(&config(&rabbit), &Queue::ALL, &Queue::ALL).unwrap().is_empty());
    let error = one.put(&[entry("whereto?")]).unwrap_err();
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Unroutable(_)), "{error}");
    let until = Instant::now() + SOON;
    while one.put(&[entry("there")]).is_err() {
        assert!(Instant::now() < until);
    }
    assert_eq!(text(&claim(&one).entry), "there");

    unbind("new.normal");
    assert_ne!(bindings(), all);
    let _other = queues(&rabbit);
    assert_eq!(bindings(), all, "who connects makes what is missing");
}

#[test]
fn what_the_broker_refuses_keeps_back_nothing_else() {
    let Some(rabbit) = Rabbit::start() else { return };
    rabbit.ctl(&["eval", "application:set_env(rabbit, max_message_size, 100000)."]);
    let dir = tempfile::tempdir().unwrap();
    let of = |queue, text| listmill_queue_format::Entry { queue, ..entry(text) };
    let large = listmill_queue_format::Entry { message: Arc::from(vec![b'x'; 200_000]), ..entry("") };
    let waiting = [entry("1"), large, entry("2"), of(Queue::Command, "another queue")];
    DiskQueues::open(dir.path()).unwrap().put(&waiting).unwrap();
    let broker = Arc::new(AmqpQueues::connect(config(&rabbit)).unwrap());
    let queues = ForwardQueues::open(broker, ForwardConfig { min_free: 0, ..ForwardConfig::new(dir.path()) }).unwrap();
    queues.forward(Queue::ALL.to_vec()).unwrap();
    let command = queues.claim(Queue::Command, SOON).unwrap().unwrap();
    assert_eq!(text(&command.entry), "another queue");
    queues.release(command.claim).unwrap();
    let mut texts = drain(&queues);
    texts.dedup(); // the first one was confirmed or not when the large one ended the channel
    assert_eq!(texts, ["1", "2"]);
    assert_eq!(queues.waiting(Queue::Auth).unwrap(), 1, "the large one is still there");
}
