//! Who is done, who waits, who is refused; nobody twice.

use std::collections::{HashMap, HashSet};

use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use crate::setting::{MESSAGE, Setting, entry, shared};

fn number(address: &str) -> usize {
    address.trim_start_matches("member").split('@').next().unwrap().parse().unwrap()
}

/// 550 to every tenth, 451 to every third the first time.
fn picky(asked: &Asked<'_>) -> Answer {
    match (asked.step, asked.argument) {
        (Step::Rcpt, address) if number(address).is_multiple_of(10) => Answer::say("550 5.1.1 no such user"),
        (Step::Rcpt, address) if number(address).is_multiple_of(3) && asked.before == 0 => {
            Answer::say("451 4.3.0 later")
        }
        _ => Answer::Usual,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_third_later_every_tenth_never_and_nobody_twice() {
    let sink = Sink::start(Script::answering(picky));
    let setting = Setting::new(&sink, 5);
    let first = setting.send(&entry(300)).await;
    let (waiting, refused) = (first.waiting.as_ref().unwrap(), first.refused.as_ref().unwrap());
    assert_eq!((first.done(), waiting.recipients.len(), refused.recipients.len()), (180, 90, 30));
    assert!(refused.recipients.iter().all(|one| one.outcome.as_ref().unwrap().status == "5.1.1"));
    let second = setting.send(waiting).await;
    assert_eq!((second.done(), second.waiting, second.refused), (90, None, None));
    let served = sink.served();
    assert_eq!(served.len(), 270);
    assert!(served.values().all(|times| *times == 1));
    assert!(served.keys().all(|address| !number(address).is_multiple_of(10)));
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_copy_has_its_return_path_and_its_own_field_and_the_message_as_it_was() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 3);
    let entry = entry(50);
    assert_eq!(setting.send(&entry).await.done(), 50);
    let received: HashMap<String, _> =
        sink.received().into_iter().map(|one| (one.recipients[0].clone(), one)).collect();
    for recipient in &entry.recipients {
        let copy = &received[&recipient.address];
        assert_eq!(copy.return_path, recipient.return_path);
        assert_eq!(copy.data, [recipient.headers[0].as_bytes(), b"\r\n", MESSAGE].concat());
        assert_eq!(copy.parameters, [format!("SIZE={}", copy.data.len())], "and nothing of the post's own envelope");
    }
    let paths: HashSet<_> = received.values().map(|one| &one.return_path).collect();
    assert_eq!(paths.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_of_one_transaction_fare_each_for_itself() {
    let sink = Sink::start(Script::answering(picky));
    let sent = Setting::new(&sink, 5).send(&shared(12)).await;
    let codes: Vec<u16> = (0..12).map(|place| sent.code(place).0).collect();
    assert_eq!(codes, [550, 250, 250, 451, 250, 250, 451, 250, 250, 451, 550, 250]);
    assert_eq!(sink.received().len(), 1);
    assert_eq!(sink.received()[0].return_path, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_any_step_is_each_recipients_of_that_transaction_and_no_others() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Dot] {
        for (line, code, status) in [("554 5.7.1 spam", 554, "5.7.1"), ("452 4.2.2 full", 452, "4.2.2")] {
            let sink = Sink::start(Script::answering(move |asked| {
                match asked.step == step && asked.argument.contains("member1") {
                    true => Answer::say(line),
                    false => Answer::Usual,
                }
            }));
            let setting = Setting::new(&sink, 1);
            let sent = setting.send(&entry(4)).await;
            assert_eq!(sent.code(1), (code, status), "{step:?}");
            assert_eq!(sent.done(), 3, "{step:?}");
            assert_eq!(sink.connections().0, 1, "the connection is still good");
            assert_eq!(sink.violations(), [""; 0], "{step:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_host_says_about_us_bounces_nobody() {
    for (step, line) in [
        (Step::Greeting, "554 5.7.1 you are blocked"),
        (Step::Hello, "550 5.7.1 who"),
        (Step::Mail, "530 5.7.0 Must issue a STARTTLS command first"),
    ] {
        let sink = Sink::start(Script::answering(
            move |asked| if asked.step == step { Answer::say(line) } else { Answer::Usual },
        ));
        let sent = Setting::new(&sink, 2).send(&entry(5)).await;
        assert_eq!(sent.waiting.map(|entry| entry.recipients.len()), Some(5), "{step:?}");
        let text = &sent.outcomes[0].1.text;
        assert!(text.contains(&line[..3]), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_commands_are_refused_here() {
    let sink = Sink::start(Script::default());
    let mut entry = entry(3);
    entry.recipients[0].address = "a@example.net>\r\nRCPT TO:<b@example.net".to_owned();
    entry.recipients[1].return_path = "x> SIZE=1\r\nQUIT".to_owned();
    let sent = Setting::new(&sink, 1).send(&entry).await;
    assert_eq!((sent.code(0), sent.code(1), sent.done()), ((553, "5.1.3"), (553, "5.1.7"), 1));
    assert_eq!(sink.violations(), [""; 0]);
}
