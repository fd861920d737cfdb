//! Connections are few, kept, shared, and closed in the end.

use std::time::Duration;

use listmill_delivery::{Claimant, DeliveryError, Timeouts};
use listmill_tests::sink::{Answer, Script, Sink, Step};

use crate::setting::{PATIENCE, Setting, entry};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again_by_the_next_entry() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 4);
    for _ in 0..5 {
        assert_eq!(setting.send(&entry(40)).await.done(), 40);
    }
    let (opened, closed) = sink.connections();
    assert!(opened <= 4 && closed == 0, "{opened} opened, {closed} closed");
    setting.deliverer.close().await;
    assert!(sink.wait(PATIENCE, |sink| sink.connections() == (opened, opened)));
    assert_eq!(sink.commands().iter().filter(|line| *line == "QUIT").count(), opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_entries_at_once_share_the_connections() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 3);
    let (one, other, third) = (entry(50), entry(50), entry(50));
    let sent = tokio::join!(setting.send(&one), setting.send(&other), setting.send(&third));
    assert_eq!(sent.0.done() + sent.1.done() + sent.2.done(), 150);
    assert!(sink.connections().0 <= 3, "{:?}", sink.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_entry_does_not_wait_for_a_long_one() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 1);
    let (mut long, short) = (entry(200), entry(1));
    for recipient in &mut long.recipients {
        recipient.address = format!("long-{}", recipient.address);
    }
    tokio::join!(setting.send(&long), async {
        sink.until(|sink| !sink.received().is_empty()).await;
        setting.send(&short).await;
        let sent = sink.received().len();
        assert!(sent < 200, "the short one came behind {sent}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_a_new_one_is_made() {
    let sink = Sink::start(Script::default());
    let timeouts = Timeouts { idle: Duration::from_millis(100), ..Timeouts::default() };
    let setting = Setting::over(&sink.url("smtp"), 2, timeouts, None);
    assert_eq!(setting.send(&entry(1)).await.done(), 1);
    assert!(sink.wait(PATIENCE, |sink| sink.connections() == (1, 1)));
    assert!(sink.commands().contains(&"QUIT".to_owned()));
    assert_eq!(setting.send(&entry(1)).await.done(), 1);
    assert_eq!(sink.connections().0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_host_closed_while_it_was_idle_costs_nobody() {
    // It closes each connection behind the first message, without a word.
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Mail if asked.transactions == 1 => Answer::Close,
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 1);
    for _ in 0..3 {
        assert_eq!(setting.send(&entry(2)).await.done(), 2);
    }
    assert!(sink.served().values().all(|times| *times == 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_finishes_the_transactions_in_flight_and_no_others() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 2);
    let entry = entry(2000);
    let (error, ()) = tokio::join!(setting.fail(&entry), async {
        sink.until(|sink| sink.received().len() > 3).await;
        setting.deliverer.stop();
    });
    assert!(matches!(error, DeliveryError::Stopped), "{error}");
    let before = sink.received().len();
    assert!(before < 2000);
    assert!(sink.served().values().all(|times| *times == 1));
    assert!(sink.received().iter().all(|one| one.acknowledged), "nothing was cut off");
    // The next process does the rest.
    let again = crate::setting::deliverer(setting.dir.path(), &sink.url("smtp"), 2, Timeouts::default(), None);
    let outcomes = again.deliver(&entry, &crate::setting::plan(&entry), Claimant::Alone).await.unwrap();
    assert_eq!(outcomes.len(), 2000);
    assert_eq!(sink.served().len(), 2000);
    assert!(sink.served().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_more_connections_gets_all_over_those_that_it_takes() {
    for (most, taken) in [(50, usize::MAX), (50, 13), (50, 4), (3, 2)] {
        let sink = Sink::start(Script::answering(move |asked| match asked.step {
            Step::Greeting if asked.connection >= taken => Answer::SayAndClose("421 4.7.0 too many".to_owned()),
            _ => Answer::Usual,
        }));
        let entry = entry(1500);
        assert_eq!(Setting::new(&sink, most).send(&entry).await.done(), 1500, "{taken} of {most}");
        assert!(sink.served().values().all(|times| *times == 1));
        assert_eq!(sink.violations(), [""; 0]);
    }
}
