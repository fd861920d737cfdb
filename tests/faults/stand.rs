//! A site with one list, and the account of what was accepted and what arrived.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use listmill_tests::faults::Line;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Running, Site, wait_for};
use listmill_tests::sink::{Script, Sink};

pub(crate) const DEV: &str = "dev@lists.example.org";
pub(crate) const MEMBERS: usize = 3;
pub(crate) const QUEUES: [&str; 7] = ["inbound", "auth", "moderation", "pending", "outbound", "bounce", "command"];

/// What a process serves while moderation stands still: its entries lie in files.
pub(crate) const BUT_MODERATION: [&str; 6] = ["inbound", "auth", "pending", "outbound", "bounce", "command"];

/// A site with one list, whose copies go to a sink.
pub(crate) struct Stand {
    pub(crate) sink: Sink,
    pub(crate) site: Site,
    /// The subjects of the posts that were answered 250.
    pub(crate) accepted: Vec<String>,
    /// How many posts were handed in.
    pub(crate) tried: usize,
}

impl Stand {
    /// `more` stands in the site file.
    pub(crate) fn new(more: &str) -> Stand {
        Stand::with(more, Script::default())
    }

    /// The same, with a smarthost that does as it is told.
    pub(crate) fn with(more: &str, script: Script) -> Stand {
        let sink = Sink::start(script);
        let site = Site::new(&sink.url("smtp"), more);
        Stand { sink, site, accepted: Vec::new(), tried: 0 }
    }

    pub(crate) fn list(&self) {
        self.site.list(DEV, &["member_action=accept"], (0..MEMBERS).map(|number| format!("u{number}@example.net")));
    }

    /// The entries of a queue that are files in this state.
    pub(crate) fn files(&self, queue: &str, state: &str) -> Vec<PathBuf> {
        let dir = std::fs::read_dir(self.site.spool().join(queue).join(state)).unwrap();
        let files = dir.map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_none_or(|extension| extension != "json")).collect()
    }

    /// Hands in a post of about so many octets; the reply that decides, which must never be for good.
    pub(crate) fn post(&mut self, lmtp: &mut Lmtp, octets: usize) -> String {
        let subject = format!("fault {}", self.tried);
        self.tried += 1;
        let body = "All work and no play.\r\n".repeat(octets / 23);
        let head = format!(
            "From: u0@example.net\r\nTo: {DEV}\r\nSubject: {subject}\r\nMessage-ID: <{}@example.net>\r\n",
            self.tried
        );
        let reply = lmtp.send("u0@example.net", DEV, format!("{head}\r\n{body}").as_bytes());
        match reply.as_bytes().first() {
            Some(b'2') => self.accepted.push(subject),
            first => assert_eq!(first, Some(&b'4'), "never for good: {reply}"),
        }
        reply
    }

    /// Hands in a post of a member's in a session of its own; whether it was taken.
    pub(crate) fn accept_from(&self, running: &Running, author: &str) -> bool {
        let post = format!("From: {author}\r\nTo: {DEV}\r\nSubject: long\r\n\r\nHello.\r\n");
        connect(running).send(author, DEV, post.as_bytes()).starts_with("250")
    }

    /// How many accepted posts lack a copy, and how many copies are too many.
    pub(crate) fn count(&self) -> (usize, usize) {
        let mut copies: BTreeMap<String, usize> = BTreeMap::new();
        for received in self.sink.received() {
            let text = String::from_utf8_lossy(&received.data).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
            *copies.entry(subject).or_default() += received.recipients.len();
        }
        let of = |subject: &String| copies.get(subject).copied().unwrap_or(0);
        let lost = self.accepted.iter().filter(|subject| of(subject) < MEMBERS).count();
        let doubled = self.accepted.iter().map(|subject| of(subject).saturating_sub(MEMBERS)).sum();
        (lost, doubled)
    }

    /// Waits until all that was accepted has arrived and nothing waits, and says how it went.
    pub(crate) fn settle(&self, row: &str, injection: &str) {
        let start = Instant::now();
        wait_for("every accepted post to arrive", || self.count().0 == 0);
        self.site.settle(&QUEUES);
        let (lost, doubled) = self.count();
        println!("{}", Line { row, injection, runs: self.tried, lost, doubled, recovery: start.elapsed() });
        assert_eq!((lost, doubled), (0, 0));
        for queue in QUEUES {
            assert_eq!((self.site.figure(queue, "corrupt"), self.site.figure(queue, "shunted")), (0, 0), "{queue}");
        }
    }
}

/// A session with the process.
pub(crate) fn connect(running: &Running) -> Lmtp {
    Lmtp::connect(running.lmtp.unwrap())
}
