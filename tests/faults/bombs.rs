//! Rows R26 and R31: messages that are made to cost. What a message takes of the processor and of memory is bounded, whoever reads it; it passes or is refused.

use std::time::{Duration, Instant};

use listmill_tests::faults::{Line, full};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Running, wait_for};

use crate::stand::{DEV, MEMBERS, QUEUES, Stand, connect};

const REQUEST: &str = "dev-request@lists.example.org";
const AUTHOR: &str = "u0@example.net";

/// What one message may cost, all stages together.
const MOST_TIME: Duration = Duration::from_secs(5);
/// What it may cost beyond what one of its size costs that is harmless. A build for debugging takes many times as long for everything.
const MOST_BEYOND: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 100 });
/// What it may take of memory beside four times its size, and beside what the process had before.
const MOST_MEMORY: u64 = 64 << 20;

/// A message that costs more than it seems to.
struct Bomb {
    what: &'static str,
    head: String,
    body: String,
}

impl Bomb {
    fn new(what: &'static str, head: impl Into<String>, body: impl Into<String>) -> Bomb {
        Bomb { what, head: head.into(), body: body.into() }
    }

    fn bytes(&self, number: usize) -> Vec<u8> {
        let Bomb { head, body, .. } = self;
        let usual = |name: &str, value: &str| {
            let is_given = head.lines().any(|line| line.starts_with(name));
            if is_given { String::new() } else { format!("{name}: {value}\r\n") }
        };
        let from = usual("From", AUTHOR) + &usual("To", DEV) + &usual("Subject", "bomb");
        format!("{from}Message-ID: <{number}.bomb@example.net>\r\n{head}\r\n{body}\r\n").into_bytes()
    }
}

fn multipart(depth: usize) -> (String, String) {
    let open = |level: usize| format!("Content-Type: multipart/mixed; boundary=\"b{level}\"\r\n");
    let body: String = (1..depth).map(|level| format!("\r\n--b{}\r\n{}", level - 1, open(level))).collect();
    (open(0), body + &format!("\r\n--b{}\r\n\r\nthe innermost\r\n", depth - 1))
}

/// The bombs of R26; `scale` is one for the sample.
fn bombs(scale: usize) -> Vec<Bomb> {
    let mut bombs: Vec<Bomb> = [100, 1_000, 10_000 * scale]
        .map(|depth| (depth, multipart(depth)))
        .map(|(_, (head, body))| Bomb::new("parts within parts", head, body))
        .into();
    let mixed = "Content-Type: multipart/mixed; boundary=\"b\"\r\n";
    let words = |count: usize| format!("Subject: {}\r\n", "=?utf-8?q?a?=\r\n ".repeat(count) + "end");
    let segments = |count: usize| (0..count).map(|number| format!(";\r\n name*{number}*=x")).collect::<String>();
    let addresses = |count: usize| format!("To: {DEV}{}\r\n", ",\r\n a@example.net".repeat(count));
    let comments = |count: usize| format!("From: {}x{} {AUTHOR}\r\n", "(".repeat(count), ")".repeat(count));
    bombs.extend([
        Bomb::new("parts", mixed, "--b\r\n\r\nx\r\n".repeat(10_000 * scale) + "--b--\r\n"),
        Bomb::new("header lines, too many", "A: x\r\n".repeat(100_000 * scale), "x"),
        Bomb::new("header lines", "A: x\r\n".repeat(9_900), "x"),
        Bomb::new("a header section, too large", format!("A: {}\r\n", "x\r\n ".repeat(1_250_000 * scale)), "x"),
        Bomb::new("addresses, too many", addresses(100_000 * scale), "x"),
        Bomb::new("addresses", addresses(60_000), "x"),
        Bomb::new("pieces of a parameter (RFC 2231)", format!("Content-Type: text/plain{}\r\n", segments(10_000)), "x"),
        Bomb::new("pieces of a parameter, too many", format!("A: x{}\r\n", segments(100_000)), "x"),
        Bomb::new("comments in comments", comments(100_000), "x"),
        Bomb::new("encoded words", words(60_000), "x"),
        Bomb::new("encoded words, too many", words(100_000 * scale), "x"),
        Bomb::new("one line of base64", "Content-Transfer-Encoding: base64\r\n", "QUJD".repeat(250_000 * scale)),
        Bomb::new(
            "what grows when it is unpacked",
            "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n",
            unpacks(),
        ),
    ]);
    bombs
}

