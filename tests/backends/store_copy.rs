//! A store is copied from one backend to another, with everything that is in it.

use listmill_core::settings::Cascade;
use listmill_core::{
    Allowance, BounceEvent, BounceRecord, BounceState, Cause, Committed, Member, MessageFile, RequestKind, StoreChange,
    Timestamp, Trust, Verdict,
};
use listmill_store::transfer::{CopyError, Table, Transfer, copy};
use listmill_store::{PostgresStore, SledStore, Store};
use listmill_tests::postgres::shared;
use tempfile::TempDir;

use crate::store_conformance::{
    add, address, apply, apply_later, ban, batch, create, decide, dev, fresh_id, hold, later, list, member, set,
};
use crate::store_requests::request;

pub(crate) fn sled(dir: &TempDir) -> SledStore {
    SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap()
}

/// Something of everything; some of it as odd as it may be. Gives a batch whose outgoing entries are still there.
pub(crate) fn fill(store: &dyn Store) -> listmill_core::Commit {
    let other = list("other@lists.example.org");
    let odd = Member {
        name: "a zero \0 and a one \u{1}0 \u{1f600}".to_owned(),
        roles: "owner+moderator".parse().unwrap(),
        delivery: "off:bounces".parse().unwrap(),
        moderation: "hold".parse().unwrap(),
        language: Some("pt-BR".to_owned()),
        preferences: "ack=on hide=on".parse().unwrap(),
        resumes: Some(-1),
        ..member("Bob.\u{dc}@example.net")
    };
    let members = (0..12_000).map(|n| member(&format!("m{n:05}@example.net"))).collect();
    apply(
        store,
        vec![create(&dev()), create(&other), set(&dev(), "footer", Some("a long\nfooter \u{fc}")), add(&dev(), odd)],
    );
    apply(store, vec![StoreChange::ImportMembers { list: dev(), members }, add(&other, member("bob@example.net"))]);
    let posts = (0..20).map(|n| hold(&dev(), &format!("zero \0 {n}"), vec![n; 5000 * usize::from(n)])).collect();
    apply(store, posts);
    let fraction = Timestamp::from_nanosecond(1_764_000_001_123_456_789).unwrap();
    let decisions = vec![
        decide(&dev(), 3, Verdict::Reject),
        decide(&dev(), 4, Verdict::Accept),
        decide(&dev(), 20, Verdict::Discard),
    ];
    assert_eq!(store.commit(&listmill_core::Commit { at: fraction, ..batch(decisions) }), Ok(Committed::Now));
    let bounces = BounceRecord {
        list: dev(),
        address: address("m00001@example.net"),
        by: fresh_id(),
        events: vec![BounceEvent {
            at: fraction,
            cause: Cause::Gone,
            status: "5.1.1".to_owned(),
            weight: 100,
            post: "post/x".to_owned(),
            relay: String::new(),
            evidence: "no\0body".to_owned(),
        }],
        state: BounceState::Disabled { since: later(3), notices: 2 },
        cleared: None,
        complained: Some(later(9)),
        due: fraction,
    };
    let count = |name: &str, once: Option<&str>| StoreChange::CountBounce {
        list: dev(),
        name: name.to_owned(),
        once: once.map(str::to_owned),
        below: None,
        note: "first".to_owned(),
    };
    let allowance = Allowance { per_address: 9, per_domain: 9 };
    let spend = |trust| StoreChange::Spend { address: address("Carol@example.com"), trust, allowance };
    let open =
        |kind, who, handle| StoreChange::OpenRequest { request: request(&dev(), kind, who, handle), instead: None };
    apply_later(
        store,
        77,
        vec![
            StoreChange::NoteBounces { record: bounces, instead: None },
            count("post/x", Some("m1")),
            count("post/x", Some("m2")),
            count("letters/1", None),
            spend(Trust::Stranger),
            spend(Trust::Stranger),
            spend(Trust::Known),
            open(RequestKind::Join, "erin@example.com", "abc"),
            open(RequestKind::LeaveAll, "Erin@example.com", "def"),
            ban("site", "@.example.com", "spam"),
            ban("dev@lists.example.org", "Eve@example.net", "no\0"),
        ],
    );
    let mut left = batch(vec![add(&other, member("dave@example.net"))]);
    left.outgoing = vec![MessageFile(vec![0; 70_000]), MessageFile(b"short".to_vec()), MessageFile(vec![])];
    assert_eq!(store.commit(&left), Ok(Committed::Now));
    left
}

