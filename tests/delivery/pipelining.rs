//! Commands that are sent together, and behind the last dot (RFC 2920): each reply is its own transaction's, whatever the next host does.

use std::time::Duration;

use listmill_delivery::Timeouts;
use listmill_tests::sink::{Answer, Asked, Gate, Script, Sink, Step};

use crate::setting::{MESSAGE, Sent, Setting, entry, shared};

/// The number of the member of whom this is said; MAIL names it in the return path.
fn member(asked: &Asked<'_>) -> Option<usize> {
    let (_, rest) = asked.argument.split_once("member")?;
    rest.split(['@', '=']).next()?.parse().ok()
}

/// Whoever waits is sent to again, until nobody does; nobody is served twice.
async fn all_in_the_end(setting: &Setting, sink: &Sink, first: Sent, members: usize) {
    let mut sent = first;
    while let Some(waiting) = sent.waiting.take() {
        sent = setting.send(&waiting).await;
    }
    let served = sink.served();
    assert_eq!(served.len(), members);
    assert!(served.values().all(|times| *times == 1), "{served:?}");
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_transaction_rides_behind_the_dot_where_that_is_offered() {
    for offered in [true, false] {
        let script = if offered { Script::default() } else { Script::default().without("PIPELINING") };
        let sink = Sink::start(script);
        let entry = entry(60);
        assert_eq!(Setting::new(&sink, 1).send(&entry).await.done(), 60);
        assert_eq!(sink.received().iter().any(|one| one.rides), offered);
        for copy in sink.received() {
            let recipient = entry.recipients.iter().find(|one| one.address == copy.recipients[0]).unwrap();
            assert_eq!(copy.return_path, recipient.return_path);
            assert_eq!(copy.data, [recipient.headers[0].as_bytes(), b"\r\n", MESSAGE].concat());
        }
        assert_eq!((sink.violations(), sink.connections().0), (vec![], 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_one_that_was_sent_ahead_is_its_own() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Dot] {
        for (line, code) in [("554 5.7.1 spam", 554), ("452 4.2.2 full", 452)] {
            let sink = Sink::start(Script::answering(move |asked| match (asked.step == step, member(asked)) {
                (true, Some(number)) if number % 3 == 2 => Answer::say(line),
                _ => Answer::Usual,
            }));
            let sent = Setting::new(&sink, 1).send(&entry(30)).await;
            for place in 0..30 {
                assert_eq!(sent.code(place).0, if place % 3 == 2 { code } else { 250 }, "{step:?} of {place}");
            }
            assert_eq!((sink.violations(), sink.connections().0), (vec![], 1), "{step:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_354_for_nobody_gets_a_dot_and_no_message() {
    for refused_at in [Step::Mail, Step::Rcpt] {
        let sink = Sink::start(Script::answering(move |asked| match (asked.step, member(asked)) {
            (Step::Data, None) => Answer::say("354 go on, whoever you are"),
            (step, Some(number)) if step == refused_at && number % 4 == 1 => Answer::say("550 5.1.1 no such user"),
            _ => Answer::Usual,
        }));
        let sent = Setting::new(&sink, 1).send(&entry(24)).await;
        assert_eq!((sent.done(), sent.refused.unwrap().recipients.len()), (18, 6));
        assert_eq!((sink.violations(), sink.connections().0, sink.count()), (vec![], 1, 18), "{refused_at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_recipients_in_one_group_each_has_its_own_reply() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, member(asked)) {
        (Step::Rcpt, Some(number)) if number % 7 == 0 => Answer::say("550 5.1.1 no such user"),
        (Step::Rcpt, Some(number)) if number % 7 == 1 => Answer::say("450 4.2.1 later"),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 2).send(&shared(300)).await;
    for place in 0..300 {
        let expected = [550, 450, 250, 250, 250, 250, 250][place % 7];
        assert_eq!(sent.code(place).0, expected, "{place}");
    }
    assert_eq!(sink.violations(), [""; 0]);
}

/// The host does this at that step to every seventh member, the first time.
async fn breaks(step: Step, answer: fn() -> Answer) {
    let sink = Sink::start(Script::answering(move |asked| match (asked.step == step, member(asked)) {
        (true, Some(number)) if number % 7 == 3 && asked.before == 0 => answer(),
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 2);
    let sent = setting.send(&entry(60)).await;
    assert!(sent.refused.is_none(), "{step:?}");
    all_in_the_end(&setting, &sink, sent, 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_leaves_in_the_middle_of_a_group_costs_nobody_a_copy() {
    for step in [Step::Mail, Step::Rcpt, Step::Data] {
        breaks(step, || Answer::Close).await;
        breaks(step, || Answer::SayAndClose("421 4.3.2 shutting down".to_owned())).await;
    }
    breaks(Step::Dot, || Answer::SayAndClose("421 4.3.2 shutting down".to_owned())).await;
    breaks(Step::Dot, || Answer::SayAndClose("250 2.0.0 taken".to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loses_count_is_asked_one_thing_at_a_time() {
    // One reply too many, one in the place of another, DATA's before RCPT's.
    breaks(Step::Mail, || Answer::Raw(b"250 2.1.0 go on\r\n250 2.1.0 go on\r\n".to_vec())).await;
    breaks(Step::Mail, || Answer::say("354 go on")).await;
    breaks(Step::Rcpt, || Answer::Raw(b"354 go on\r\n250 2.1.5 go on\r\n".to_vec())).await;
    breaks(Step::Data, || Answer::say("250 2.0.0 taken")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wrong_reply_to_rset_nobody_is_told_what_was_meant_for_another() {
    let sink = Sink::start(Script::answering(|asked| match (asked.step, member(asked)) {
        (Step::Rcpt, Some(0)) => Answer::say("550 5.1.1 no such user"),
        (Step::Reset, _) if asked.before == 0 => Answer::say("354 go on"),
        _ => Answer::Usual,
    }));
    let sent = Setting::new(&sink, 1).send(&entry(12)).await;
    assert_eq!((sent.done(), sent.code(0).0), (11, 550));
    assert_eq!(sink.connections().0, 2, "the first one is given up");
    assert!(!sink.received().iter().any(|one| one.rides), "and from then on it is asked one thing at a time");
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_up_on_the_first_group_without_a_word_is_asked_one_thing_at_a_time() {
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Mail if asked.connection == 0 => Answer::Close,
        _ => Answer::Usual,
    }));
    assert_eq!(Setting::new(&sink, 1).send(&entry(12)).await.done(), 12);
    assert_eq!(sink.connections().0, 2);
    assert!(!sink.received().iter().any(|one| one.rides));
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_lmtp_a_354_for_nobody_ends_the_connection() {
    let script = Script::answering(|asked| match (asked.step, member(asked)) {
        (Step::Data, None) => Answer::say("354 go on, whoever you are"),
        (Step::Rcpt, Some(number)) if number % 4 == 1 => Answer::say("550 5.1.1 no such user"),
        _ => Answer::Usual,
    });
    let sink = Sink::start(Script { lmtp: true, ..script });
    let setting = Setting::over(&sink.url("lmtp"), 1, Timeouts::default(), None);
    let sent = setting.send(&entry(12)).await;
    assert_eq!((sent.done(), sent.refused.unwrap().recipients.len()), (9, 3));
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_throws_away_what_was_sent_ahead_is_found_out_and_nobody_is_lost() {
    let sink = Sink::start(Script { forgetful: true, ..Script::default() });
    let timeouts = Timeouts { group: Duration::from_millis(200), ..Timeouts::default() };
    let setting = Setting::over(&sink.url("smtp"), 2, timeouts, None);
    let sent = setting.send(&entry(60)).await;
    assert_eq!(sent.done(), 60);
    all_in_the_end(&setting, &sink, sent, 60).await;
    assert!(sink.connections().0 <= 4, "two are given up, and then nothing is sent ahead: {:?}", sink.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_behind_a_dot_that_hangs_goes_over_another_connection() {
    let gate = Gate::closed();
    let hangs = gate.clone();
    let sink = Sink::start(Script::answering(move |asked| match (asked.step, member(asked)) {
        (Step::Dot, Some(7)) => Answer::Until(hangs.clone(), "250 2.0.0 taken".to_owned()),
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 6);
    let entry = entry(40);
    let (sent, ()) = tokio::join!(setting.send(&entry), async {
        sink.until(|sink| sink.count() == 40).await;
        gate.open();
    });
    assert_eq!(sent.done(), 40);
    all_in_the_end(&setting, &sink, sent, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_arrive_whole_with_the_next_behind_them() {
    let sink = Sink::start(Script::default());
    let mut entry = entry(12);
    let lines = b".a line that begins with a dot\r\nand one that does not\r\n".repeat(10_000);
    entry.message = [b"Subject: large\r\n\r\n".as_slice(), &lines].concat().into();
    assert_eq!(Setting::new(&sink, 1).send(&entry).await.done(), 12);
    for copy in sink.received() {
        assert!(copy.data.ends_with(&entry.message) && copy.data.starts_with(b"List-Unsubscribe: "));
        assert_eq!(copy.parameters, [format!("SIZE={}", copy.data.len())]);
    }
    assert_eq!(sink.violations(), [""; 0]);
}
