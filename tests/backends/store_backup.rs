//! A store in one file: of one moment though others write, the same wherever it is put, and refused when anything of it is missing or changed.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use listmill_core::settings::Cascade;
use listmill_core::{Committed, StoreChange};
use listmill_store::control::{Attendant, RemoteStore, Server};
use listmill_store::transfer::{Backup, BackupError, CopyError, Transfer, back_up};
use listmill_store::{PostgresStore, SledStore, Store};
use listmill_tests::postgres::shared;
use listmill_tests::program::wait_for;
use tempfile::TempDir;

use crate::store_conformance::{add, address, apply, batch, create, dev, list, member, now, remove};
use crate::store_copy::{counts, fill, goes_on, sled};

fn written(store: &dyn Transfer, dir: &TempDir) -> PathBuf {
    let path = dir.path().join("backup");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    back_up(store, now(), "1.2.3", &mut file).unwrap();
    path
}

#[test]
fn a_backup_is_the_same_store_wherever_it_is_put() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [first, last] = [sled(&dirs[0]), sled(&dirs[1])];
    let left = fill(&first);
    let backup = Backup::check(&written(&first, &dirs[0])).unwrap();
    assert_eq!((backup.release.as_str(), backup.made), ("1.2.3", now()));
    let filled = backup.fill(&last, |_, _| ()).unwrap();
    assert_eq!(filled.iter().map(|(_, count)| count).sum::<u64>(), backup.records);
    drop(last);
    let last = sled(&dirs[1]);
    goes_on(&last, &first, &left);
    let refused = backup.fill(&first, |_, _| ()).unwrap_err();
    assert!(matches!(refused, BackupError::Fill(CopyError::NotEmpty { .. })), "{refused}");

    let Some(server) = shared() else { return };
    let (dir, again) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let database = PostgresStore::open(&server.database(), Cascade::default()).unwrap();
    assert_eq!(counts(&backup.fill(&database, |_, _| ()).unwrap()), counts(&filled));
    let from_there = Backup::check(&written(&database, &dir)).unwrap();
    assert_eq!(counts(&from_there.fill(&sled(&again), |_, _| ()).unwrap()), counts(&filled));
    goes_on(&database, &first, &left);
}

/// Moves somebody from one list to the other and back, in one batch each, until told to stop.
fn move_about(store: &dyn Store, stop: &AtomicBool, moves: &AtomicUsize) {
    let (here, there) = (dev(), list("other@lists.example.org"));
    for (from, to) in [(&here, &there), (&there, &here)].into_iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let moved = vec![remove(from, "bob@example.net"), add(to, member("bob@example.net"))];
        assert_eq!(store.commit(&batch(moved)), Ok(Committed::Now));
        moves.fetch_add(1, Ordering::Relaxed);
    }
}

/// Also when a test fails nobody is waited for in vain.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// While people move, each backup has them in exactly one place.
fn of_one_moment(store: &(dyn Store + Sync), write: &(dyn Fn(&Path) + Sync)) {
    let (here, there) = (dev(), list("other@lists.example.org"));
    let members = (0..3_000).map(|n| member(&format!("m{n:05}@example.net"))).collect();
    apply(store, vec![create(&here), create(&there), add(&here, member("bob@example.net"))]);
    apply(store, vec![StoreChange::ImportMembers { list: here.clone(), members }]);
    let (stop, moves) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| move_about(store, &stop, &moves));
        let _at_the_end = Stopper(&stop);
        let dir = TempDir::new().unwrap();
        for round in 0..5 {
            let before = moves.load(Ordering::Relaxed);
            wait_for("somebody to move", || moves.load(Ordering::Relaxed) > before);
            let path = dir.path().join(round.to_string());
            write(&path);
            let copy = SledStore::open(&dir.path().join(format!("store{round}")), Cascade::default()).unwrap();
            Backup::check(&path).unwrap().fill(&copy, |_, _| ()).unwrap();
            let is_on = |list| {
                let member = listmill_core::StoreView::member(&copy, list, &address("bob@example.net"));
                usize::from(member.unwrap().is_some())
            };
            assert_eq!(is_on(&here) + is_on(&there), 1);
        }
    });
}

fn into_file(path: &Path, write: impl FnOnce(&mut dyn std::io::Write) -> Result<(), BackupError>) {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    write(&mut file).unwrap();
    file.flush().unwrap();
}

#[test]
fn a_backup_of_an_embedded_store_is_of_one_moment() {
    let dir = TempDir::new().unwrap();
    let store = sled(&dir);
    of_one_moment(&store, &|path| into_file(path, |file| back_up(&store, now(), "", file).map(drop)));
}

#[test]
fn a_backup_of_a_database_is_of_one_moment() {
    let Some(server) = shared() else { return };
    let store = PostgresStore::open(&server.database(), Cascade::default()).unwrap();
    of_one_moment(&store, &|path| into_file(path, |file| back_up(&store, now(), "", file).map(drop)));
}

/// The process that owns the store.
struct Owner(Arc<SledStore>);

impl Attendant for Owner {
    fn status(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn back_up(&self, to: &mut dyn std::io::Write) -> Result<(), String> {
        back_up(&*self.0, now(), "", to).map(drop).map_err(|error| error.to_string())
    }
}

#[test]
fn a_backup_is_had_from_the_process_that_owns_the_store() {
    let dir = TempDir::new().unwrap();
    let (store, socket) = (Arc::new(sled(&dir)), dir.path().join("control"));
    let server = Server::bind(&socket, store.clone(), Arc::new(Owner(store.clone()))).unwrap();
    let remote = RemoteStore::connect(&socket).unwrap();
    of_one_moment(&*store, &|path| into_file(path, |file| remote.back_up(file)));
    drop(server);
    let other = Server::bind(&socket, store, Arc::new(|| serde_json::Value::Null)).unwrap();
    let refused = remote.back_up(&mut Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("no store of its own"), "{refused}");
    drop(other);
}

#[test]
fn whatever_is_missing_or_changed_makes_a_backup_useless() {
    let dir = TempDir::new().unwrap();
    let store = sled(&dir);
    apply(&store, vec![create(&dev()), add(&dev(), member("bob@example.net"))]);
    let path = written(&store, &dir);
    let whole = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Backup::check(&path)
    };
    assert!(check(&whole).is_ok());
    for length in 0..whole.len() {
        // Only the last line break may be gone: every record is there, and the digest says so.
        assert_eq!(check(&whole[..length]).is_ok(), length == whole.len() - 1, "cut behind {length} octets");
    }
    for (at, bit) in (0..whole.len() - 1).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        assert!(check(&changed).is_err(), "bit {bit} of octet {at}");
    }
    let lines: Vec<&[u8]> = whole.split_inclusive(|octet| *octet == b'\n').collect();
    assert!(check(&[&whole[..], lines[1]].concat()).is_err(), "a line behind the end");
    assert!(check(&[&lines[..2], &lines[3..]].concat().concat()).is_err(), "a line is missing");
    let newer = String::from_utf8(whole.clone()).unwrap().replacen("\"version\":1", "\"version\":2", 1);
    let refused = check(newer.as_bytes()).unwrap_err();
    assert!(matches!(refused, BackupError::Newer { version: 2, .. }), "{refused}");
    let refused = check(b"From: alice@example.org\r\n\r\nHello.\r\n").unwrap_err();
    assert!(matches!(refused, BackupError::Other(_)), "{refused}");
    assert!(matches!(Backup::check(dir.path()), Err(BackupError::Read { .. })));
}
