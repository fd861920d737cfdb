//! LMTP (RFC 2033): one reply for each recipient behind the dot.

use listmill_tests::sink::{Answer, Script, Sink, Step};

use crate::setting::{Setting, shared};

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_has_its_own_final_reply() {
    let script = Script::answering(|asked| match (asked.step, asked.argument) {
        (Step::Rcpt, "member0@example.net") => Answer::say("550 5.1.1 no such user"),
        (Step::Dot, "member2@example.net") => Answer::say("552 5.2.2 over quota"),
        (Step::Dot, "member3@example.net") => Answer::say("452 4.2.2 over quota"),
        _ => Answer::Usual,
    });
    let sink = Sink::start(Script { lmtp: true, ..script });
    let setting = Setting::over(&sink.url("lmtp"), 1, Default::default(), None);
    let sent = setting.send(&shared(5)).await;
    let codes: Vec<u16> = (0..5).map(|place| sent.code(place).0).collect();
    assert_eq!(codes, [550, 250, 552, 452, 250]);
    assert_eq!(setting.send(&shared(5)).await.done(), 2, "the connection is still in step");
    assert_eq!(sink.connections().0, 1);
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_between_the_final_replies_keeps_those_that_were_said() {
    let script = Script::answering(|asked| match (asked.step, asked.argument) {
        (Step::Dot, "member2@example.net") => Answer::Close,
        _ => Answer::Usual,
    });
    let sink = Sink::start(Script { lmtp: true, ..script });
    let sent = Setting::over(&sink.url("lmtp"), 1, Default::default(), None).send(&shared(4)).await;
    let codes: Vec<u16> = (0..4).map(|place| sent.code(place).0).collect();
    assert_eq!(codes, [250, 250, 0, 0]);
}
