//! One list whose recipients hang, and what the others notice of it: nothing. (Invariant 8; R23 and R33 of specs/standards.md.)
//!
//! The smarthost says nothing to the RCPT of every third recipient of list A for as long as the test wants. The sample decides by the order of
//! events and not by a clock: everything of list B, and the confirmation of somebody who joins, is out while A has everything in hand that it may
//! have, and nothing of A moves any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use listmill_tests::faults::{Line, full};
use listmill_tests::letters::Mail;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Running, Site, wait_for};
use listmill_tests::sink::{Answer, Gate, Received, Script, Sink, Step};

const A: &str = "a@lists.example.org";
const B: &str = "b@lists.example.org";
/// The pages are small, so that B has several: they must not wait for A's either.
const SITE: &str = "chunk = 40\n";
/// Of ten connections, those that a list may hold at once when no other has anything to send.
const OF_ONE_LIST: usize = 8;

/// The domain behind the relay that does not answer.
const DEAD: &str = "dead.example.com";

/// Who of A's members is behind a relay that is dead.
fn is_dead(member: usize) -> bool {
    member % 10 < 3
}

fn members_of_a(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|member| format!("a{member:05}@{}", if is_dead(member) { DEAD } else { "example.net" }))
}

fn members_of_b(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|member| format!("b{member:05}@example.net"))
}

/// A smarthost that keeps whoever asks for the dead ones waiting at the gate; and how many have asked.
fn smarthost(gate: &Gate) -> (Sink, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (gate, counted) = (gate.clone(), Arc::clone(&asked));
    let answer = move |asked: &listmill_tests::sink::Asked<'_>| match asked.step {
        Step::Rcpt if asked.argument.ends_with(DEAD) => {
            counted.fetch_add(1, Ordering::SeqCst);
            Answer::Until(gate.clone(), "451 4.4.1 the next relay does not answer".to_owned())
        }
        _ => Answer::Usual,
    };
    (Sink::start(Script { keep: 1 << 10, ..Script::answering(answer) }), asked)
}

fn goes_to(prefix: &str) -> impl Fn(&Received) -> bool {
    let prefix = prefix.to_owned();
    move |received| received.recipients.iter().all(|recipient| recipient.starts_with(&prefix))
}

fn lists(site: &Site, of_a: usize, of_b: usize) {
    let settings = ["nonmember_action=accept", "max_message_size=25 MiB"];
    site.list(A, &settings, members_of_a(of_a));
    site.list(B, &settings, members_of_b(of_b));
}

fn lmtp(running: &Running) -> Lmtp {
    Lmtp::connect(running.lmtp.expect("it listens"))
}

fn post(running: &Running, list: &str, text: &str) {
    let mail = Mail::new("author@example.com", list).subject("news").text(text);
    lmtp(running).post(&mail.sender, &mail.to, &mail.bytes());
}

/// B's post and somebody's wish to join are handed in; returns when all copies and the confirmation are out, and how long each took.
fn others(running: &Running, sink: &Sink, of_b: usize) -> (Duration, Duration) {
    let start = Instant::now();
    post(running, B, "short\n");
    let wish = Mail::new("carol@example.com", "b-join@lists.example.org");
    lmtp(running).post(&wish.sender, &wish.to, &wish.bytes());
    let is_out = |sink: &Sink| sink.count_of(goes_to("carol@")) == 1;
    assert!(sink.wait(PATIENCE, is_out), "the confirmation is not out");
    let letter = start.elapsed();
    let all_out = sink.wait(PATIENCE, |sink| sink.count_of(goes_to("b")) == of_b);
    assert!(all_out, "{} of {of_b} copies of B's post are out", sink.count_of(goes_to("b")));
    (start.elapsed(), letter)
}

/// Copies too few, and too many.
fn lost_and_doubled(served: &HashMap<String, usize>, expected: impl Iterator<Item = String>) -> (usize, usize) {
    let expected: Vec<String> = expected.collect();
    let lost = expected.iter().filter(|recipient| !served.contains_key(*recipient)).count();
    (lost, served.values().map(|copies| copies - 1).sum())
}

#[test]
fn a_list_whose_recipients_hang_delays_nobody_else() {
    let (of_a, of_b) = (400, 60);
    let gate = Gate::closed();
    let (sink, hang) = smarthost(&gate);
    let site = Site::new(&sink.url("smtp"), SITE);
    lists(&site, of_a, of_b);
    let running = site.run();
    post(&running, A, "long\n");
    wait_for("all to hang that may", || hang.load(Ordering::SeqCst) == OF_ONE_LIST);
    others(&running, &sink, of_b);
    assert_eq!(hang.load(Ordering::SeqCst), OF_ONE_LIST, "nothing of A has moved meanwhile");
    assert!(sink.count_of(goes_to("a")) < of_a / 2, "and much of it is left");

    let start = Instant::now();
    gate.open();
    let living = members_of_a(of_a).enumerate().filter(|(member, _)| !is_dead(*member)).map(|(_, member)| member);
    let expected: Vec<String> = living.chain(members_of_b(of_b)).chain(["carol@example.com".to_owned()]).collect();
    let hung = || hang.load(Ordering::SeqCst) == of_a * 3 / 10;
    wait_for("each to be served or told to wait", || sink.count() >= expected.len() && hung());
    wait_for("outbound to have nothing in hand", || site.figure("outbound", "depth") == 0);
    assert!(site.figure("outbound", "deferred") > 0, "those who must wait do");
    let (lost, doubled) = lost_and_doubled(&sink.served(), expected.into_iter());
    let injection = "no answer to the RCPT of 30 % of one list's members";
    println!("{}", Line { row: "R23", injection, runs: 1, lost, doubled, recovery: start.elapsed() });
    assert_eq!((lost, doubled), (0, 0));
    assert_eq!(sink.violations(), Vec::<String>::new());
}

#[test]
fn ten_megabytes_to_fifty_thousand_delay_nobody_else_by_five_seconds() {
    if !full() {
        return; // the sample is above
    }
    let (of_a, of_b) = (50_000, 200);
    let gate = Gate::closed();
    let (sink, hang) = smarthost(&gate);
    let site = Site::new(&sink.url("smtp"), "");
    lists(&site, of_a, of_b);
    let running = site.run();
    let line = format!("{}\n", "ten megabytes ".repeat(5));
    post(&running, A, &line.repeat((10 << 20) / line.len()));
    wait_for("all to hang that may", || hang.load(Ordering::SeqCst) == OF_ONE_LIST);
    let (post, letter) = others(&running, &sink, of_b);
    let hanging = hang.load(Ordering::SeqCst);
    println!(
        "row=R23 injection=\"10 MB to {of_a} members, 30 % of them behind a relay that does not answer\" confirmation={:.1}s others={:.1}s hanging={hanging}",
        letter.as_secs_f64(),
        post.as_secs_f64()
    );
    // A build for debugging on a machine that is busy with other tests takes its time: what a release does is in specs/reliability.md.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 5 });
    assert!(letter < limit && post < limit, "{letter:?} and {post:?}");
}