/// As gzip has it: thirteen bits for 258 zeros each, a hundred megabytes of them.
fn unpacks() -> String {
    let mut bits: Vec<bool> = [true, true, false].into(); // the last block, with fixed codes
    bits.extend([false, false, true, true, false, false, false, false]); // a zero
    for _ in 0..400_000 {
        bits.extend([true, true, false, false, false, true, false, true]); // as long as can be
        bits.extend([false; 5]); // one back
    }
    bits.extend([false; 7]);
    let octet = |bits: &[bool]| bits.iter().rev().fold(0_u8, |octet, bit| octet << 1 | u8::from(*bit));
    let packed = bits.chunks(8).map(octet);
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let all: Vec<u8> = head.into_iter().chain(packed).collect();
    let lines = all.chunks(54).map(|line| data_encoding::BASE64.encode(line) + "\r\n");
    lines.collect()
}

/// The pairs of R31: something that looks for a pattern, and a text on which a pattern may go back and forth.
fn patterns() -> Vec<Bomb> {
    const LONG: usize = 1_000_000;
    let subjects = [
        ("Re: Re: Re:", "Re: ".repeat(LONG / 4)),
        ("Re[Re[Re[", "Re[".repeat(LONG / 3)),
        ("Re[1]Re[1]", "Re[1]".repeat(LONG / 5)),
        ("the list's prefix", "[dev] ".repeat(LONG / 6)),
        ("prefixes in turn", "Re: [dev] AW: [dev] ".repeat(LONG / 20)),
        ("brackets", "[".repeat(LONG)),
        ("brackets that close", "]".repeat(LONG)),
        ("spaces", format!("x{}y", " ".repeat(LONG))),
        ("encoded words that never end", "=?utf-8?q?".repeat(LONG / 10)),
        ("encoded words without a gap", "=?utf-8?b?QQ==?=".repeat(LONG / 16)),
        ("question marks", "=?".repeat(LONG / 2)),
        ("digits", "9".repeat(LONG)),
    ];
    let addresses = [
        ("quotes", "\"".repeat(LONG)),
        ("backslashes in quotes", format!("\"{}", "\\\"".repeat(LONG / 2))),
        ("semicolons", ";".repeat(LONG)),
        ("groups", "a:b;,".repeat(LONG / 5)),
        ("groups in groups", "a:".repeat(LONG / 2)),
        ("routes", format!("<{}:x@example.net>", "@a,".repeat(LONG / 3))),
        ("angles", "<".repeat(LONG)),
        ("comments side by side", "()".repeat(LONG / 2)),
        ("comments that never end", "(".repeat(LONG)),
        ("dots", ".".repeat(LONG)),
        ("signs", "@".repeat(LONG)),
        ("commas", ",".repeat(LONG)),
    ];
    let bodies = [
        ("angles that never close", "<".repeat(LONG)),
        ("addresses", "<a@example.net>:\r\n".repeat(LONG / 17)),
        ("addresses in one line", "<a@example.net>: ".repeat(LONG / 17)),
        ("replies", "550 5.1.1 <a@example.net>... User unknown\r\n".repeat(LONG / 43)),
        ("half replies", "   ----- The following addresses had permanent fatal errors -----\r\n".repeat(LONG / 67)),
        ("colons", ":".repeat(LONG)),
        ("quotes of quotes", "> ".repeat(LONG / 2)),
        ("quotes, a line each", ">\r\n".repeat(LONG / 3)),
        ("attributions", "On Mon, a wrote\r\n".repeat(LONG / 17)),
        ("commands", "join address=a@example.net\r\n".repeat(LONG / 28)),
        ("numbers with dots", "1.2.3.".repeat(LONG / 6)),
        ("spaces", format!("x{}y", " ".repeat(LONG))),
        ("tags", "<b>".repeat(LONG / 3)),
        ("entities", "&amp".repeat(LONG / 4)),
    ];
    let (of_subject, of_from) = (|value| format!("Subject: {value}\r\n"), |value| format!("From: {value}\r\n"));
    let mut all: Vec<Bomb> =
        subjects.into_iter().map(|(what, value)| Bomb::new(what, of_subject(value), "x")).collect();
    all.extend(addresses.into_iter().map(|(what, value)| Bomb::new(what, of_from(value), "x")));
    for head in ["", "Content-Type: text/html\r\n"] {
        all.extend(bodies.iter().map(|(what, body)| Bomb::new(what, head, body.clone())));
    }
    all
}

/// What a process has cost.
struct Meter(u32);

impl Meter {
    /// Time of the processor so far, in hundredths of a second as the system counts it.
    fn time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// From now on the peak of its memory counts anew.
    fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    /// The peak of its resident memory, in octets.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

/// A site whose list has had one post, and where its copies come back to.
struct Range {
    stand: Stand,
    running: Running,
    meter: Meter,
    lmtp: Lmtp,
    bounces_to: String,
    handed_in: usize,
}

impl Range {
    fn open() -> Range {
        let mut stand = Stand::new("");
        stand.list();
        let running = stand.site.run();
        let mut lmtp = connect(&running);
        assert!(stand.post(&mut lmtp, 500).starts_with("250"));
        wait_for("the first post to arrive", || stand.count().0 == 0);
        let bounces_to = stand.sink.received()[0].return_path.clone();
        let meter = Meter(running.pid());
        Range { stand, running, meter, lmtp, bounces_to, handed_in: 0 }
    }

