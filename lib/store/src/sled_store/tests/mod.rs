//! What only the embedded store has to answer for: its directory, its end of sled, and what it forgets.

mod directory;
mod known;
mod maps;

use std::collections::BTreeMap;
use std::fs;

use listmill_core::settings::Cascade;
use listmill_core::{Commit, HeldPost, ListAddress, MessageFile, StoreChange, Timestamp};
use listmill_queue_format::EntryId;
use tempfile::TempDir;

use super::store::SledStore;

pub(super) const DAY: i64 = 86_400;

pub(super) fn dev() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}

pub(super) fn open(dir: &TempDir) -> SledStore {
    SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap()
}

pub(super) fn batch(number: u64, second: i64, changes: Vec<StoreChange>) -> Commit {
    let mut chance = [0; 10];
    chance[2..].copy_from_slice(&number.to_be_bytes());
    let at = Timestamp::from_second(second).unwrap();
    let (by, why) = ("operator".to_owned(), "a test".to_owned());
    Commit { id: EntryId::fresh(at, chance), at, by, why, changes, outgoing: Vec::new() }
}

pub(super) fn create() -> StoreChange {
    StoreChange::CreateList { list: dev(), own: BTreeMap::new() }
}

pub(super) fn hold(bytes: usize) -> StoreChange {
    let at = Timestamp::UNIX_EPOCH;
    let post = HeldPost {
        id: 0,
        list: dev(),
        entry: EntryId::fresh(at, [0; 10]),
        author: String::new(),
        subject: String::new(),
        message_id: String::new(),
        size: 0,
        reasons: Vec::new(),
        since: at,
        expires: at,
        sha256: String::new(),
        asks: None,
        away: None,
    };
    StoreChange::Hold { post, file: MessageFile(vec![7; bytes]) }
}

pub(super) fn message_files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("store/files")).unwrap().count()
}
