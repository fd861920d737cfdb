//! The directory, what breaks, and the files of messages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use listmill_core::settings::Cascade;
use listmill_core::{Commit, CommitError, Committed, MessageFile, Refusal, StoreChange, StoreView, Verdict};
use tempfile::TempDir;

use super::super::engine::{Engine, Fault};
use super::super::maps;
use super::super::store::SledStore;
use super::{DAY, batch, create, dev, hold, message_files, open};
use crate::blocks::{Pages, PagesMut};
use crate::{OpenError, Store};

#[test]
fn the_directory_is_private_and_has_one_owner() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("deep/store");
    let store = SledStore::open(&path, Cascade::default()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let second = SledStore::open(&path, Cascade::default()).unwrap_err();
    assert!(matches!(&second, OpenError::Owned { path: owned } if *owned == path), "{second}");
    let keys = store.signing_keys().unwrap();
    drop(store);
    let again = SledStore::open(&path, Cascade::default()).unwrap();
    assert_eq!(again.signing_keys(), Ok(keys));
}

#[test]
fn what_cannot_be_a_store_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "no directory").unwrap();
    let error = SledStore::open(&file, Cascade::default()).unwrap_err();
    assert!(matches!(error, OpenError::Files { .. }) && error.to_string().contains("file"), "{error}");

    drop(open(&dir));
    fs::remove_dir_all(dir.path().join("store/sled")).unwrap();
    let error = SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "what held something is not made anew: {error}");
}

#[test]
fn a_newer_schema_is_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let db = sled::open(dir.path().join("store/sled")).unwrap();
    db.insert(b"m\0schema", b"4").unwrap();
    db.flush().unwrap();
    drop(db);
    let error = SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 4, known: 3, .. }), "{error}");
}

#[test]
fn a_panic_makes_the_store_unavailable_until_it_is_opened_anew() {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir);
    assert_eq!(store.commit(&batch(1, DAY, vec![create()])), Ok(Committed::Now));
    assert!(store.with::<()>(|_| panic!("sled has had enough")).is_err());
    let error = store.list(&dev()).unwrap_err().reason;
    assert!(error.contains("sled has had enough") && error.contains("opened anew"), "{error}");
    assert!(matches!(store.commit(&batch(2, DAY, vec![])), Err(CommitError::Unavailable(_))));

    store.pause = Duration::ZERO;
    assert!(store.list(&dev()).unwrap().is_some(), "opened anew, with what was committed");
    let exists = Err(CommitError::Refused(Refusal::ListExists(dev())));
    assert_eq!(store.commit(&batch(3, DAY, vec![create()])), exists);
}

#[test]
fn what_cannot_be_read_is_opened_anew_too() {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir);
    assert_eq!(store.commit(&batch(1, DAY, vec![create()])), Ok(Committed::Now));
    // As after a write of a thread of sled's own for which there was no room: every later answer is that error.
    let read = |engine: &Engine| {
        let error = sled::Error::Unsupported("no room".to_owned());
        engine.read(|disk| Err::<(), _>(disk.fault(error))).map_err(Fault::from)
    };
    assert!(store.with(read).is_err());
    let error = store.list(&dev()).unwrap_err().reason;
    assert!(error.contains("no room") && error.contains("opened anew"), "{error}");

    store.pause = Duration::ZERO;
    assert!(store.list(&dev()).unwrap().is_some(), "opened anew, with what was committed");
}

#[test]
fn a_panic_in_the_middle_of_a_batch_applies_none_of_it() {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir);
    store.pause = Duration::ZERO;
    let half = store.with::<()>(|engine| {
        engine.write(|draft, _| {
            draft.put(b"l\0half".to_vec(), b"a batch".to_vec());
            panic!("half way")
        })
    });
    assert!(half.is_err());
    store.with(|engine| Ok(engine.read(|disk| assert_none(disk.get(b"l\0half")))?)).unwrap();
    assert_eq!(store.commit(&batch(1, DAY, vec![create()])), Ok(Committed::Now));
}

fn assert_none<E>(found: Result<Option<Vec<u8>>, E>) -> Result<(), E> {
    found.map(|found| assert_eq!(found, None))
}

