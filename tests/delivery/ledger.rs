//! After a kill nobody is skipped, and only what was in flight is sent twice.

use listmill_delivery::{Claimant, Timeouts};
use listmill_tests::sink::{Answer, Script, Sink, Step};

use crate::setting::{PATIENCE, Setting, after_a_kill, deliverer, entry, plan};

/// Serves members up to this number and then hangs at the dot, the first time.
fn hangs_at(number: usize) -> Script {
    let who = format!("member{number}@example.net");
    Script::answering(move |asked| match asked.step == Step::Dot && asked.argument == who && asked.before == 0 {
        true => Answer::Stall,
        false => Answer::Usual,
    })
}

fn unacknowledged(sink: &Sink) -> usize {
    sink.received().iter().filter(|one| !one.acknowledged).count()
}

/// Until so many messages have been received whose final reply was not said.
async fn in_flight(sink: &Sink, count: usize) {
    sink.until(|sink| unacknowledged(sink) >= count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_the_middle_only_the_one_in_flight_is_sent_to_again() {
    let sink = Sink::start(hangs_at(60));
    let setting = Setting::new(&sink, 1);
    let entry = entry(100);
    let plan = plan(&entry);
    tokio::select! {
        _ = setting.deliverer.deliver(&entry, &plan, Claimant::Alone) => panic!("it hangs"),
        () = in_flight(&sink, 1) => {}
    }
    // What the kill leaves: the directory, with the lines of those whose reply was read.
    let again = deliverer(setting.dir.path(), &sink.url("smtp"), 4, Timeouts::default(), None);
    drop(setting.deliverer);
    let outcomes = after_a_kill(&again, &entry, &plan).await;
    assert_eq!(outcomes.iter().filter(|(_, outcome)| outcome.code == 250).count(), 100);
    let times: Vec<usize> = sink.served().into_values().collect();
    assert_eq!((times.len(), times.iter().max()), (100, Some(&1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recipients_done_before_the_kill_are_reported_with_their_outcome() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument, asked.before) {
        (Step::Rcpt, "member1@example.net", 0) => Answer::say("550 5.1.1 no such user"),
        (Step::Rcpt, "member2@example.net", 0) => Answer::say("451 4.3.0 later"),
        (Step::Dot, "member3@example.net", 0) => Answer::Stall,
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 1);
    let entry = entry(6);
    let plan = plan(&entry);
    tokio::select! {
        _ = setting.deliverer.deliver(&entry, &plan, Claimant::Alone) => panic!("it hangs"),
        () = in_flight(&sink, 1) => {}
    }
    let again = Setting {
        deliverer: deliverer(setting.dir.path(), &sink.url("smtp"), 1, Timeouts::default(), None),
        dir: setting.dir,
    };
    let sent = again.send(&entry).await;
    let codes: Vec<_> = (0..6).map(|place| sent.code(place).0).collect();
    assert_eq!(codes, [250, 550, 451, 250, 250, 250], "1 and 2 were not asked for again");
    let asked = |who: &str| sink.commands().iter().filter(|line| line.contains(&format!("TO:<{who}@"))).count();
    let times: Vec<usize> = (0..6).map(|n| asked(&format!("member{n}"))).collect();
    assert_eq!(times, [1, 1, 1, 2, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_transaction_and_several_in_a_row_skip_nobody() {
    let sink = Sink::start(Script::answering(|asked| {
        match asked.step == Step::Dot && asked.before == 0 && asked.transactions == 3 {
            true => Answer::Stall,
            false => Answer::Usual,
        }
    }));
    let setting = Setting::new(&sink, 3);
    let entry = entry(60);
    let plan = plan(&entry);
    let mut kills = 0;
    let outcomes = loop {
        let process = deliverer(setting.dir.path(), &sink.url("smtp"), 3, Timeouts::default(), None);
        let before = unacknowledged(&sink);
        tokio::select! {
            outcomes = after_a_kill(&process, &entry, &plan) => break outcomes,
            () = in_flight(&sink, before + 1) => kills += 1,
        }
    };
    assert!(kills > 2, "{kills}");
    assert_eq!(outcomes.iter().filter(|(_, outcome)| outcome.code == 250).count(), 60);
    let served = sink.served();
    assert_eq!(served.len(), 60, "nobody is skipped");
    let extra: usize = served.values().map(|times| times - 1).sum();
    assert!(extra <= kills * 3, "{extra} copies too many after {kills} kills with 3 connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_entry_that_is_written_again_is_recognised() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 1);
    let entry = entry(2);
    assert!(!setting.deliverer.ledger().was_finished(entry.id));
    setting.send(&entry).await;
    let other_process = deliverer(setting.dir.path(), &sink.url("smtp"), 1, Timeouts::default(), None);
    assert!(other_process.ledger().was_finished(entry.id));
    // Released and killed before `finish`: the page knows.
    let late = crate::setting::entry(2);
    setting.deliverer.deliver(&late, &plan(&late), Claimant::Alone).await.unwrap();
    other_process.deliver(&late, &plan(&late), Claimant::Alone).await.unwrap();
    assert!(sink.wait(PATIENCE, |sink| sink.received().len() == 4));
    assert!(!other_process.ledger().was_finished(late.id));
}
