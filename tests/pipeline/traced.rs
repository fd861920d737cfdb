//! `listmill trace`: what became of a message, and the totals are the recipients.

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Site, wait_for};
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 300;

/// Of three recipients one is taken, one put off and one refused; nobody who was put off is ever taken.
fn answer(asked: &Asked<'_>) -> Answer {
    let number =
        asked.argument.trim_start_matches('u').split('@').next().and_then(|number| number.parse::<usize>().ok());
    match (asked.step, number) {
        (Step::Rcpt, Some(number)) if number % 3 == 1 => Answer::Say(format!("451 4.2.1 <{}> is busy", asked.argument)),
        (Step::Rcpt, Some(number)) if number % 3 == 2 => {
            Answer::Say(format!("550 5.1.1 <{}> is unknown", asked.argument))
        }
        _ => Answer::Usual,
    }
}

fn post(id: &str) -> Vec<u8> {
    format!("From: u0@example.net\r\nTo: {DEV}\r\nSubject: traced\r\nMessage-ID: <{id}>\r\n\r\nHello.\r\n").into_bytes()
}

fn site(sink: &Sink, more: &str) -> Site {
    let site = Site::new(&sink.url("smtp"), &format!("chunk = 120\n{more}"));
    site.list(DEV, &[], (0..MEMBERS).map(|number| format!("u{number}@example.net")));
    site
}

#[test]
fn every_recipient_is_accounted_for_with_its_reply() {
    let sink = Sink::start(Script { answer: Box::new(answer), ..Script::default() });
    let site = site(&sink, "");
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    lmtp.post("u0@example.net", DEV, &post("300@example.net"));
    lmtp.post("u0@example.net", DEV, &post("another@example.net"));
    wait_for("the posts to be settled", || site.figure("outbound", "deferred") >= 6);
    site.settle(&["auth", "moderation", "pending", "outbound", "bounce"]);
    let trace = site.json(&["trace", "<300@example.net>"]);
    let totals = &trace["totals"];
    assert_eq!(totals["handed_out"], MEMBERS, "{totals}");
    for (state, count) in
        [("delivered", 100), ("waiting", 100), ("refused", 100), ("given_up", 0), ("not_attempted", 0)]
    {
        assert_eq!(totals[state], count, "{state}: {totals}");
    }
    let recipients = trace["recipients"].as_array().unwrap();
    assert_eq!(recipients.len(), MEMBERS);
    for recipient in recipients {
        let address = recipient["recipient"].as_str().unwrap();
        let number: usize = address[1..].split('@').next().unwrap().parse().unwrap();
        let (state, code) = [("delivered", 250), ("waiting", 451), ("refused", 550)][number % 3];
        assert_eq!((recipient["state"].as_str(), recipient["code"].as_u64()), (Some(state), Some(code)), "{recipient}");
    }
    let runners: Vec<_> = trace["hops"].as_array().unwrap().iter().map(|hop| hop["runner"].as_str().unwrap()).collect();
    for runner in ["inbound", "auth", "moderation", "pending", "outbound", "bounce"] {
        assert!(runners.contains(&runner), "{runner} is missing: {runners:?}");
    }
    let text = site.ok(&["trace", "300@example.net"]);
    assert!(text.contains("300 recipients: 100 delivered, 100 waiting, 100 refused"), "{text}");
    assert!(
        text.contains("u1@example.net") && !text.contains("\nu0@example.net "),
        "those with a copy are counted: {text}"
    );
    let entry = trace["hops"][0]["left"].as_str().unwrap();
    assert_eq!(site.json(&["trace", entry])["totals"], *totals, "any entry of the message leads to it");
    let told = site.ok(&["trace", "300@example.net", "--recipient", "U2@example.net"]);
    assert!(told.contains("550 5.1.1 <u2@example.net> is unknown"), "{told}");
    site.fails(65, &["trace", "nobody-knows@example.net"], b"");
    running.stop();
}

/// A kill in the middle of a delivery, and a second process: each recipient stands in the trace once.
#[test]
fn a_kill_changes_nothing_in_the_totals() {
    let sink = Sink::start(Script::default());
    let site = site(&sink, "");
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    lmtp.post("u0@example.net", DEV, &post("killed@example.net"));
    assert!(sink.wait(listmill_tests::program::PATIENCE, |sink| sink.count() > 30));
    running.kill();
    let running = site.run();
    assert!(sink.wait(listmill_tests::program::PATIENCE, |sink| sink.count() >= MEMBERS));
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    let totals = &site.json(&["trace", "killed@example.net"])["totals"];
    assert_eq!((&totals["handed_out"], &totals["delivered"]), (&MEMBERS.into(), &MEMBERS.into()), "{totals}");
    running.stop();
}

/// On a host without a store: no address of a member stays, and yet one who asks about an address is told.
#[test]
fn a_host_without_a_store_keeps_marks_instead_of_addresses() {
    let sink = Sink::start(Script { answer: Box::new(answer), ..Script::default() });
    let hosts = "[hosts]\ndb1 = [\"inbound\", \"auth\", \"moderation\", \"pending\", \"bounce\", \"command\"]\nout1 = [\"outbound\"]\n";
    let site = site(&sink, &format!("[queue]\npath = \"spool\"\n{hosts}"));
    let file = std::fs::read_to_string(site.dir().join("listmill.toml")).unwrap();
    // Two hosts that share a spool, each with its own data.
    let file = file.replace("path = \"spool\"", &format!("path = \"{}\"", site.dir().join("spool").display()));
    site.write(&file);
    let out = Site::on_host("out1", &file, &[]);
    let running = [site.run_with(&["--host", "db1"]), out.run()];
    Lmtp::connect(running[0].lmtp.unwrap()).post("u0@example.net", DEV, &post("apart@example.net"));
    wait_for("the post to be settled", || site.figure("outbound", "deferred") >= 3);
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    let trace = out.json(&["trace", "apart@example.net"]);
    assert_eq!(trace["totals"]["delivered"], 100);
    assert_eq!(trace["recipients"].as_array().unwrap().len(), MEMBERS);
    assert_eq!(trace["elsewhere"]["db1"][0], "inbound");
    let told = out.ok(&["trace", "apart@example.net", "--recipient", "u2@example.net"]);
    assert!(told.contains("550 5.1.1 <…> is unknown") && !told.contains("u2@example.net"), "{told}");
    let kept = listmill_tests::hosts::files_with(&out.dir().join("data/trail"), "u2@example.net");
    assert_eq!(kept, Vec::<String>::new());
    let there = site.json(&["--host", "db1", "trace", "apart@example.net"]);
    assert_eq!(there["totals"]["handed_out"], MEMBERS);
    assert_eq!(there["totals"]["not_attempted"], MEMBERS, "delivery was elsewhere: {}", there["totals"]);
    for running in running {
        running.stop();
    }
}
