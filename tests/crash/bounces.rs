//! Rows E2 to E9 for the bounce stage: a failure that is noted, a probe that leaves, delivery that is switched off, a member who is removed. Whichever call to a
//! backend fails or is the last one of a process, each is counted once, each letter leaves once, and none is lost.

use std::time::Duration;

use listmill_bounce::{Bounce, BounceConfig};
use listmill_core::{
    BounceEvent, BounceRecord, BounceState, By, CLOCK, Cause, Delivery, Member, Role, Roles, StoreChange, Timestamp,
};
use listmill_mail::verp::return_path;
use listmill_queue::State;
use listmill_queue_format::{Entry, EntryId, Outcome, Queue, Recipient, Subaddress};
use listmill_runner::Shell;

use crate::breaking::Fate;
use crate::fake::{add_bob, bob, dev};
use crate::mill::{Mill, apply, assert_settled, entry, fresh_id, meets, there, work_off};

/// All that changes the store and leaves a letter.
const LETTERS: [&str; 4] = ["commit", "put", "outbox_done", "release"];

fn stage() -> Bounce {
    Bounce::new(BounceConfig::default())
}

/// A list with an owner and Bob, and what is known of him.
fn mill(record: Option<BounceState>) -> Mill {
    let mill = Mill::new();
    let owner = Member { roles: Roles::NONE.with(Role::Owner), ..Member::new("alice@example.org".parse().unwrap(), 1) };
    let mut changes = vec![add_bob(), StoreChange::AddMember { list: dev(), member: owner }];
    if matches!(record, Some(BounceState::Disabled { .. })) {
        let was = Member::new(bob(), 1_700_000_000);
        let member = Member { delivery: Delivery::Off(By::Bounces), ..was.clone() };
        changes.push(StoreChange::UpdateMember { list: dev(), was: Box::new(was), member });
    }
    changes.extend(record.map(|state| StoreChange::NoteBounces { record: noted(state), instead: None }));
    apply(&*mill.store(), fresh_id(), changes);
    mill
}

/// Bob has failed on each of the last five days.
fn noted(state: BounceState) -> BounceRecord {
    let event = |days: u64| BounceEvent {
        at: before(days),
        cause: Cause::Gone,
        status: "5.1.1".to_owned(),
        weight: 100,
        post: format!("post/{days}"),
        relay: String::new(),
        evidence: "550 5.1.1 no such user".to_owned(),
    };
    let events = (1..=5).rev().map(event).collect();
    let (list, address, by) = (dev(), bob(), fresh_id());
    BounceRecord { list, address, by, events, state, cleared: None, complained: None, due: before(0) }
}

fn before(days: u64) -> Timestamp {
    Timestamp::now() - Duration::from_secs(days * 86_400)
}

/// Goes through every fate of every call that the entry leads to.
fn each_call(calls: &[&str], start: impl Fn() -> (Mill, Entry), check: impl Fn(&Shell)) {
    let (nothing_happens, entry) = start();
    assert_eq!(meets(&nothing_happens, &entry, Fate::DiesBefore, calls.len(), &stage()), None, "{calls:?} are all");
    for fate in Fate::ALL {
        for (at, call) in calls.iter().enumerate() {
            eprintln!("{fate:?} at call {at}, {call}");
            let (mill, entry) = start();
            assert_eq!(meets(&mill, &entry, fate, at, &stage()), Some(*call));
            let shell = mill.start();
            work_off(&shell, &stage());
            assert_settled(&shell, Queue::Bounce);
            check(&shell);
        }
    }
}

fn to(word: &str, detail: &str) -> Option<Subaddress> {
    Some(Subaddress { word: word.to_owned(), detail: detail.to_owned(), other: Default::default() })
}

fn tick() -> Entry {
    let mut entry = entry(Queue::Bounce);
    entry.list = None;
    entry.facts.subaddress = to(CLOCK, "tick");
    entry
}

