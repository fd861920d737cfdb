//! What every store knows of failed deliveries.

use std::thread;

use listmill_core::{
    BounceEvent, BounceRecord, BounceState, BounceTally, Cause, CommitError, ListAddress, Refusal, StoreChange,
    StoreView,
};
use listmill_queue_format::EntryId;

use crate::store_conformance::{
    DAY, Make, add, address, apply, apply_later, batch, create, dev, fresh_id, later, list, member, now, plain,
    refused, remove, update,
};

const BOB: &str = "bob@example.net";

fn record(list: &ListAddress, who: &str, due: i64) -> BounceRecord {
    let event = |cause, evidence: &str| BounceEvent {
        at: now(),
        cause,
        status: "5.1.1".to_owned(),
        weight: 100,
        post: "post/20251124-0a0b0c".to_owned(),
        relay: String::new(),
        evidence: evidence.to_owned(),
    };
    BounceRecord {
        list: list.clone(),
        address: address(who),
        by: fresh_id(),
        events: vec![event(Cause::Gone, "550 no such user"), event(Cause::Full, "„voll“")],
        state: BounceState::Scoring,
        cleared: None,
        complained: None,
        due: later(due),
    }
}

fn note(record: &BounceRecord, instead: Option<EntryId>) -> StoreChange {
    StoreChange::NoteBounces { record: record.clone(), instead }
}

fn forget(record: &BounceRecord, was: EntryId) -> StoreChange {
    StoreChange::ForgetBounces { list: record.list.clone(), address: record.address.clone(), was }
}

fn count(name: &str, once: Option<&str>, below: Option<u32>) -> StoreChange {
    let once = once.map(str::to_owned);
    StoreChange::CountBounce { list: dev(), name: name.to_owned(), once, below, note: format!("first of {name}") }
}

fn tally(store: &dyn StoreView, name: &str) -> u32 {
    store.bounce_tally(&dev(), name).unwrap().map_or(0, |tally| tally.count)
}

fn due(store: &dyn StoreView, seconds: i64, limit: usize) -> Vec<String> {
    let due = store.bounces_due(later(seconds), limit).unwrap();
    due.into_iter().map(|record| format!("{} {}", record.list.name(), record.address)).collect()
}

pub(crate) fn a_record_is_replaced_by_who_has_seen_it(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), add(&dev(), member(BOB))]);
    let first = record(&dev(), BOB, 10);
    let changed = Refusal::BouncesChanged { list: dev(), address: address(BOB) };
    assert_eq!(store.bounces(&dev(), &address(BOB)), Ok(None));
    assert_eq!(refused(store, note(&first, Some(fresh_id()))), changed);
    apply(store, vec![note(&first, None)]);
    assert_eq!(store.bounces(&dev(), &address("BOB@example.net")), Ok(Some(first.clone())));
    let second = BounceRecord {
        by: fresh_id(),
        state: BounceState::Probed { since: later(1), probe: fresh_id(), failed: false },
        cleared: Some(later(2)),
        complained: Some(later(3)),
        ..first.clone()
    };
    assert_eq!(refused(store, note(&second, None)), changed);
    assert_eq!(refused(store, note(&second, Some(second.by))), changed);
    apply(store, vec![note(&second, Some(first.by))]);
    assert_eq!(refused(store, note(&second, Some(first.by))), changed);
    assert_eq!(refused(store, forget(&first, first.by)), changed);
    assert_eq!(store.bounces(&dev(), &address(BOB)), Ok(Some(second.clone())));
    apply(store, vec![update(store, &dev(), member("Bob@example.net"))]);
    assert_eq!(store.bounces(&dev(), &address(BOB)), Ok(Some(second.clone())), "it is the same person");
    apply(store, vec![forget(&second, second.by)]);
    assert_eq!(store.bounces(&dev(), &address(BOB)), Ok(None));
    assert_eq!(store.audit(None, 9).unwrap().len(), 2, "the record is its own history");
}

pub(crate) fn what_is_known_of_bounces_goes_with_the_member_and_the_list(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), add(&dev(), member(BOB)), add(&dev(), member("carol@example.com"))]);
    let (bob, carol) = (record(&dev(), BOB, 10), record(&dev(), "carol@example.com", 20));
    let stranger = record(&dev(), "eve@example.com", 5);
    let gone = Refusal::NoMember { list: dev(), address: address("eve@example.com") };
    assert_eq!(refused(store, note(&stranger, None)), gone);
    let news = list("news@lists.example.org");
    assert_eq!(refused(store, note(&record(&news, BOB, 5), None)), Refusal::NoList(news));
    apply(store, vec![note(&bob, None), note(&carol, None), count("post/a", Some(BOB), None)]);
    apply(store, vec![remove(&dev(), BOB), add(&dev(), member(BOB))]);
    assert_eq!(
        (store.bounces(&dev(), &address(BOB)), due(store, 99, 9)),
        (Ok(None), vec!["dev carol@example.com".to_owned()])
    );
    apply(
        store,
        vec![StoreChange::RemoveList { list: dev() }, create(&dev()), add(&dev(), member("carol@example.com"))],
    );
    assert_eq!((store.bounces(&dev(), &carol.address), due(store, 99, 9)), (Ok(None), Vec::new()));
    assert_eq!((tally(store, "post/a"), store.bounce_tallies(&dev(), None, 9)), (0, Ok(Vec::new())));
    apply(store, vec![count("post/a", Some(BOB), None)]);
    assert_eq!(tally(store, "post/a"), 1, "what was counted once on the list before does not count here");
}