pub(crate) fn counts(copied: &[(Table, u64)]) -> Vec<(&'static str, u64)> {
    copied.iter().map(|(table, count)| (table.name(), *count)).collect()
}

/// It works on where the first one stopped.
pub(crate) fn goes_on(store: &dyn Store, before: &dyn Store, left: &listmill_core::Commit) {
    assert_eq!(store.signing_keys(), before.signing_keys());
    assert_eq!(store.member_count(&dev()), before.member_count(&dev()));
    assert_eq!(store.lists(None, 9), before.lists(None, 9));
    assert_eq!(store.held_entry(&dev(), 19), before.held_entry(&dev(), 19));
    assert_eq!(store.decisions(&dev(), None, 9), before.decisions(&dev(), None, 9));
    assert_eq!(store.bounces_due(later(99), 9), before.bounces_due(later(99), 9));
    let figures = |store: &dyn Store| {
        let figures = store.figures().unwrap();
        (figures.people, figures.held, figures.requests, figures.outbox)
    };
    assert_eq!(figures(store), figures(before));
    assert_eq!(
        store.commit(left),
        Ok(Committed::Before(left.outgoing.clone())),
        "what was applied there is applied here"
    );
    assert_eq!(store.outbox(9), Ok(vec![(left.id, left.outgoing.clone())]));
    apply(store, vec![StoreChange::Rehold { list: dev(), id: 20 }, hold(&dev(), "next", vec![])]);
    assert_eq!(store.held(&dev(), Some(19), 9).unwrap().iter().map(|post| post.id).collect::<Vec<_>>(), [20, 21]);
    assert_eq!(store.held_entry(&dev(), 20).unwrap().unwrap().1, MessageFile(vec![19; 95_000]));
    let numbers: Vec<u64> = store.audit(None, 99).unwrap().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "the log goes on behind its last number");
}

#[test]
fn a_store_goes_from_sled_to_postgres_and_back_whole() {
    let Some(server) = shared() else { return };
    let (first_dir, last_dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (first, last) = (sled(&first_dir), sled(&last_dir));
    let config = server.database();
    let middle = PostgresStore::open_alone(&config, Cascade::default()).unwrap();
    let left = fill(&first);
    let mut told = 0;
    let there = copy(&first, &middle, |_, _| told += 1).unwrap();
    assert!(told > 12, "it says how far it is");
    let back = copy(&middle, &last, |_, _| ()).unwrap();
    assert_eq!(there, back);
    let expected = [
        ("signing keys", 1),
        ("lists", 2),
        ("people", 12_003),
        ("held posts", 17),
        ("decisions", 3),
        ("requests", 2),
        ("records of failed deliveries", 1),
        ("tallies", 2),
        ("counted once", 2),
        ("bans of lists", 1),
        ("bans of the site", 1),
        ("budgets", 4),
        ("applied batches", 6),
        ("outbox", 1),
        ("audit log", 6),
    ];
    assert_eq!(counts(&back), expected);
    drop(last);
    let last = sled(&last_dir);
    goes_on(&middle, &first, &left);
    goes_on(&last, &first, &left);
}

#[test]
fn a_store_that_holds_something_is_not_copied_over() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [first, second] = [sled(&dirs[0]), sled(&dirs[1])];
    apply(&first, vec![create(&dev())]);
    apply(&second, vec![create(&dev())]);
    let refused = copy(&first, &second, |_, _| ()).unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { table: Table::Lists }), "{refused}");
    apply(&second, vec![StoreChange::RemoveList { list: dev() }]);
    let refused = copy(&first, &second, |_, _| ()).unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { .. }), "its audit log says what was there: {refused}");
    let page = Transfer::export(&first, Table::Lists, None, None, 9).unwrap();
    assert_eq!(page.len(), 1, "the source is as it was");
}
