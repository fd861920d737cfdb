//! What is said only where it was offered (T11, T13, T18 of specs/standards.md).

use listmill_tests::sink::{Script, Sink};

use crate::setting::{Setting, entry};

const EIGHT_BIT: &[u8] = "Subject: hello\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".as_bytes();

#[tokio::test(flavor = "multi_thread")]
async fn eight_bits_are_declared_where_that_is_offered_and_sent_as_they_are_where_not() {
    for (script, declared) in [(Script::default(), true), (Script::default().without("8BITMIME"), false)] {
        let sink = Sink::start(script);
        let mut entry = entry(1);
        entry.message = EIGHT_BIT.into();
        assert_eq!(Setting::new(&sink, 1).send(&entry).await.done(), 1);
        let copy = &sink.received()[0];
        assert_eq!(copy.parameters.contains(&"BODY=8BITMIME".to_owned()), declared);
        assert!(copy.data.ends_with(EIGHT_BIT), "byte for byte");
        assert_eq!(sink.violations(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_smtputf8_serves_the_others_and_with_it_all() {
    for (script, done) in [(Script::default(), 10), (Script::default().without("SMTPUTF8"), 5)] {
        let sink = Sink::start(script);
        let mut entry = entry(10);
        for recipient in &mut entry.recipients[5..] {
            recipient.address = format!("jürgen-{}", recipient.address);
        }
        let sent = Setting::new(&sink, 2).send(&entry).await;
        assert_eq!(sent.done(), done);
        assert!((0..5).all(|place| sent.code(place).0 == 250));
        if done == 5 {
            assert!((5..10).all(|place| sent.code(place) == (550, "5.6.7")));
            assert_eq!(sent.refused.unwrap().recipients.len(), 5);
        }
        assert_eq!(sink.violations(), [""; 0]);
        let utf8 = sink.received().iter().filter(|one| one.parameters.contains(&"SMTPUTF8".to_owned())).count();
        assert_eq!(utf8, done - 5, "only where it is needed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_offers_nothing_is_asked_for_nothing() {
    let sink = Sink::start(Script { extensions: Vec::new(), ..Script::default() });
    let mut entry = entry(2);
    entry.message = EIGHT_BIT.into();
    assert_eq!(Setting::new(&sink, 1).send(&entry).await.done(), 2);
    assert!(sink.received().iter().all(|one| one.parameters.is_empty()));
}
