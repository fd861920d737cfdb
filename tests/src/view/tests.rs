//! The store in memory keeps what it promises: what the real ones are held to in `tests/backends`, in short.

use listmill_core::{Allowance, Away, Refusal, StoreChange};

use super::*;

const STORE: &str = r#"
[[list]]
address = "dev@lists.example.org"
members = ["bob@example.net"]

[[list.held]]
id = 3
author = "eve@example.com"
subject = "Buy"

[[list.decided]]
id = 2
author = "eve@example.com"
verdict = "discard"
by = "alice@example.org"

[[list.request]]
kind = "join"
address = "erin@example.com"
commands = ["join"]

[[spent]]
address = "victim@example.com"
trust = "stranger"
count = 2
"#;

fn now() -> Timestamp {
    "2026-11-22T09:00:00Z".parse().unwrap()
}

fn dev() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}

fn erin() -> Address {
    "erin@example.com".parse().unwrap()
}

fn view() -> MemoryView {
    MemoryView::from_toml(STORE).unwrap()
}

#[test]
fn a_store_is_read() {
    let view = view();
    let (post, file) = view.held_entry(&dev(), 3).unwrap().unwrap();
    let entry = listmill_queue_format::decode(&file.0).unwrap();
    assert_eq!((entry.id, post.sha256.len(), &*post.subject), (post.entry, 64, "Buy"));
    assert_eq!(view.held_by_entry(&dev(), post.entry).unwrap(), Some(post));
    assert_eq!(view.decision(&dev(), 2).unwrap().unwrap().by, "alice@example.org");
    let request = view.request(&dev(), RequestKind::Join, &erin()).unwrap().unwrap();
    assert_eq!(view.request_by_handle(&dev(), &request.handle).unwrap(), Some(request));
    let victim = "Victim@example.com".parse().unwrap();
    let spent = Spent { address: 2, domain: 2 };
    assert_eq!(view.spent(&victim, Trust::Stranger, now()), Ok(spent));
    assert_eq!(view.spent(&victim, Trust::Known, now()), Ok(Spent::default()));
    assert_eq!(view.spent(&"other@example.com".parse().unwrap(), Trust::Stranger, now()).unwrap().domain, 2);
    assert!(MemoryView::from_toml(&STORE.replace("verdict", "wrong = 1\nverdict")).is_err(), "an unknown key");
}

#[test]
fn a_batch_is_applied_whole_or_not_at_all() {
    let mut view = view();
    let unhold = StoreChange::Unhold { list: dev(), id: 3, verdict: listmill_core::Verdict::Reject, by: String::new() };
    assert!(view.apply(&[unhold.clone(), unhold.clone()], now()).is_err());
    assert_eq!(view.held(&dev(), None, 9).unwrap().len(), 1);
    view.apply(&[unhold], now()).unwrap();
    assert_eq!((view.held(&dev(), None, 9).unwrap().len(), view.decisions(&dev(), None, 9).unwrap().len()), (0, 2));
    view.apply(&[StoreChange::Rehold { list: dev(), id: 3 }], now()).unwrap();
    let again = view.held(&dev(), Some(2), 9).unwrap().remove(0);
    let away = Some(Away { from: now(), until: now() });
    assert_eq!((again.id, again.away), (3, away), "under its number");
    let later = now() + jiff::SignedDuration::from_hours(2);
    view.apply(&[StoreChange::Tidy], later).unwrap();
    let gone = view.apply(&[StoreChange::Rehold { list: dev(), id: 2 }], later);
    assert_eq!(gone, Err(Refusal::NotDecided { list: dev(), id: 2 }));
}

#[test]
fn what_has_waited_too_long_lapses_in_order() {
    let held = |id: u32, expires: &str| {
        format!("[[list.held]]\nid = {id}\nauthor = \"a@example.org\"\nexpires = \"2026-11-22T{expires}Z\"\n")
    };
    let lists = ["b", "a"].map(|name| {
        let head = format!("[[list]]\naddress = \"{name}@lists.example.org\"\n");
        [head, held(1, "08:30:00"), held(2, "08:00:00"), held(3, "09:00:00"), held(4, "09:00:01")].concat()
    });
    let view = MemoryView::from_toml(&(lists.concat() + "lost = true\n")).unwrap();
    let lapsed = |limit| {
        let lapsed = view.lapsed(now(), limit).unwrap();
        lapsed.into_iter().map(|post| format!("{}{}", post.list.name(), post.id)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((lapsed(9).as_str(), lapsed(3).as_str()), ("a2 b2 a1 b1 a3 b3", "a2 b2 a1"));
    let lost = |id| view.held_entry(&"a@lists.example.org".parse().unwrap(), id).unwrap().unwrap().1.is_lost();
    assert_eq!([lost(3), lost(4)], [false, true]);
}

#[test]
fn a_request_is_opened_once_and_closed_once() {
    let mut view = view();
    let request = view.request(&dev(), RequestKind::Join, &erin()).unwrap().unwrap();
    let open = |instead| StoreChange::OpenRequest { request: request.clone(), instead };
    let close = StoreChange::CloseRequest {
        list: dev(),
        kind: RequestKind::Join,
        address: erin(),
        opened: request.opened,
        outcome: "confirmed".to_owned(),
    };
    assert!(view.apply(&[open(None)], now()).is_err(), "there is one");
    assert!(view.apply(&[open(Some(request.opened.derive("x", 0)))], now()).is_err(), "it is another");
    view.apply(&[open(Some(request.opened)), close.clone()], now()).unwrap();
    assert!(view.apply(&[close], now()).is_err());
}

#[test]
fn the_budget_of_a_day_is_kept() {
    let mut view = view();
    let spend = StoreChange::Spend {
        address: "victim@example.com".parse().unwrap(),
        trust: Trust::Stranger,
        allowance: Allowance { per_address: 3, per_domain: 9 },
    };
    assert!(view.apply(&[spend.clone(), spend.clone()], now()).is_err(), "the letters of the batch count");
    view.apply(std::slice::from_ref(&spend), now()).unwrap();
    assert!(view.apply(std::slice::from_ref(&spend), now()).is_err());
    view.apply(&[spend], now() + jiff::SignedDuration::from_hours(24)).unwrap();
}
