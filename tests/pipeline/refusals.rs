//! A smarthost that refuses some and puts others off: nobody is skipped, nobody is served twice.

use std::collections::HashMap;

use listmill_queue_format::decode;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Site, wait_for};
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 300;

/// Every tenth is refused for good, every third of the others is put off the first time.
fn answer(asked: &Asked<'_>) -> Answer {
    let Some(number) = asked.argument.strip_prefix('u').and_then(|rest| rest.get(..3)?.parse::<usize>().ok()) else {
        return Answer::Usual;
    };
    match asked.step {
        Step::Rcpt if number % 10 == 0 => Answer::say("550 5.1.1 no such mailbox"),
        Step::Rcpt if number % 3 == 0 && asked.before == 0 => Answer::say("451 4.2.2 mailbox is full now"),
        _ => Answer::Usual,
    }
}

#[test]
fn every_third_451_and_every_tenth_550() {
    let sink = Sink::start(Script::answering(answer));
    let site = Site::new(&sink.url("smtp"), "");
    site.list(DEV, &[], (0..MEMBERS).map(|number| format!("u{number:03}@example.net")));
    // Without bounce, so that what outbound hands over can be looked at.
    let running = site.run_with(&["inbound", "auth", "moderation", "pending", "outbound", "command"]);
    let post = format!("From: u001@example.net\r\nTo: {DEV}\r\nSubject: x\r\nMessage-ID: <1@example.net>\r\n\r\nx\r\n");
    Lmtp::connect(running.lmtp.unwrap()).post("u001@example.net", DEV, post.as_bytes());
    let refused: Vec<usize> = (0..MEMBERS).filter(|number| number % 10 == 0).collect();
    let put_off: Vec<usize> = (0..MEMBERS).filter(|number| number % 10 != 0 && number % 3 == 0).collect();
    let served_at_once = MEMBERS - refused.len() - put_off.len();
    wait_for("one entry to be deferred", || {
        site.figure("outbound", "deferred") == 1 && site.figure("outbound", "depth") == 0
    });
    assert_eq!(sink.count(), served_at_once);

    // Later, which an operator may make now.
    let entries = site.json(&["queue", "show", "outbound"]);
    let deferred = &entries.as_array().unwrap()[0];
    assert_eq!((deferred["state"].as_str(), deferred["attempts"].as_u64()), (Some("deferred"), Some(1)));
    assert!(deferred["not_before"].is_string(), "{deferred}");
    site.ok(&["queue", "retry", deferred["entry"].as_str().unwrap()]);
    assert!(sink.wait(PATIENCE, |sink| sink.count() >= MEMBERS - refused.len()));
    site.settle(&["outbound"]);
    assert_eq!(site.figure("outbound", "deferred"), 0);
    running.stop();

    let served: HashMap<String, usize> = sink.served();
    let expected: HashMap<String, usize> = (0..MEMBERS)
        .filter(|number| !refused.contains(number))
        .map(|number| (format!("u{number:03}@example.net"), 1))
        .collect();
    assert_eq!(served, expected, "all the others once, nobody twice");
    assert_eq!(sink.violations(), Vec::<String>::new());
    assert_eq!(bounced(&site), refused.iter().map(|number| format!("u{number:03}@example.net")).collect::<Vec<_>>());
    println!(
        "{MEMBERS} members: {served_at_once} at once, {} later, {} in a bounce entry, nobody twice",
        put_off.len(),
        refused.len()
    );
}

/// The recipients of all bounce entries, each with the reply that it got.
fn bounced(site: &Site) -> Vec<String> {
    let mut addresses = Vec::new();
    for file in std::fs::read_dir(site.spool().join("bounce/new")).unwrap() {
        let entry = decode(&std::fs::read(file.unwrap().path()).unwrap()).unwrap();
        for recipient in entry.recipients {
            let outcome = recipient.outcome.expect("a bounce entry says what happened");
            assert_eq!((outcome.code, outcome.status.as_str()), (550, "5.1.1"), "{}", outcome.text);
            addresses.push(recipient.address);
        }
    }
    addresses.sort();
    addresses
}

#[test]
fn a_smarthost_that_is_away_is_waited_for_and_nothing_is_lost() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let site = Site::new(&format!("smtp://{address}"), "");
    site.list(DEV, &[], ["bob@example.net".to_owned()]);
    let running = site.run();
    let post = format!("From: bob@example.net\r\nTo: {DEV}\r\nSubject: x\r\n\r\nx\r\n");
    Lmtp::connect(running.lmtp.unwrap()).post("bob@example.net", DEV, post.as_bytes());
    wait_for("the entry to be deferred", || site.figure("outbound", "deferred") == 1);
    let why = site.ok(&["queue", "show", "outbound", "--json"]);
    assert!(why.contains("\"attempts\": 1"), "{why}");
    running.stop();
}
