//! Stopped gracefully or killed in mid-work: nothing that was accepted is lost, and duplicates stay within their bound.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Site};
use listmill_tests::sink::{Script, Sink};

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 40;
const CONNECTIONS: usize = 10;

fn post(number: usize) -> Vec<u8> {
    format!("From: u00@example.net\r\nTo: {DEV}\r\nSubject: {number}\r\nMessage-ID: <post-{number}@example.net>\r\n\r\nHello.\r\n").into_bytes()
}

fn site(sink: &Sink) -> Site {
    let site = Site::new(&sink.url("smtp"), &format!("connections = {CONNECTIONS}\nchunk = 15\n"));
    site.list(DEV, &[], (0..MEMBERS).map(|number| format!("u{number:02}@example.net")));
    site
}

/// How many copies each recipient has of each post.
fn copies(sink: &Sink) -> HashMap<(String, String), usize> {
    let mut copies = HashMap::new();
    for received in sink.received() {
        let text = String::from_utf8_lossy(&received.data).into_owned();
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().to_owned();
        for recipient in received.recipients {
            *copies.entry((id.clone(), recipient)).or_default() += 1;
        }
    }
    copies
}

#[test]
fn sigterm_finishes_what_is_in_hand_and_the_rest_waits() {
    let sink = Sink::start(Script::default());
    let site = site(&sink);
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    (0..40).for_each(|number| lmtp.post("u00@example.net", DEV, &post(number)));
    assert!(sink.wait(PATIENCE, |sink| sink.count() > 100));
    let took = running.stop();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let before = sink.count();
    let running = site.run();
    assert!(sink.wait(PATIENCE, |sink| sink.count() >= 40 * MEMBERS));
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    running.stop();
    let copies = copies(&sink);
    assert_eq!(copies.len(), 40 * MEMBERS);
    assert!(copies.values().all(|count| *count == 1), "a graceful stop doubles nothing");
    println!("SIGTERM after {before} copies of {}: stopped in {took:?}, each copy once", 40 * MEMBERS);
}

/// Hands in posts until the server is gone; the numbers of those that were accepted.
fn hand_in_until_it_dies(address: SocketAddr, from: usize, accepted: &Mutex<Vec<usize>>) {
    let session = std::panic::catch_unwind(|| {
        let mut lmtp = Lmtp::connect(address);
        for number in from..from + 500 {
            if lmtp.send("u00@example.net", DEV, &post(number)).starts_with("250") {
                accepted.lock().unwrap().push(number);
            } else {
                return;
            }
        }
    });
    // The connection broke under the client, which is what this is about.
    drop(session);
}

#[test]
fn kill_9_loses_nothing_that_was_accepted_and_doubles_only_what_was_in_flight() {
    let sink = Sink::start(Script::default());
    let site = site(&sink);
    let accepted = Mutex::new(Vec::new());
    const KILLS: usize = 6;
    for round in 0..KILLS {
        let running = site.run();
        let address = running.lmtp.unwrap();
        let goal = sink.count() + 60 * (round + 1);
        std::thread::scope(|scope| {
            let accepted = &accepted;
            scope.spawn(move || hand_in_until_it_dies(address, round * 1_000, accepted));
            assert!(sink.wait(PATIENCE, |sink| sink.count() >= goal));
            running.kill();
        });
    }
    let running = site.run();
    let accepted = accepted.into_inner().unwrap();
    let there = || {
        let copies = copies(&sink);
        accepted.iter().all(|number| {
            let id = format!("<post-{number}@example.net>");
            (0..MEMBERS).all(|member| copies.contains_key(&(id.clone(), format!("u{member:02}@example.net"))))
        })
    };
    site.settle(&["inbound", "auth", "moderation", "pending", "outbound"]);
    assert!(there(), "a post that was accepted did not reach everybody");
    running.stop();
    let doubled: usize = copies(&sink).values().map(|count| count - 1).sum();
    assert!(doubled <= KILLS * CONNECTIONS, "{doubled} copies too many after {KILLS} kills");
    println!(
        "{KILLS} times kill -9: {} posts accepted, 0 lost, {doubled} copies doubled (bound {})",
        accepted.len(),
        KILLS * CONNECTIONS
    );
}
