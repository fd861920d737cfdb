//! What every store does with what became of held posts.

use listmill_core::{Away, Decision, HeldPost, MessageFile, Refusal, StoreChange, StoreView, Verdict};

use crate::store_conformance::{
    DAY, HOUR, Make, apply, apply_later, create, decide, dev, fresh_id, hold, later, list, now, plain, refused,
};

fn rehold(id: u64) -> StoreChange {
    StoreChange::Rehold { list: dev(), id }
}

fn postpone(id: u64, seconds: i64) -> StoreChange {
    StoreChange::Postpone { list: dev(), id, until: later(seconds) }
}

fn numbers(store: &dyn StoreView) -> Vec<u64> {
    store.held(&dev(), None, 99).unwrap().iter().map(|post| post.id).collect()
}

fn decided(store: &dyn StoreView) -> Vec<u64> {
    store.decisions(&dev(), None, usize::MAX).unwrap().iter().map(|decision| decision.post.id).collect()
}

pub(crate) fn a_held_post_is_found_by_its_entry(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let (StoreChange::Hold { post, file }, other) = (hold(&dev(), "one", b"1".to_vec()), hold(&dev(), "two", vec![]))
    else {
        panic!("it is a hold")
    };
    let twice = HeldPost { subject: "again".to_owned(), ..post.clone() };
    let entry = post.entry;
    assert_eq!(store.held_by_entry(&dev(), entry), Ok(None));
    let again = StoreChange::Hold { post: twice, file: file.clone() };
    apply(store, vec![create(&dev()), other, StoreChange::Hold { post: post.clone(), file }, again]);
    let found = |entry| store.held_by_entry(&dev(), entry).unwrap().map(|post| post.id);
    assert_eq!(store.held_by_entry(&dev(), entry), Ok(Some(HeldPost { id: 2, ..post })));
    assert_eq!(store.held_by_entry(&list("other@lists.example.org"), entry), Ok(None));
    assert_eq!(found(fresh_id()), None);

    apply(store, vec![decide(&dev(), 2, Verdict::Discard)]);
    assert_eq!(found(entry), Some(3), "the same entry was held twice");
    apply(store, vec![decide(&dev(), 3, Verdict::Accept)]);
    assert_eq!(found(entry), None);
    apply(store, vec![rehold(2)]);
    assert_eq!(found(entry), Some(2));
}

pub(crate) fn a_decision_stays_known_for_a_month(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(
        store,
        (1..=6).fold(vec![create(&dev())], |all, n| [all, vec![hold(&dev(), &n.to_string(), vec![])]].concat()),
    );
    let posts = store.held(&dev(), None, 9).unwrap();
    for (id, verdict) in (1..).zip(Verdict::ALL) {
        assert_eq!(store.decision(&dev(), id), Ok(None));
        apply_later(store, id as i64, vec![decide(&dev(), id, verdict)]);
        let (post, by) = (posts[id as usize - 1].clone(), "alice@example.org".to_owned());
        let decision = Decision { post, verdict, by, at: later(id as i64) };
        assert_eq!(store.decision(&dev(), id), Ok(Some(decision)), "{verdict}");
        assert_eq!(refused(store, decide(&dev(), id, verdict)), Refusal::NotHeld { list: dev(), id });
    }
    assert_eq!((numbers(store), decided(store)), (vec![6], vec![1, 2, 3, 4, 5]));
    let page = store.decisions(&dev(), Some(2), 2).unwrap();
    assert_eq!(page.iter().map(|decision| decision.post.id).collect::<Vec<_>>(), [3, 4]);

    apply_later(store, 30 * DAY, vec![StoreChange::Tidy]);
    assert_eq!(decided(store), [1, 2, 3, 4, 5], "not yet a month");
    apply_later(store, 30 * DAY + 2, vec![StoreChange::Tidy]);
    assert_eq!(decided(store), [3, 4, 5], "only those that were decided a month ago");
    apply_later(store, 30 * DAY + 5, vec![StoreChange::Tidy]);
    assert_eq!((numbers(store), decided(store)), (vec![6], vec![]));
}