/// Our next host has refused Bob's copy.
fn refused(mill: &Mill) -> Entry {
    let mut entry = entry(Queue::Bounce);
    entry.recipients = vec![Recipient {
        address: bob().to_string(),
        return_path: path(mill, entry.id),
        outcome: Some(Outcome {
            at: Timestamp::now(),
            code: 550,
            status: "5.1.1".to_owned(),
            text: "no such user".to_owned(),
            other: Default::default(),
        }),
        ..Recipient::default()
    }];
    entry
}

/// A report has come back to the return path of Bob's copy.
fn reported(mill: &Mill) -> Entry {
    let mut entry = entry(Queue::Bounce);
    let path = path(mill, entry.id);
    entry.facts.subaddress = to("bounces", path.split_once('+').unwrap().1.split('@').next().unwrap());
    let text = "From: MAILER-DAEMON@mx.example.org\r\nSubject: Undelivered Mail\r\nContent-Type: message/delivery-status\r\n\r\n\
                Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n";
    entry.message = text.as_bytes().into();
    entry
}

fn path(mill: &Mill, post: EntryId) -> String {
    return_path(&mill.store().signing_keys().unwrap(), &dev(), &bob(), post, Timestamp::now())
}

fn record(shell: &Shell) -> Option<BounceRecord> {
    shell.store.as_ref().unwrap().bounces(&dev(), &bob()).unwrap()
}

fn member(shell: &Shell) -> Option<Member> {
    shell.store.as_ref().unwrap().member(&dev(), &bob()).unwrap()
}

/// To whom the letters go that have left, each of them once.
fn left(shell: &Shell) -> Vec<String> {
    let letters = there(shell, Queue::Outbound, State::New);
    let mut to: Vec<_> = letters.iter().map(|letter| letter.recipients[0].address.clone()).collect();
    to.sort_unstable();
    to
}

/// The failure is in the history, and each tally has counted it.
fn assert_counted(shell: &Shell) {
    let record = record(shell).expect("it is noted");
    assert_eq!((record.events.len(), record.events[0].cause), (1, Cause::Gone));
    let tallies = shell.store.as_ref().unwrap().bounce_tallies(&dev(), None, 9).unwrap();
    assert_eq!(tallies.iter().map(|tally| tally.count).collect::<Vec<_>>(), [1, 1], "{tallies:?}");
    assert_eq!(left(shell), Vec::<String>::new());
}

#[test]
fn a_report_is_counted_once() {
    let start = || {
        let mill = mill(None);
        let entry = reported(&mill);
        (mill, entry)
    };
    each_call(&["commit", "release"], start, assert_counted);
}

#[test]
fn a_refusal_of_the_next_host_is_counted_once() {
    let start = || {
        let mill = mill(None);
        let entry = refused(&mill);
        (mill, entry)
    };
    each_call(&["commit", "release"], start, assert_counted);
}

#[test]
fn one_probe_leaves() {
    each_call(
        &LETTERS,
        || (mill(Some(BounceState::Scoring)), tick()),
        |shell| {
            assert!(matches!(record(shell).unwrap().state, BounceState::Probed { failed: false, .. }));
            assert_eq!(left(shell), ["alice@example.org", "bob@example.net"]);
        },
    );
}

#[test]
fn delivery_is_switched_off_once_with_one_notice() {
    let failed = || BounceState::Probed { since: before(1), probe: fresh_id(), failed: true };
    each_call(
        &LETTERS,
        || (mill(Some(failed())), tick()),
        |shell| {
            assert!(matches!(record(shell).unwrap().state, BounceState::Disabled { notices: 1, .. }));
            assert_eq!(member(shell).unwrap().delivery, Delivery::Off(By::Bounces));
            assert_eq!(left(shell), ["alice@example.org", "bob@example.net"]);
        },
    );
}

#[test]
fn a_member_is_removed_once_and_told_so_once() {
    let last = || BounceState::Disabled { since: before(30), notices: 3 };
    each_call(
        &LETTERS,
        || (mill(Some(last())), tick()),
        |shell| {
            assert_eq!((record(shell), member(shell)), (None, None));
            assert_eq!(left(shell), ["alice@example.org", "bob@example.net"]);
        },
    );
}
