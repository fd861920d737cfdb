//! That every map is kept, emptied and brought to a new schema.

use std::fs;

use listmill_core::{
    Address, Allowance, Ban, BanScope, Committed, Member, Request, RequestKind, Spent, StoreChange, StoreView,
    Timestamp, Trust, Verdict,
};
use listmill_queue_format::EntryId;
use tempfile::TempDir;

use super::super::store::SledStore;
use super::{DAY, batch, create, dev, hold, message_files, open};
use crate::Store;

fn open_request(expires: i64) -> StoreChange {
    let (address, opened) = ("bob@example.net".parse().unwrap(), EntryId::fresh(Timestamp::UNIX_EPOCH, [7; 10]));
    let expires = Timestamp::from_second(expires).unwrap();
    let (kind, handle, commands, mailed) = (RequestKind::Join, "abc".to_owned(), vec!["join".to_owned()], expires);
    let request = Request { list: dev(), kind, address, opened, handle, commands, by: None, mailed, expires };
    StoreChange::OpenRequest { request, instead: None }
}

fn decide(id: u64, verdict: Verdict) -> StoreChange {
    StoreChange::Unhold { list: dev(), id, verdict, by: "operator".to_owned() }
}

/// A list with something in every map.
fn everything() -> Vec<StoreChange> {
    let mut member = Member::new("bob@example.net".parse().unwrap(), DAY);
    (member.preferences.hide, member.resumes, member.roles) = (true, Some(2 * DAY), "member+owner".parse().unwrap());
    let pattern = "@example.com".parse().unwrap();
    let (scope, reason, since) = (BanScope::List(dev()), String::new(), Timestamp::UNIX_EPOCH);
    let (verdict, back) = (Verdict::Accept, Verdict::Discard);
    vec![
        create(),
        StoreChange::AddMember { list: dev(), member },
        StoreChange::Ban(Ban { scope, pattern, reason, since }),
        hold(9000),
        hold(9000),
        hold(10),
        hold(10),
        decide(2, back),
        decide(3, back),
        decide(4, verdict),
        open_request(2 * DAY),
    ]
}

/// The first letters of all maps in which something is.
fn letters(store: &SledStore) -> String {
    let keys = store.with(|engine| Ok(engine.db.iter().keys().map(|key| char::from(key.unwrap()[0])).collect()));
    let mut letters: Vec<char> = keys.unwrap();
    letters.dedup();
    letters.into_iter().collect()
}

#[test]
fn everything_survives_reopening_and_nothing_survives_its_list() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (bob, day) = ("bob@example.net".parse().unwrap(), Timestamp::from_second(DAY).unwrap());
    let allowance = Allowance { per_address: 1, per_domain: 1 };
    let spend = StoreChange::Spend { address: Address::clone(&bob), trust: Trust::Known, allowance };
    assert_eq!(store.commit(&batch(1, DAY, [everything(), vec![spend]].concat())), Ok(Committed::Now));
    assert_eq!(letters(&store), "abcdefghlmqrstuwxy");
    let seen = |store: &SledStore| {
        let entry = store.held(&dev(), None, 9).unwrap()[0].entry;
        let request = store.request(&dev(), RequestKind::Join, &bob).unwrap().unwrap();
        assert_eq!(store.request_by_handle(&dev(), &request.handle).unwrap().as_ref(), Some(&request));
        (
            store.member(&dev(), &bob).unwrap().unwrap(),
            store.held_by_entry(&dev(), entry).unwrap().unwrap(),
            store.decisions(&dev(), None, 9).unwrap(),
            (request, store.spent(&bob, Trust::Known, day).unwrap()),
            store.figures().unwrap().requests,
        )
    };
    let before = seen(&store);
    assert_eq!((before.2.len(), before.3.1, before.4), (3, Spent { address: 1, domain: 1 }, 1));
    drop(store);
    let store = open(&dir);
    assert_eq!(seen(&store), before);
    assert_eq!(message_files(&dir), 2, "of what is held, and of what can come back");
    let rehold = |id| StoreChange::Rehold { list: dev(), id };
    assert_eq!(store.commit(&batch(2, DAY, vec![rehold(2), decide(2, Verdict::Reject)])), Ok(Committed::Now));

    let gone = vec![StoreChange::RemoveList { list: dev() }, StoreChange::Tidy];
    assert_eq!(store.commit(&batch(3, 2 * DAY, gone)), Ok(Committed::Now));
    assert_eq!((letters(&store).as_str(), message_files(&dir)), ("amu", 0), "ids, the schema and keys, the audit log");
}

#[test]
fn what_is_tidied_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    assert_eq!(store.commit(&batch(1, DAY, everything())), Ok(Committed::Now));
    let tidy = |number, second| store.commit(&batch(number, second, vec![StoreChange::Tidy]));
    assert_eq!(tidy(2, 2 * DAY), Ok(Committed::Now));
    assert_eq!((letters(&store).as_str(), message_files(&dir)), ("abcdefghlmrsu", 1));
    assert_eq!(tidy(3, 31 * DAY), Ok(Committed::Now));
    assert_eq!((letters(&store).as_str(), message_files(&dir)), ("abcefhlmrsu", 1));
    assert_eq!(store.audit(None, 9).unwrap().len(), 1);
}

#[test]
fn a_store_of_the_first_schema_is_opened_and_brought_to_the_second() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    assert_eq!(store.commit(&batch(1, DAY, vec![create(), hold(9000), hold(10)])), Ok(Committed::Now));
    let post = store.held(&dev(), None, 1).unwrap().remove(0);
    drop(store);
    let path = dir.path().join("store");
    let db = sled::open(path.join("sled")).unwrap();
    db.insert(b"m\0schema", b"1").unwrap();
    for key in db.scan_prefix(b"e").keys() {
        db.remove(key.unwrap()).unwrap();
    }
    db.flush().unwrap();
    drop(db);
    fs::write(path.join("FORMAT"), "listmill store, sled, schema 1\n").unwrap();

    let store = open(&dir);
    assert_eq!(store.held_by_entry(&dev(), post.entry), Ok(Some(post)));
    assert_eq!(store.held(&dev(), None, 9).unwrap().len(), 2);
    assert_eq!(fs::read_to_string(path.join("FORMAT")).unwrap(), "listmill store, sled, schema 2\n");
    assert_eq!(store.commit(&batch(2, DAY, vec![decide(1, Verdict::Accept)])), Ok(Committed::Now));
    drop(store);
    let schema = sled::open(path.join("sled")).unwrap().get(b"m\0schema").unwrap();
    assert_eq!(schema.as_deref(), Some(b"2".as_slice()));
}
