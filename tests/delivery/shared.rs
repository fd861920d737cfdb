//! Copies that are all the same: many recipients in one transaction, of whose path the next host makes one for each (XVERP).

use listmill_delivery::Timeouts;
use listmill_queue_format::Entry;
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use crate::setting::{Setting, entry};

const SHARED: &str = "dev-bounces+aebagbafaydqqcikbmga2dqp@lists.example.org";

/// An entry whose copies are all the same.
fn alike(recipients: usize) -> Entry {
    let mut entry = entry(recipients);
    entry.facts.other.insert("shared_path".to_owned(), SHARED.into());
    entry.recipients.iter_mut().for_each(|recipient| recipient.headers.clear());
    entry
}

fn offering(answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Script {
    Script::answering(answer).with("XVERP")
}

/// Each copy left alone, with the return path that was made for it.
fn are_personal(sink: &Sink, entry: &Entry) {
    let received = sink.received();
    assert_eq!(received.len(), entry.recipients.len());
    for copy in received {
        let recipient = entry.recipients.iter().find(|one| one.address == copy.recipients[0]).unwrap();
        assert_eq!((copy.recipients.len(), &copy.return_path), (1, &recipient.return_path));
        assert!(copy.parameters.iter().all(|one| !one.starts_with("XVERP")), "{:?}", copy.parameters);
    }
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_next_host_makes_the_paths_they_leave_together() {
    for pipelining in [true, false] {
        let script = if pipelining { Script::default() } else { Script::default().without("PIPELINING") };
        let sink = Sink::start(script.with("XVERP"));
        let entry = alike(700);
        assert_eq!(Setting::new(&sink, 4).send(&entry).await.done(), 700);
        let mut sizes: Vec<usize> = sink.received().iter().map(|one| one.recipients.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [200, 500]);
        for one in sink.received() {
            assert_eq!(one.return_path, SHARED);
            assert!(one.parameters.contains(&"XVERP=+=".to_owned()), "{:?}", one.parameters);
        }
        assert_eq!((sink.violations(), sink.served().len()), (vec![], 700));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_does_not_each_leaves_alone_over_all_connections() {
    let sink = Sink::start(Script::default());
    let entry = alike(300);
    assert_eq!(Setting::new(&sink, 5).send(&entry).await.done(), 300);
    are_personal(&sink, &entry);
    assert!(sink.connections().0 > 1, "one lane has found it out, and others have come to help");
}

#[tokio::test(flavor = "multi_thread")]
async fn lmtp_is_the_last_hop_whatever_it_offers() {
    let sink = Sink::start(Script { lmtp: true, ..Script::default().with("XVERP") });
    let setting = Setting::over(&sink.url("lmtp"), 2, Timeouts::default(), None);
    let entry = alike(10);
    assert_eq!(setting.send(&entry).await.done(), 10);
    are_personal(&sink, &entry);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refuses_to_be_asked_for_paths_refuses_no_recipient() {
    for pipelining in [true, false] {
        let script = offering(|asked| match asked.step {
            Step::Mail if asked.argument == SHARED => Answer::say("501 5.5.4 Error: XVERP needs two characters from -"),
            _ => Answer::Usual,
        });
        let sink = Sink::start(if pipelining { script } else { script.without("PIPELINING") });
        let setting = Setting::new(&sink, 3);
        let entry = alike(40);
        assert_eq!(setting.send(&entry).await.done(), 40);
        are_personal(&sink, &entry);
        assert_eq!(setting.send(&alike(5)).await.done(), 5);
        let asked = sink.commands().iter().filter(|line| line.contains("XVERP=")).count();
        assert_eq!(asked, 1, "it is not asked again for a while");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_alone_in_that_and_the_dot_speaks_for_the_others() {
    for (dot, others) in [("250 2.0.0 taken", 250), ("451 4.3.0 later", 451), ("554 5.7.1 spam", 554)] {
        let sink = Sink::start(offering(move |asked| match (asked.step, asked.argument) {
            (Step::Rcpt, "member3@example.net") => Answer::say("550 5.1.1 no such user"),
            (Step::Rcpt, "member5@example.net") => Answer::say("450 4.2.1 later"),
            (Step::Dot, _) => Answer::say(dot),
            _ => Answer::Usual,
        }));
        let sent = Setting::new(&sink, 2).send(&alike(20)).await;
        for place in 0..20 {
            let code = match place {
                3 => 550,
                5 => 450,
                _ => others,
            };
            assert_eq!(sent.code(place).0, code, "{place}");
        }
        assert_eq!(sink.violations(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_one_too_many_is_in_the_next_transaction() {
    for pipelining in [true, false] {
        let script = Script { most: 120, ..Script::default().with("XVERP") };
        let sink = Sink::start(if pipelining { script } else { script.without("PIPELINING") });
        let setting = Setting::new(&sink, 1);
        let sizes = |sink: &Sink| sink.received().iter().map(|one| one.recipients.len()).collect::<Vec<_>>();
        let sent = setting.send(&alike(300)).await;
        assert_eq!((sent.done(), sizes(&sink)), (300, vec![120, 120, 60]));
        let asked = || sink.commands().iter().filter(|line| line.starts_with("RCPT")).count();
        assert_eq!(asked(), 300 + 180, "it is asked for too many once");
        assert_eq!(setting.send(&alike(300)).await.done(), 300);
        assert_eq!((asked(), sizes(&sink).len()), (2 * 300 + 180, 6));
        assert!(sink.served().values().all(|times| *times == 2), "no entry is delivered twice");
        assert_eq!(sink.violations(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_behind_the_dot_concerns_that_transaction_alone() {
    let sink = Sink::start(offering(|asked| match asked.step {
        Step::Dot if asked.argument == "member0@example.net" && asked.before == 0 => Answer::Close,
        _ => Answer::Usual,
    }));
    let setting = Setting::new(&sink, 1);
    let sent = setting.send(&alike(700)).await;
    assert_eq!((sent.done(), sent.waiting.as_ref().map(|entry| entry.recipients.len())), (200, Some(500)));
    let again = setting.send(&sent.waiting.unwrap()).await;
    assert_eq!(again.done(), 500);
    // RFC 1047: nobody can know whether that message was taken.
    assert_eq!(sink.received().iter().map(|one| one.recipients.len()).collect::<Vec<_>>(), [500, 200, 500]);
}
