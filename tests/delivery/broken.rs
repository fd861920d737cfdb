//! Connections that break, at every step.

use listmill_tests::sink::{Answer, Script, Sink, Step};

use crate::setting::{Setting, entry, shared};

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_behind_the_dot_gives_one_retry_copy_and_no_more() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument, asked.before) {
        (Step::Dot, "member7@example.net", 0) => Answer::Close,
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 1);
    let first = setting.send(&entry(20)).await;
    assert_eq!((first.done(), first.code(7)), (19, (0, "4.4.2")));
    assert!(first.of(7).text.ends_with("it may have been delivered"), "{}", first.of(7).text);
    let second = setting.send(&first.waiting.unwrap()).await;
    assert_eq!(second.done(), 1);
    let copies: Vec<_> = sink.received().into_iter().filter(|one| one.recipients[0] == "member7@example.net").collect();
    assert_eq!(copies.len(), 2, "the one that was perhaps delivered, and the retry");
    assert_eq!((&copies[0].data, &copies[0].return_path), (&copies[1].data, &copies[1].return_path));
    assert!(sink.served().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_always_drops_gets_a_few_messages_and_not_all() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Dot] {
        let sink =
            Sink::start(Script::answering(move |asked| if asked.step == step { Answer::Close } else { Answer::Usual }));
        let sent = Setting::new(&sink, 2).send(&entry(100)).await;
        assert_eq!(sent.waiting.unwrap().recipients.len(), 100);
        assert!((3..=8).contains(&sink.connections().0), "{step:?}: {:?}", sink.connections());
        assert!(sent.outcomes.iter().all(|(_, outcome)| outcome.code == 0 && outcome.status == "4.4.2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_within_the_data_is_no_delivery() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument, asked.before) {
        (Step::Data, "member1@example.net", 0) => Answer::CloseWithin(20),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 1).send(&entry(3)).await;
    assert_eq!((sent.done(), sent.code(1)), (2, (0, "4.4.2")));
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_before_a_transaction_costs_a_connection_and_no_recipient() {
    // As hosts do that take five messages over a connection.
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Mail if asked.transactions == 5 => Answer::SayAndClose("421 4.7.0 enough for now".to_owned()),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 1).send(&entry(23)).await;
    assert_eq!(sent.done(), 23);
    assert_eq!(sink.connections().0, 5);
    assert!(sink.served().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_in_the_middle_defers_that_transaction_and_keeps_what_was_said_before() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument) {
        (Step::Rcpt, "member1@example.net") => Answer::say("550 5.1.1 no such user"),
        (Step::Rcpt, "member3@example.net") => Answer::SayAndClose("421 4.3.2 shutting down".to_owned()),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 1).send(&shared(5)).await;
    let codes: Vec<_> = (0..5).map(|place| sent.code(place)).collect();
    let later = (421, "4.3.2");
    assert_eq!(codes, [later, (550, "5.1.1"), later, later, later]);
    assert_eq!(sink.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_behind_the_dot_is_a_deferral_and_not_a_doubt() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, asked.argument) {
        (Step::Dot, "member2@example.net") => Answer::SayAndClose("421 4.3.2 shutting down".to_owned()),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 1).send(&entry(5)).await;
    assert_eq!((sent.done(), sent.code(2)), (4, (421, "4.3.2")));
    assert_eq!(sent.of(2).text, "shutting down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_250_with_a_closed_connection_behind_it_is_a_delivery() {
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Dot => Answer::SayAndClose("250 2.0.0 taken".to_owned()),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 2).send(&entry(30)).await;
    assert_eq!(sent.done(), 30);
    assert!(sink.served().values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_nobodys_refusal() {
    let address = Sink::start(Script::default()).address();
    let setting = Setting::over(&format!("smtp://{address}"), 3, Default::default(), None);
    let sent = setting.send(&entry(40)).await;
    assert_eq!((sent.code(0), sent.waiting.as_ref().unwrap().recipients.len()), ((0, "4.4.1"), 40));
    assert!(sent.of(0).text.contains(&address.to_string()), "{}", sent.of(0).text);
    let error = setting.deliverer.check().await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_takes_fewer_connections_than_we_want_is_served_over_those() {
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Greeting if asked.connection >= 2 => Answer::SayAndClose("421 4.7.0 too many connections".to_owned()),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 6).send(&entry(60)).await;
    assert_eq!(sent.done(), 60);
}
