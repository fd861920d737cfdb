//! That every map is kept, emptied and brought to a new schema.

use std::fs;

use listmill_core::{
    Address, Allowance, Ban, BanScope, Committed, HeldPost, Member, MessageFile, Request, RequestKind, Spent,
    StoreChange, StoreView, Timestamp, Trust, Verdict,
};
use listmill_queue_format::{Digest, Entry, EntryId, Envelope, encode};
use tempfile::TempDir;

use super::super::engine::Engine;
use super::super::maps;
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
    assert_eq!(letters(&store), "abcdefghlmqrstuvwxy");
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
    assert_eq!((letters(&store).as_str(), message_files(&dir)), ("abcdefghlmrsuv", 1));
    assert_eq!(tidy(3, 31 * DAY), Ok(Committed::Now));
    assert_eq!((letters(&store).as_str(), message_files(&dir)), ("abcefhlmrsuv", 1));
    assert_eq!(store.audit(None, 9).unwrap().len(), 1);
}

/// A held post whose message file is one.
fn hold_entry(message: &[u8]) -> StoreChange {
    let at = Timestamp::UNIX_EPOCH;
    let StoreChange::Hold { post, .. } = hold(0) else { panic!("it is a hold") };
    let entry = Entry::arrived(EntryId::fresh(at, [5; 10]), at, Envelope::default(), message.into());
    StoreChange::Hold { post, file: MessageFile(encode(&entry).unwrap()) }
}

/// Makes a store as the first schema had it: without the indexes that are new.
fn downgrade(dir: &TempDir) {
    let path = dir.path().join("store");
    let db = sled::open(path.join("sled")).unwrap();
    db.insert(b"m\0schema", b"1").unwrap();
    for key in [b"e", b"v"].into_iter().flat_map(|letter| db.scan_prefix(letter).keys()) {
        db.remove(key.unwrap()).unwrap();
    }
    db.flush().unwrap();
    drop(db);
    fs::write(path.join("FORMAT"), "listmill store, sled, schema 1\n").unwrap();
}

#[test]
fn a_store_of_the_first_schema_is_opened_and_brought_to_this_one() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let long = b"Subject: long\r\n\r\n".repeat(500);
    let held = vec![create(), hold_entry(b"Subject: short\r\n\r\n"), hold_entry(&long), hold_entry(&long), hold(10)];
    assert_eq!(store.commit(&batch(1, DAY, held)), Ok(Committed::Now));
    let before = store.held(&dev(), None, 9).unwrap();
    drop(store);
    downgrade(&dir);
    let files = fs::read_dir(dir.path().join("store/files")).unwrap().map(|file| file.unwrap().path());
    fs::remove_file(files.max().unwrap()).unwrap();

    let store = open(&dir);
    let digests = [Digest::of(b"Subject: short\r\n\r\n").to_string(), Digest::of(&long).to_string()];
    // A message file that is lost, and one that is none.
    let digests = digests.into_iter().chain([String::new(), String::new()]);
    let after: Vec<_> = before.into_iter().zip(digests).map(|(post, sha256)| HeldPost { sha256, ..post }).collect();
    assert_eq!(store.held(&dev(), None, 9).unwrap(), after);
    assert_eq!(store.held_by_entry(&dev(), after[0].entry), Ok(Some(after[0].clone())));
    assert_eq!(store.lapsed(Timestamp::UNIX_EPOCH, 9), Ok(after));
    let path = dir.path().join("store");
    assert_eq!(fs::read_to_string(path.join("FORMAT")).unwrap(), "listmill store, sled, schema 3\n");
    assert_eq!(store.commit(&batch(2, DAY, vec![decide(1, Verdict::Accept)])), Ok(Committed::Now));
    drop(store);
    let schema = sled::open(path.join("sled")).unwrap().get(b"m\0schema").unwrap();
    assert_eq!(schema.as_deref(), Some(b"3".as_slice()));
}

#[test]
fn a_store_of_the_second_schema_is_opened_with_all_that_it_holds() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    assert_eq!(store.commit(&batch(1, DAY, vec![create(), hold(10)])), Ok(Committed::Now));
    let held = store.held(&dev(), None, 9).unwrap();
    drop(store);
    let db = sled::open(dir.path().join("store/sled")).unwrap();
    db.insert(b"m\0schema", b"2").unwrap();
    db.flush().unwrap();
    drop(db);

    let store = open(&dir);
    assert_eq!(store.held(&dev(), None, 9).unwrap(), held);
    drop(store);
    let schema = sled::open(dir.path().join("store/sled")).unwrap().get(b"m\0schema").unwrap();
    assert_eq!(schema.as_deref(), Some(b"3".as_slice()));
}

#[test]
fn a_damaged_record_does_not_keep_others_from_lapsing() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let held = (0..300).map(|_| hold(10));
    assert_eq!(store.commit(&batch(1, DAY, std::iter::once(create()).chain(held).collect())), Ok(Committed::Now));
    let spoil = |engine: &Engine| {
        engine.write(|draft, _| Ok(maps::held(&dev()).insert(draft, &maps::number_key(2), b"no JSON")?))
    };
    assert!(store.with(spoil).unwrap());
    let ids =
        |limit| store.lapsed(Timestamp::UNIX_EPOCH, limit).unwrap().iter().map(|post| post.id).collect::<Vec<_>>();
    assert_eq!((ids(3), ids(1000).len()), (vec![1, 3, 4], 299));
}
