//! Replies of every form, and what is none.

use std::time::Duration;

use listmill_delivery::Timeouts;
use listmill_tests::sink::{Answer, Script, Sink, Step};

use crate::setting::{Setting, entry};

/// The sink says this at the first RCPT.
fn at_rcpt(answer: Answer) -> Sink {
    Sink::start(Script::answering(move |asked| match (asked.step, asked.before) {
        (Step::Rcpt, 0) => answer.clone(),
        _ => Answer::Usual,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_reply_is_understood() {
    let long = format!("550-{}\r\n550 end\r\n", "x".repeat(3000));
    for (bytes, code, status, text) in [
        (
            &b"550-5.1.1 first line\r\n550-5.1.1 second\r\n550 5.1.1 third\r\n"[..],
            550,
            "5.1.1",
            "first line second third",
        ),
        (b"550 Empf\xe4nger unbekannt\r\n", 550, "5.0.0", "Empf\u{fffd}nger unbekannt"),
        (b"571 5.7.1 not here\r\n", 571, "5.7.1", "not here"),
        (b"450\r\n", 450, "4.0.0", ""),
        (b"450 4.2.0 bare LF\n", 450, "4.2.0", "bare LF"),
        (b"550 5.1.1 a\x00b\tc\x1b[31m\r\n", 550, "5.1.1", "a b c [31m"),
        (b"251 2.1.5 forwards\r\n", 250, "2.0.0", "taken"),
        (long.as_bytes(), 550, "5.0.0", &"x".repeat(1000)),
    ] {
        for answer in [Answer::Raw(bytes.to_vec()), Answer::InPieces(bytes.to_vec())] {
            let sink = at_rcpt(answer);
            let sent = Setting::new(&sink, 1).send(&entry(1)).await;
            assert_eq!((sent.code(0), sent.of(0).text.as_str()), ((code, status), text));
            assert_eq!(sink.connections().0, 1, "the connection is still good");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_breaks_the_connection_and_the_next_transaction_has_another() {
    let endless = b"250-and so on\r\n".repeat(10_000);
    for garbage in [
        &b"hello\r\n"[..],
        b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n",
        b"999 no\r\n",
        b"250-a\r\n550 b\r\n",
        &[b'5'; 1_000_000],
        &endless,
    ] {
        let sink = Sink::start(Script::answering({
            let garbage = garbage.to_vec();
            move |asked| match (asked.step, asked.argument) {
                (Step::Rcpt, "member0@example.net") => Answer::Raw(garbage.clone()),
                _ => Answer::Usual,
            }
        }));
        let sent = Setting::new(&sink, 1).send(&entry(3)).await;
        assert_eq!((sent.code(0), sent.done()), ((0, "4.4.2"), 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_at_the_limit_of_its_step() {
    let short = Duration::from_millis(150);
    type Limit = fn(&mut Timeouts) -> &mut Duration;
    let limits: [(Step, Limit); 5] = [
        (Step::Greeting, |limits| &mut limits.greeting),
        (Step::Mail, |limits| &mut limits.mail),
        (Step::Rcpt, |limits| &mut limits.rcpt),
        (Step::Data, |limits| &mut limits.data),
        (Step::Dot, |limits| &mut limits.dot),
    ];
    for (step, limit) in limits {
        let sink = Sink::start(Script::answering(move |asked| {
            let is_it = asked.step == step && (asked.argument.is_empty() || asked.argument.contains("member0"));
            if is_it { Answer::Stall } else { Answer::Usual }
        }));
        let mut timeouts = Timeouts::default();
        *limit(&mut timeouts) = short;
        let sent = Setting::over(&sink.url("smtp"), 1, timeouts, None).send(&entry(2)).await;
        let expected = if step == Step::Greeting { ((0, "4.4.1"), 0) } else { ((0, "4.4.2"), 1) };
        assert_eq!((sent.code(0), sent.done()), expected, "{step:?}");
        assert!(sent.of(0).text.contains("no reply in time"), "{}", sent.of(0).text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_host_that_takes_no_data_ends_at_the_limit_of_a_block() {
    // It says 354 and reads nothing more: the socket's buffers fill.
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Data => Answer::Raw(b"354 go on\r\n".to_vec()),
        Step::Dot => Answer::Stall,
        _ => Answer::Usual,
    }));
    let timeouts =
        Timeouts { block: Duration::from_millis(200), dot: Duration::from_millis(200), ..Timeouts::default() };
    let mut big = entry(1);
    big.message = [b"Subject: big\r\n\r\n".as_slice(), &b"0123456789\r\n".repeat(2_000_000)].concat().into();
    let sent = Setting::over(&sink.url("smtp"), 1, timeouts, None).send(&big).await;
    assert_eq!(sent.code(0), (0, "4.4.2"));
}
