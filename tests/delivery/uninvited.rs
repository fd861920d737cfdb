//! What the next host says without being asked is nobody's reply.

use listmill_delivery::Timeouts;
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use crate::setting::{PATIENCE, Setting, entry, shared};
use crate::tls::Trusted;

const TWO: &[u8] = b"250 2.0.0 taken\r\n550 5.1.1 no such user\r\n";

/// The same over a plain connection and within TLS.
async fn both(answer: fn(&Asked<'_>) -> Answer, check: impl AsyncFn(&Sink, &Setting)) {
    let plain = Sink::start(Script::answering(answer));
    check(&plain, &Setting::new(&plain, 1)).await;
    let trusted = Trusted::new();
    let sink = Sink::start(Script::answering(answer).secured(trusted.implicit()));
    check(&sink, &Setting::over(&sink.url("smtps"), 1, Timeouts::default(), Some(&trusted.ca_file()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reply_to_the_dot_is_not_the_next_recipients() {
    let once = |asked: &Asked<'_>| match asked.step {
        Step::Dot if asked.transactions == 3 => Answer::Raw(TWO.to_vec()),
        _ => Answer::Usual,
    };
    both(once, async |sink, setting| {
        let sent = setting.send(&entry(41)).await;
        assert_eq!((sent.done(), sent.refused.is_none()), (41, true));
        assert!(sink.served().values().all(|times| *times == 1));
        assert_eq!(sink.received().len(), 41);
        assert_eq!(sink.connections().0, 14, "each is given up behind its third");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_says_everything_twice_is_served_and_the_delivery_ends() {
    let always = |asked: &Asked<'_>| match asked.step {
        Step::Dot => Answer::Raw(TWO.to_vec()),
        _ => Answer::Usual,
    };
    both(always, async |sink, setting| {
        assert_eq!(setting.send(&entry(20)).await.done(), 20);
        assert_eq!(sink.connections().0, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_out_of_step_from_the_start_are_few_and_everybody_waits() {
    let at_hello = |asked: &Asked<'_>| match asked.step {
        Step::Hello => Answer::Raw(b"250 sink.example.org\r\n550 5.1.1 no such user\r\n".to_vec()),
        _ => Answer::Usual,
    };
    both(at_hello, async |sink, setting| {
        let sent = setting.send(&entry(100)).await;
        assert!(sent.outcomes.iter().all(|(_, outcome)| (outcome.code, outcome.status.as_str()) == (0, "4.4.2")));
        assert!(sent.of(0).text.contains("without being asked"), "{}", sent.of(0).text);
        assert_eq!((sink.connections().0, sent.waiting.unwrap().recipients.len()), (4, 100));
        assert!(!sink.commands().iter().any(|line| line.starts_with("MAIL")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_421_while_the_connection_is_idle_costs_nobody() {
    // It arrives behind the reply that was asked for, as when the host restarts between two entries.
    let leaves = |asked: &Asked<'_>| match asked.step {
        Step::Dot => Answer::SayAndClose("250 2.0.0 taken\r\n421 4.3.2 shutting down".to_owned()),
        _ => Answer::Usual,
    };
    both(leaves, async |sink, setting| {
        for round in 1..=3 {
            assert_eq!(setting.send(&entry(1)).await.done(), 1);
            assert!(sink.wait(PATIENCE, |sink| sink.connections() == (round, round)));
        }
        assert_eq!(sink.received().len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_transaction_no_reply_is_believed_any_more() {
    for step in [Step::Mail, Step::Rcpt, Step::Data] {
        let sink = Sink::start(Script::answering(move |asked| match (asked.step, asked.argument) {
            (Step::Mail, _) if step == Step::Mail => {
                Answer::Raw(b"250 2.1.0 go on\r\n550 5.1.1 no such user\r\n".to_vec())
            }
            (Step::Rcpt, "member1@example.net") if step == Step::Rcpt => {
                Answer::Raw(b"550 5.1.1 no such user\r\n550 5.1.1 no such user\r\n".to_vec())
            }
            // Else it would be the delivery of a message that was never sent.
            (Step::Data, _) if step == Step::Data => Answer::Raw(b"354 go on\r\n250 2.0.0 taken\r\n".to_vec()),
            _ => Answer::Usual,
        }));
        let sent = Setting::new(&sink, 1).send(&shared(4)).await;
        assert!((0..4).all(|place| sent.code(place) == (0, "4.4.2")), "{step:?}: {:?}", sent.outcomes);
        assert_eq!((sink.received().len(), sent.refused.is_none()), (0, true), "{step:?}");
    }
}
