//! Row R33: more of everything than a host wants: connections, clients that crawl, posts to one list, commands and posts to be held of one author.
#![expect(clippy::disallowed_types, reason = "clients that are no good: sockets")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use listmill_tests::faults::{Line, full};
use listmill_tests::program::{PATIENCE, wait_for};
use listmill_tests::sink::Received;

use crate::stand::{DEV, MEMBERS, QUEUES, Stand, connect};

/// `[inbound] max_sessions`, unless the site says otherwise.
const SESSIONS: usize = 200;
const OTHER: &str = "other@lists.example.org";
const GUARDED: &str = "guarded@lists.example.org";
/// Letters that one address gets in a day at most.
const LETTERS: usize = 3;

/// The sockets that somebody holds at this end of a connection: a leak shows here.
fn sockets(address: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{:04X}", address.port());
    let is_held = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Its own address, its state (0A: it listens), its inode (0: nobody holds it any more).
        fields.len() > 9 && fields[1].ends_with(&here) && fields[3] != "0A" && fields[9] != "0"
    };
    table.lines().skip(1).filter(is_held).count()
}

/// A client that connects and reads one line.
struct Caller {
    stream: TcpStream,
    told: String,
}

impl Caller {
    fn new(address: SocketAddr) -> Caller {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut told = String::new();
        BufReader::new(&stream).read_line(&mut told).unwrap();
        Caller { stream, told }
    }

    fn is_in(&self) -> bool {
        self.told.starts_with("220 ")
    }
}

/// Nobody holds more of them than this.
fn wait_for_sockets(address: SocketAddr, left: usize) {
    wait_for("the connections to be closed", || sockets(address) <= left);
}

#[test]
fn one_connection_too_many_is_told_to_come_again_and_none_is_forgotten() {
    let mut stand = Stand::new("");
    stand.list();
    let running = stand.site.run();
    let address = running.lmtp.unwrap();
    let mut lmtp = connect(&running);
    let (rounds, callers) = if full() { (10, 1_000) } else { (1, 260) };
    for _ in 0..rounds {
        let callers: Vec<Caller> = (0..callers).map(|_| Caller::new(address)).collect();
        let inside = callers.iter().filter(|caller| caller.is_in()).count();
        // One was here before, and a place may be given back a moment after its socket.
        assert!((SESSIONS - 5..SESSIONS).contains(&inside), "{inside} are in");
        assert!(callers.iter().all(|caller| caller.is_in() || caller.told.starts_with("421 4.")));
        assert!(stand.post(&mut lmtp, 500).starts_with("250"), "who is in is served");
        drop(callers);
        wait_for_sockets(address, 1);
        wait_for("somebody new to be let in", || Caller::new(address).is_in());
        wait_for_sockets(address, 1);
    }
    stand.settle("R33", &format!("{callers} connections at once, {rounds} times"));
    running.stop();
}

#[test]
fn clients_that_crawl_keep_nobody_else_waiting() {
    let mut stand = Stand::new("");
    stand.list();
    let running = stand.site.run();
    let address = running.lmtp.unwrap();
    let mut lmtp = connect(&running);
    let mut crawling: Vec<Caller> = (0..SESSIONS - 20).map(|_| Caller::new(address)).collect();
    let command =
        b"LHLO crawls.example.net\r\nMAIL FROM:<u0@example.net>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
    let rounds = if full() { command.len() } else { 30 };
    for octet in &command[..rounds] {
        // An octet each, and somebody else's post in between.
        crawling.iter_mut().for_each(|caller| caller.stream.write_all(&[*octet]).unwrap());
        assert!(stand.post(&mut lmtp, 500).starts_with("250"));
    }
    wait_for("all the others' to arrive", || stand.count().0 == 0);
    drop(crawling);
    wait_for_sockets(address, 1);
    stand.settle("R33", "180 clients that send an octet at a time");
    running.stop();
}

/// Who they went to, in the order in which they left.
fn order(stand: &Stand) -> Vec<String> {
    stand.sink.received().into_iter().flat_map(|received| received.recipients).collect()
}

