//! What every store does with unconfirmed requests.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use listmill_core::{CommitError, ListAddress, Refusal, Request, RequestKind, StoreChange};
use listmill_queue_format::EntryId;

use crate::store_conformance::{
    DAY, Make, add, address, apply, apply_later, batch, create, dev, fresh_id, later, list, member, now, plain, refused,
};

pub(crate) fn request(list: &ListAddress, kind: RequestKind, who: &str, handle: &str) -> Request {
    Request {
        list: list.clone(),
        kind,
        address: address(who),
        opened: fresh_id(),
        handle: handle.to_owned(),
        commands: vec![format!("{kind} {who}"), "set hide on".to_owned()],
        by: None,
        mailed: now(),
        expires: later(DAY),
    }
}

fn join(who: &str, handle: &str) -> Request {
    request(&dev(), RequestKind::Join, who, handle)
}

fn open(request: &Request, instead: Option<EntryId>) -> StoreChange {
    StoreChange::OpenRequest { request: request.clone(), instead }
}

fn close(request: &Request, opened: EntryId) -> StoreChange {
    StoreChange::CloseRequest {
        list: request.list.clone(),
        kind: request.kind,
        address: request.address.clone(),
        opened,
        outcome: "confirmed".to_owned(),
    }
}

fn changed(request: &Request) -> Refusal {
    Refusal::RequestChanged { list: request.list.clone(), kind: request.kind, address: request.address.clone() }
}

pub(crate) fn one_request_of_a_kind_is_open_for_a_person(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let first = Request { by: Some(address("alice@example.org")), ..join("Bob@example.net", "abc") };
    let second = join("bob@EXAMPLE.net", "def");
    apply(store, vec![create(&dev()), open(&first, None)]);
    assert_eq!(store.request(&dev(), RequestKind::Join, &second.address), Ok(Some(first.clone())));
    assert_eq!(store.request(&dev(), RequestKind::Leave, &first.address), Ok(None));
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(Some(first.clone())));
    assert_eq!(store.figures().unwrap().requests, 1);
    for wrong in [None, Some(second.opened)] {
        assert_eq!(refused(store, open(&second, wrong)), changed(&second), "the one that is open is another");
    }
    let leave = request(&dev(), RequestKind::Leave, "bob@example.net", "ghi");
    assert_eq!(refused(store, open(&leave, Some(first.opened))), changed(&leave), "there is none of this kind");
    apply(store, vec![open(&leave, None), open(&second, Some(first.opened))]);
    assert_eq!(store.request(&dev(), RequestKind::Join, &first.address), Ok(Some(second.clone())));
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(None));
    assert_eq!(store.request_by_handle(&dev(), "def"), Ok(Some(second.clone())));
    assert_eq!(store.figures().unwrap().requests, 2);

    assert_eq!(refused(store, close(&second, first.opened)), changed(&second), "that one is no longer open");
    apply(store, vec![close(&second, second.opened)]);
    assert_eq!(refused(store, close(&second, second.opened)), changed(&second), "it is used once");
    assert_eq!(refused(store, open(&first, Some(second.opened))), changed(&first), "there is none to replace");
    assert_eq!(store.request_by_handle(&dev(), "def"), Ok(None));
    assert_eq!(store.request(&dev(), RequestKind::Leave, &leave.address), Ok(Some(leave)));
    assert_eq!(store.figures().unwrap().requests, 1);
}

pub(crate) fn a_request_that_is_asked_for_again_keeps_its_token(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let first = join("bob@example.net", "abc");
    apply(store, vec![create(&dev()), open(&first, None)]);
    let again = Request { mailed: later(60), expires: later(2 * DAY), ..first.clone() };
    apply_later(store, 60, vec![open(&again, Some(first.opened))]);
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(Some(again.clone())));
    apply_later(store, DAY + 1, vec![StoreChange::Tidy]);
    assert_eq!(store.request(&dev(), RequestKind::Join, &first.address), Ok(Some(again)), "it waits longer now");
    apply_later(store, 2 * DAY, vec![StoreChange::Tidy]);
    assert_eq!(store.request(&dev(), RequestKind::Join, &first.address), Ok(None));
    assert_eq!((store.request_by_handle(&dev(), "abc"), store.figures().unwrap().requests), (Ok(None), 0));
}