#[test]
fn message_files_that_a_crash_left_are_swept_and_those_in_use_stay() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let outgoing = vec![MessageFile(vec![1; 9000]), MessageFile(vec![2; 10])];
    let commit = Commit { outgoing: outgoing.clone(), ..batch(1, DAY, vec![create(), hold(9000), hold(10)]) };
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    assert_eq!(message_files(&dir), 2, "short ones stand in their records");
    drop(store);
    for left in ["0197-0.entry", "0197-1.part7", "anything"] {
        fs::write(dir.path().join("store/files").join(left), "left").unwrap();
    }
    let store = open(&dir);
    assert_eq!(message_files(&dir), 2);
    assert_eq!(store.outbox(9).unwrap(), [(commit.id, outgoing)]);
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, MessageFile(vec![7; 9000]));

    let refused = batch(2, DAY, vec![hold(9000), create()]);
    assert!(store.commit(&refused).is_err());
    assert_eq!(message_files(&dir), 2, "what was refused leaves no file");
    store.outbox_done(commit.id).unwrap();
    assert_eq!(store.commit(&batch(3, DAY, vec![StoreChange::RemoveList { list: dev() }])), Ok(Committed::Now));
    assert_eq!(message_files(&dir), 0);
}

#[test]
fn a_lost_message_file_is_told_from_a_store_that_cannot_be_read() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let held = vec![create(), hold(9000), hold(9000), hold(9000), hold(10)];
    assert_eq!(store.commit(&batch(1, DAY, held)), Ok(Committed::Now));
    let files = dir.path().join("store/files");
    let mut paths: Vec<_> = fs::read_dir(&files).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    fs::remove_file(&paths[0]).unwrap();
    // A directory cannot be read as a file.
    fs::remove_file(&paths[1]).unwrap();
    fs::create_dir(&paths[1]).unwrap();
    store
        .with(|engine| engine.write(|draft, _| Ok(maps::held_files(&dev()).remove(draft, &maps::number_key(4))?)))
        .unwrap();
    let is_lost = |id| store.held_entry(&dev(), id).map(|found| found.unwrap().1.is_lost());
    assert_eq!([1, 2, 3, 4].map(is_lost), [true, true, false, true].map(Ok));
    let decide = |id| StoreChange::Unhold { list: dev(), id, verdict: Verdict::Lapse, by: String::new() };
    assert_eq!(store.commit(&batch(2, DAY, vec![decide(1), decide(2), decide(4)])), Ok(Committed::Now));
    assert_eq!(store.held_entry(&dev(), 1), Ok(None));

    fs::remove_dir_all(&files).unwrap();
    let error = store.held_entry(&dev(), 3).unwrap_err().reason;
    assert!(error.contains("files cannot be read"), "{error}");
}

#[test]
fn ids_are_forgotten_after_a_month_but_not_those_with_an_outbox() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let known = |commit: &Commit| {
        let found = store.with(|engine| Ok(engine.read(|disk| maps::applied().get(&disk, commit.id.as_bytes()))?));
        found.unwrap().is_some()
    };
    let old: Vec<Commit> = (0..40).map(|number| batch(number, DAY, vec![])).collect();
    let unsent = Commit { outgoing: vec![MessageFile(b"x".to_vec())], ..batch(99, DAY, vec![]) };
    for commit in old.iter().chain([&unsent]) {
        assert_eq!(store.commit(commit), Ok(Committed::Now));
    }
    for number in 0..100 {
        assert_eq!(store.commit(&batch(1000 + number, 30 * DAY, vec![])), Ok(Committed::Now));
    }
    assert!(old.iter().all(known), "not yet a month old");
    for number in 0..100 {
        assert_eq!(store.commit(&batch(2000 + number, 32 * DAY, vec![])), Ok(Committed::Now));
    }
    assert!(!old.iter().any(known));
    assert!(known(&unsent) && known(&batch(1000, 30 * DAY, vec![])) && known(&batch(2099, 32 * DAY, vec![])));
    assert_eq!(store.outbox(9).unwrap().len(), 1);
}

#[test]
fn no_value_of_sleds_is_so_long_that_a_leaf_is_not_synced() {
    // sled puts a leaf above 128 KiB into a file that it does not sync, and a leaf has up to 16 values and a few.
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let long = StoreChange::Set { list: dev(), key: "footer".to_owned(), value: Some("x".repeat(300_000)) };
    let mut commit = batch(1, DAY, vec![create(), long, hold(4096), hold(4000), hold(2_000_000)]);
    commit.outgoing = vec![MessageFile(vec![1; 4096]); 60];
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    let longest = store.with(|engine| Ok(engine.db.iter().values().map(|value| value.unwrap().len()).max()));
    assert!(longest.unwrap().unwrap() * 20 < 128 << 10);
    assert_eq!(blobs(&dir.path().join("store/sled/blobs")), 0);
}

fn blobs(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}