#[test]
fn a_flood_to_one_list_does_not_go_before_another_lists_post() {
    let mut stand = Stand::new("");
    stand.list();
    stand.site.list(OTHER, &["member_action=accept"], (0..MEMBERS).map(|number| format!("v{number}@example.net")));
    let running = stand.site.run();
    let mut lmtp = connect(&running);
    let (flood, start) = (if full() { 10_000 } else { 200 }, Instant::now());
    stand.site.ok(&["queue", "pause", "outbound"]);
    for _ in 0..flood {
        // It may be told to come again; it is lost only if it was taken.
        stand.post(&mut lmtp, 500);
    }
    println!("{} of {flood} posts were taken in {:.1} s", stand.accepted.len(), start.elapsed().as_secs_f64());
    let post = format!("From: v0@example.net\r\nTo: {OTHER}\r\nSubject: other\r\n\r\nHello.\r\n");
    lmtp.post("v0@example.net", OTHER, post.as_bytes());
    let waits = |number: usize| move |stand: &Stand| stand.site.figure("outbound", "depth") == number as u64;
    let all = stand.accepted.len() + 1;
    wait_for("all of it to wait in outbound", || waits(all)(&stand));
    stand.site.ok(&["queue", "resume", "outbound"]);
    wait_for("everything to arrive", || stand.count().0 == 0 && stand.sink.count() == all * MEMBERS);
    let order = order(&stand);
    let last = order.iter().rposition(|recipient| recipient.starts_with('v')).unwrap();
    // A long flood is read through while it leaves.
    let bound = order.len() / if full() { 10 } else { 2 };
    assert!(last < bound, "the other list's last copy is number {last} of {}", order.len());
    stand.settle("R33", &format!("{flood} posts to one list before another's, whose last copy was number {last}"));
    running.stop();
}

#[test]
fn one_author_floods_with_commands_and_with_posts_to_be_held() {
    let stand = Stand::new("");
    stand.list();
    stand.site.list(GUARDED, &["moderator_notices=off"], []);
    let running = stand.site.run();
    let (mut lmtp, times) = (connect(&running), if full() { 3_000 } else { 100 });
    let (start, mut held, mut answers) = (Instant::now(), 0, BTreeSet::new());
    for number in 0..times {
        for to in ["dev-join@lists.example.org", "dev-request@lists.example.org", GUARDED] {
            let mail = format!(
                "From: m@example.com\r\nTo: {to}\r\nSubject: help\r\nMessage-ID: <{number}.{to}>\r\n\r\nhelp\r\n"
            );
            let reply = lmtp.send("m@example.com", to, mail.as_bytes());
            assert!(reply.starts_with(['2', '4']), "{reply}");
            held += usize::from(to == GUARDED && reply.starts_with('2'));
            answers.insert(reply);
        }
    }
    stand.site.settle(&QUEUES);
    let post = format!("From: u0@example.net\r\nTo: {DEV}\r\nSubject: a member's\r\n\r\nHello.\r\n");
    lmtp.post("u0@example.net", DEV, post.as_bytes());
    let goes_to_a_member = |received: &Received| received.recipients.iter().any(|to| to.starts_with('u'));
    wait_for("a member's post to arrive", || stand.sink.count_of(goes_to_a_member) == MEMBERS);
    let letters = stand.sink.count_of(|received| received.recipients.iter().any(|to| to == "m@example.com"));
    assert!(letters <= LETTERS, "{letters} letters to one address");
    let waiting = stand.site.json(&["held", "ls", GUARDED]).as_array().unwrap().len();
    println!("{held} posts were taken, {waiting} of them are held, {letters} letters were written");
    let injection = "commands and posts to be held, of one author";
    println!(
        "{}",
        Line { row: "R33", injection, runs: 3 * times, lost: held - waiting, doubled: 0, recovery: start.elapsed() }
    );
    assert_eq!(waiting, held, "what was taken to be held is held");
    running.stop();
}