    /// Hands it in, and waits until all has come of it that will; the time of the processor and the memory that it took, and whether it was taken.
    fn drop(&mut self, bomb: &Bomb, sender: &str, to: &str) -> (Duration, u64, bool) {
        let before = self.meter.time();
        self.meter.forget_peak();
        let idle = self.meter.peak();
        self.handed_in += 1;
        let bytes = bomb.bytes(self.handed_in);
        let reply = self.lmtp.send(sender, to, &bytes);
        let is_refused = ["552 5.3.4", "554 5.6.0"].iter().any(|refusal| reply.starts_with(refusal));
        assert!(is_refused || reply.starts_with("250"), "{}: {reply}", bomb.what);
        self.stand.site.settle(&QUEUES);
        (self.meter.time() - before, self.meter.peak().saturating_sub(idle), !is_refused)
    }

    /// To whom each is handed in, and by whom: the list, its commands, and where bounces go.
    fn ways(&self) -> [(&'static str, String); 3] {
        [(AUTHOR, DEV.to_owned()), (AUTHOR, REQUEST.to_owned()), ("", self.bounces_to.clone())]
    }

    /// Nothing was set aside, nobody died, and mail flows.
    fn close(mut self) {
        assert!(!self.running.has_ended(), "nobody dies of it");
        for queue in QUEUES {
            let figure = |name| self.stand.site.figure(queue, name);
            assert_eq!((figure("shunted"), figure("corrupt")), (0, 0), "{queue}");
        }
        let mut lmtp = connect(&self.running);
        let before = self.stand.sink.count();
        assert!(self.stand.post(&mut lmtp, 500).starts_with("250"));
        wait_for("the last post to arrive", || self.stand.sink.count() >= before + MEMBERS);
        self.running.stop();
    }
}

#[test]
fn no_structure_of_a_message_costs_more_than_its_size_does() {
    let bombs = bombs(if full() { 10 } else { 1 });
    let (start, mut range) = (Instant::now(), Range::open());
    let (mut longest, mut taken, mut runs) = (Duration::ZERO, 0, 0);
    for bomb in &bombs {
        let size = bomb.bytes(0).len() as u64;
        let ways = range.ways();
        // The sample hands in each to the list alone.
        let ways = if full() { &ways[..] } else { &ways[..1] };
        for (sender, to) in ways {
            let (time, peak, was_taken) = range.drop(bomb, sender, to);
            println!("{} to {to}: {} octets, {time:?}, {} KiB", bomb.what, size, peak >> 10);
            assert!(time < MOST_TIME, "{} to {to}: {time:?}", bomb.what);
            assert!(peak < 4 * size + MOST_MEMORY, "{} to {to}: {peak} octets of memory for {size}", bomb.what);
            (longest, taken, runs) = (longest.max(time), taken + usize::from(was_taken), runs + 1);
        }
    }
    let injection = format!("bombs, {taken} of them taken, {:.2} s of the processor at most", longest.as_secs_f64());
    println!("{}", Line { row: "R26", injection: &injection, runs, lost: 0, doubled: 0, recovery: start.elapsed() });
    range.close();
}

#[test]
fn no_text_has_a_pattern_go_back_and_forth() {
    let mut patterns = patterns();
    if !full() {
        // Of each kind one or two.
        patterns = patterns.into_iter().step_by(13).collect();
    }
    let (start, mut range) = (Instant::now(), Range::open());
    let harmless = [
        Bomb::new("harmless", format!("Subject: {}\r\n", "word ".repeat(200_000)), "x"),
        Bomb::new("harmless", "", "What is said in a line is not much.\r\n".repeat(27_000)),
    ];
    let usual = harmless.map(|bomb| range.drop(&bomb, AUTHOR, DEV).0).into_iter().max().unwrap_or_default();
    let (mut longest, mut runs) = (Duration::ZERO, 0);
    for bomb in &patterns {
        for (sender, to) in range.ways() {
            let (time, _, _) = range.drop(bomb, sender, &to);
            let beyond = time.saturating_sub(usual);
            println!("{} to {to}: {time:?}, usual {usual:?}", bomb.what);
            assert!(beyond < MOST_BEYOND, "{} to {to}: {time:?}, where {usual:?} are usual", bomb.what);
            (longest, runs) = (longest.max(beyond), runs + 1);
        }
    }
    let injection = format!("texts against patterns, {:.2} s beyond what is usual at most", longest.as_secs_f64());
    println!("{}", Line { row: "R31", injection: &injection, runs, lost: 0, doubled: 0, recovery: start.elapsed() });
    range.close();
}