pub(crate) fn records_are_due_in_the_order_of_their_time(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let news = list("news@lists.example.org");
    apply(store, vec![create(&dev()), create(&news), add(&news, member(BOB))]);
    assert_eq!(due(store, DAY, 9), Vec::<String>::new());
    for (number, seconds) in [(1, 30), (2, 10), (3, -100_000 * DAY)] {
        let who = format!("member{number}@example.net");
        apply(store, vec![add(&dev(), member(&who)), note(&record(&dev(), &who, seconds), None)]);
    }
    let bob = record(&news, BOB, 20);
    apply(store, vec![note(&bob, None)]);
    let all = ["dev member3@example.net", "dev member2@example.net", "news bob@example.net", "dev member1@example.net"];
    assert_eq!(due(store, DAY, 9), all);
    assert_eq!(due(store, 20, 9), all[..3], "those whose time has just come among them");
    assert_eq!(
        (due(store, 19, 9), due(store, DAY, 1)),
        (all[..2].iter().map(ToString::to_string).collect(), vec![all[0].to_owned()])
    );
    let later_bob = BounceRecord { by: fresh_id(), due: later(DAY), ..bob.clone() };
    apply(store, vec![note(&later_bob, Some(bob.by))]);
    assert_eq!((due(store, 29, 9), due(store, DAY, 9).pop()), (due(store, 19, 9), Some(all[2].to_owned())));
    apply(store, vec![forget(&later_bob, later_bob.by)]);
    assert_eq!(due(store, DAY, 9).len(), 3);
}

pub(crate) fn what_is_counted_once_counts_once(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    assert_eq!(refused(store, count("post/a", None, None)), Refusal::NoList(dev()));
    apply(store, vec![create(&dev())]);
    apply(store, vec![count("post/a", Some("x"), None), count("post/a", Some("x"), None), count("post/a", None, None)]);
    apply_later(store, 9, vec![count("post/a", Some("x"), None), count("post/a", Some("y"), None)]);
    apply(store, vec![count("post/ab", Some("x"), None), count("letters/1", None, Some(1))]);
    let first = BounceTally { name: "post/a".into(), count: 3, since: now(), note: "first of post/a".into() };
    assert_eq!(store.bounce_tally(&dev(), "post/a"), Ok(Some(first.clone())));
    assert_eq!((tally(store, "post/ab"), tally(store, "post/"), tally(store, "x")), (1, 0, 0));
    let full = Refusal::Counted { list: dev(), name: "letters/1".to_owned() };
    assert_eq!(refused(store, count("letters/1", None, Some(1))), full);
    assert_eq!(refused(store, count("letters/1", Some("new"), Some(1))), full);
    assert_eq!(
        refused(store, count("post/none", None, Some(0))),
        Refusal::Counted { list: dev(), name: "post/none".into() }
    );
    let names = |after: Option<&str>, limit| {
        let page = store.bounce_tallies(&dev(), after, limit).unwrap();
        page.into_iter().map(|tally| tally.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 9), ["letters/1", "post/a", "post/ab"]);
    assert_eq!(
        (names(Some("post/"), 1), names(Some("post/a"), 9)),
        (vec!["post/a".to_owned()], vec!["post/ab".to_owned()])
    );
}

pub(crate) fn tallies_are_kept_for_their_time(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    let kept = BounceTally::KEPT.as_secs();
    apply(store, (0..1200).map(|number| count("post/a", Some(&number.to_string()), None)).collect());
    apply_later(store, DAY, vec![count("post/a", Some("later"), None), count("post/b", Some("x"), None)]);
    apply_later(store, kept - 1, vec![StoreChange::Tidy]);
    assert_eq!((tally(store, "post/a"), tally(store, "post/b")), (1201, 1));
    apply_later(store, kept + 1, vec![StoreChange::Tidy]);
    assert_eq!((tally(store, "post/a"), tally(store, "post/b")), (0, 1));
    apply_later(store, kept + 2, vec![count("post/a", Some("7"), None), count("post/b", Some("x"), None)]);
    assert_eq!((tally(store, "post/a"), tally(store, "post/b")), (1, 1), "what it had counted went along, and no more");
}

pub(crate) fn of_many_who_count_and_note_at_the_same_time_each_is_heard(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let people: Vec<_> = (0..8).map(|number| format!("member{number}@example.net")).collect();
    apply(store, std::iter::once(create(&dev())).chain(people.iter().map(|who| add(&dev(), member(who)))).collect());
    let (noted, refused): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let threads: Vec<_> = people
            .iter()
            .map(|who| {
                scope.spawn(move || {
                    let mine = vec![
                        count("post/a", Some(who), None),
                        count("all", None, None),
                        note(&record(&dev(), who, 1), None),
                    ];
                    store.commit(&batch(mine)).unwrap();
                    store.commit(&batch(vec![count("some", None, Some(3))]))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).partition(Result::is_ok)
    });
    assert_eq!((tally(store, "post/a"), tally(store, "all"), tally(store, "some")), (8, 8, 3));
    assert_eq!((noted.len(), due(store, 9, 99).len()), (3, 8));
    assert!(refused.iter().all(|error| matches!(error, Err(CommitError::Refused(Refusal::Counted { .. })))));
}