pub(crate) fn a_handle_leads_to_one_request(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let other = list("other@lists.example.org");
    let (first, second) = (join("bob@example.net", "abc"), join("carol@example.net", "abc"));
    let elsewhere = request(&other, RequestKind::Join, "carol@example.net", "abc");
    apply(store, vec![create(&dev()), create(&other), open(&first, None), open(&elsewhere, None)]);
    assert_eq!(refused(store, open(&second, None)), changed(&second));
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(Some(first.clone())));
    assert_eq!(store.request_by_handle(&other, "abc"), Ok(Some(elsewhere)));
    assert_eq!(store.request_by_handle(&dev(), "ab"), Ok(None), "the whole handle, not its beginning");
    apply(store, vec![close(&first, first.opened), open(&second, None)]);
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(Some(second)));
}

pub(crate) fn an_expired_request_is_there_until_it_is_tidied(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let old = Request { expires: later(10), ..join("bob@example.net", "abc") };
    let new = Request { expires: later(2 * DAY), ..join("bob@example.net", "def") };
    apply(store, vec![create(&dev()), open(&old, None)]);
    apply_later(store, 9, vec![StoreChange::Tidy]);
    assert_eq!(store.request(&dev(), RequestKind::Join, &old.address), Ok(Some(old.clone())));
    // In one batch the first takes its place, the second tidies, the third finds that nothing else was tidied.
    apply_later(store, DAY, vec![open(&new, Some(old.opened)), StoreChange::Tidy, close(&new, new.opened)]);
    apply_later(store, DAY, vec![open(&old, None), StoreChange::Tidy, open(&new, None)]);
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(None));
    assert_eq!(store.request_by_handle(&dev(), "def"), Ok(Some(new)));
}

pub(crate) fn of_two_confirmations_at_the_same_time_one_wins(make: &Make) {
    let made = plain(make);
    let store = made.store.clone();
    apply(&*store, vec![create(&dev())]);
    for round in 0..10 {
        let who = format!("m{round}@example.net");
        let asked = join(&who, "abc");
        apply(&*store, vec![open(&asked, None)]);
        let (won, all) = (AtomicU64::new(0), Barrier::new(4));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let confirmed = batch(vec![close(&asked, asked.opened), add(&dev(), member(&who))]);
                    all.wait();
                    match store.commit(&confirmed) {
                        Ok(_) => _ = won.fetch_add(1, Ordering::SeqCst),
                        Err(error) => assert_eq!(error, CommitError::Refused(changed(&asked))),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
    }
    assert_eq!((store.member_count(&dev()), store.figures().unwrap().requests), (Ok(10), 0));
}

pub(crate) fn many_requests_expire_a_thousand_at_a_time(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let other = list("other@lists.example.org");
    apply(store, vec![create(&dev()), create(&other)]);
    let asked = |n: i64| {
        let list = if n % 2 == 0 { dev() } else { other.clone() };
        let who = format!("m{n}@example.net");
        Request { expires: later(n), ..request(&list, RequestKind::Commands, &who, &format!("h{n}")) }
    };
    for part in 0..5 {
        apply(store, (part * 500..(part + 1) * 500).map(|n| open(&asked(n), None)).collect());
    }
    let tidied = |seconds| {
        apply_later(store, seconds, vec![StoreChange::Tidy]);
        store.figures().unwrap().requests
    };
    assert_eq!([tidied(99), tidied(99)], [2400, 2400], "those that have expired, and no other");
    assert_eq!([tidied(3000), tidied(3000), tidied(3000), tidied(3000)], [1400, 400, 0, 0]);
    for n in 0..2500 {
        let gone = asked(n);
        assert_eq!(store.request(&gone.list, gone.kind, &gone.address), Ok(None));
        assert_eq!(store.request_by_handle(&gone.list, &gone.handle), Ok(None));
    }
}
