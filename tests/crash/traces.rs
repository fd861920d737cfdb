//! What an entry tells of its way: one hop for each runner, as long as the way and not as the list.

use std::time::Duration;

use listmill_core::{Disposition, Timestamp};
use listmill_queue::State;
use listmill_queue_format::{Cursor, Entry, Queue};

use crate::fake::{Fake, FakePending, forward};
use crate::mill::{Mill, carry_one, entry, read, there, work_off};

fn hops(entry: &Entry) -> Vec<(&str, &str, &str)> {
    entry.trace.iter().map(|hop| (&*hop.runner, &*hop.disposition, &*hop.reason)).collect()
}

/// Forwards a page to outbound, and itself for the next of three.
fn pages() -> FakePending {
    FakePending(Fake::deciding(|entry| {
        let page = entry.facts.cursor.as_ref().map_or(0, |cursor| cursor.page);
        let to_outbound = entry.derive("pending", 0, Queue::Outbound);
        let mut decided = vec![Disposition::Forward { entry: to_outbound, reason: format!("page {page}") }];
        if page < 2 {
            let mut next = entry.derive("pending", 1, Queue::Pending);
            next.facts.cursor = Some(Cursor { after: String::new(), page: page + 1, other: Default::default() });
            decided.push(Disposition::Forward { entry: next, reason: format!("after page {page}") });
        }
        decided
    }))
}

#[test]
fn each_runner_leaves_one_hop_however_many_pages_there_are() {
    let mill = Mill::new();
    let shell = mill.start();
    let post = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&post)).unwrap();
    let begun = Timestamp::now();
    work_off(&shell, &Fake::deciding(|entry| vec![forward(entry, 0, Queue::Pending)]));
    work_off(&shell, &pages());
    let copies = there(&shell, Queue::Outbound, State::New);
    let told: Vec<_> = copies.iter().map(hops).collect();
    let moderation = ("moderation", "forward", "a test");
    assert_eq!(
        told,
        [
            [moderation, ("pending", "forward", "page 0")],
            [moderation, ("pending", "forward", "page 1")],
            [moderation, ("pending", "forward", "page 2")],
        ]
    );
    for hop in copies.iter().flat_map(|copy| &copy.trace) {
        assert_eq!(hop.host, "mill.example.org");
        assert!(hop.at >= begun && hop.at <= Timestamp::now());
    }
}

#[test]
fn a_deferred_entry_keeps_its_id_counts_its_attempts_and_renews_its_hop() {
    let mill = Mill::new();
    let shell = mill.start();
    let post = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&post)).unwrap();
    let stage = Fake::new(|entry, _, cx| {
        let until = cx.now + Duration::from_secs(3600);
        Ok(vec![match entry.attempts {
            3 => forward(entry, 0, Queue::Pending),
            attempts => Disposition::Defer { until, reason: format!("attempt {attempts}") },
        }])
    });
    for attempt in 0..3 {
        let begun = Timestamp::now();
        carry_one(&shell, &stage);
        let deferred = read(&shell, post.id);
        let until = deferred.not_before.expect("it waits for a clock");
        assert!(until >= begun + Duration::from_secs(3600), "{until}");
        assert_eq!(deferred.attempts, attempt + 1);
        assert_eq!(hops(&deferred), [("moderation", "defer", &*format!("attempt {attempt}"))]);
        let same = Entry { attempts: 0, not_before: None, trace: Vec::new(), ..deferred };
        assert_eq!(same, post, "nothing else has changed");
        assert!(shell.queues.retry(post.id).unwrap());
    }
    carry_one(&shell, &stage);
    let forwarded = there(&shell, Queue::Pending, State::New);
    assert_eq!((forwarded[0].attempts, forwarded[0].not_before), (0, None));
    let way = [("moderation", "defer", "attempt 2"), ("moderation", "forward", "a test")];
    assert_eq!(hops(&forwarded[0]), way);
}