pub(crate) fn what_has_reached_nobody_can_come_back(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let long = vec![b'x'; 9000];
    apply(store, vec![create(&dev()), hold(&dev(), "long", long.clone()), hold(&dev(), "short", b"short".to_vec())]);
    let (long, short) = ((MessageFile(long)), MessageFile(b"short".to_vec()));
    let before = store.held(&dev(), None, 9).unwrap();
    for round in 0..3 {
        let verdicts = if round % 2 == 0 { [Verdict::Reject, Verdict::Discard] } else { [Verdict::Discard; 2] };
        apply_later(store, round, vec![decide(&dev(), 1, verdicts[0]), decide(&dev(), 2, verdicts[1])]);
        assert_eq!((numbers(store), decided(store), store.figures().unwrap().held), (vec![], vec![1, 2], 0));
        assert_eq!(store.held_entry(&dev(), 1), Ok(None));
        assert_eq!(store.decision(&dev(), 1).unwrap().unwrap().verdict, verdicts[0]);
        apply_later(store, round + 5, vec![rehold(1), rehold(2)]);
        let away = Some(Away { from: later(round), until: later(round + 5) });
        let again: Vec<_> = before.iter().map(|post| HeldPost { away, ..post.clone() }).collect();
        assert_eq!((store.held(&dev(), None, 9).unwrap(), decided(store)), (again, vec![]));
        assert_eq!(store.figures().unwrap().held, 2);
        assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, long);
        assert_eq!(store.held_entry(&dev(), 2).unwrap().unwrap().1, short);
    }

    let never = |id| Refusal::NotDecided { list: dev(), id };
    assert_eq!((refused(store, rehold(1)), refused(store, rehold(7))), (never(1), never(7)), "held, and never seen");
    apply(store, vec![hold(&dev(), "three", vec![]), decide(&dev(), 1, Verdict::Discard)]);
    assert_eq!(numbers(store), [2, 3], "a number is given once, whatever may come back");
    for verdict in [Verdict::Accept, Verdict::Lapse, Verdict::Cancel] {
        apply(store, vec![hold(&dev(), "more", vec![b'y'; 9000])]);
        let id = *numbers(store).last().unwrap();
        apply(store, vec![decide(&dev(), id, verdict)]);
        assert_eq!(refused(store, rehold(id)), never(id), "{verdict}");
    }
    // What somebody has taken back does not go by the time of the decision that is no more.
    apply_later(store, 10, vec![rehold(1), StoreChange::Tidy]);
    apply_later(store, 31 * DAY, vec![StoreChange::Tidy]);
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, long);
}

pub(crate) fn the_message_of_a_decided_post_goes_after_an_hour(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), hold(&dev(), "one", vec![b'1'; 90_000]), hold(&dev(), "two", b"2".to_vec())]);
    apply(store, vec![decide(&dev(), 1, Verdict::Discard)]);
    apply_later(store, 60, vec![decide(&dev(), 2, Verdict::Reject)]);
    let full = made.disk_bytes();
    apply_later(store, HOUR - 1, vec![StoreChange::Tidy]);
    apply_later(store, HOUR - 1, vec![rehold(1), decide(&dev(), 1, Verdict::Discard)]);
    apply_later(store, HOUR + 60, vec![StoreChange::Tidy]);
    assert_eq!(refused(store, rehold(2)), Refusal::NotDecided { list: dev(), id: 2 });
    assert_eq!(decided(store), [1, 2], "the decision itself stays known");
    apply_later(store, 2 * HOUR, vec![StoreChange::Tidy]);
    assert_eq!(refused(store, rehold(1)), Refusal::NotDecided { list: dev(), id: 1 });
    assert!(made.disk_bytes() < full - 60_000);
}

pub(crate) fn a_held_post_waits_longer(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), hold(&dev(), "one", b"1".to_vec())]);
    let before = store.held(&dev(), None, 9).unwrap().remove(0);
    apply(store, vec![postpone(1, 5 * DAY)]);
    assert_eq!(store.held_by_entry(&dev(), before.entry).unwrap().unwrap().expires, later(5 * DAY));
    assert_eq!(store.held(&dev(), None, 9), Ok(vec![HeldPost { expires: later(5 * DAY), ..before }]));
    assert_eq!(refused(store, postpone(2, DAY)), Refusal::NotHeld { list: dev(), id: 2 });
    assert_eq!(store.figures().unwrap().held, 1);
    apply(store, vec![decide(&dev(), 1, Verdict::Discard)]);
    assert_eq!(refused(store, postpone(1, DAY)), Refusal::NotHeld { list: dev(), id: 1 });
    assert_eq!(store.decision(&dev(), 1).unwrap().unwrap().at, now());
}

pub(crate) fn what_waits_for_a_moderator_may_be_a_wish(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let StoreChange::Hold { post, file } = hold(&dev(), "", b"join".to_vec()) else { panic!("it is a hold") };
    let wish = HeldPost { asks: Some("join bob@example.net".to_owned()), ..post };
    apply(store, vec![create(&dev()), StoreChange::Hold { post: wish.clone(), file }]);
    let kept = HeldPost { id: 1, ..wish };
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().0, kept);
    apply(store, vec![decide(&dev(), 1, Verdict::Reject)]);
    assert_eq!(store.decision(&dev(), 1).unwrap().unwrap().post, kept);
}

pub(crate) fn many_decisions_go_a_thousand_at_a_time(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    for _ in 0..5 {
        apply(store, (0..500).map(|_| hold(&dev(), "s", b"x".to_vec())).collect());
    }
    apply(store, (1..=2500).map(|id| decide(&dev(), id, Verdict::Discard)).collect());
    let tidied = |seconds| {
        apply_later(store, seconds, vec![StoreChange::Tidy]);
        decided(store).len()
    };
    assert_eq!([tidied(HOUR), tidied(30 * DAY), tidied(30 * DAY)], [2500, 1500, 500]);
    assert_eq!(refused(store, rehold(2500)), Refusal::NotDecided { list: dev(), id: 2500 });
    assert_eq!([tidied(30 * DAY), tidied(30 * DAY)], [0, 0]);
    let audit = store.audit(None, 99).unwrap();
    assert_eq!(audit.len(), 7, "what goes by itself is not on record");
}
