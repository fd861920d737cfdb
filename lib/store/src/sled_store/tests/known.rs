//! What is kept in memory of the lists is what the disk has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use listmill_core::{Directory, ListAddress, StoreChange, StoreView as _};
use tempfile::TempDir;

use super::{batch, create, dev, open};
use crate::Store as _;
use crate::sled_store::SledStore;

fn list(number: u64) -> ListAddress {
    format!("list{number}@lists.example.org").parse().unwrap()
}

fn limit(store: &SledStore, list: &ListAddress) -> Option<u64> {
    store.list(list).unwrap().map(|list| list.settings.max_message_size)
}

fn set(value: u64) -> StoreChange {
    StoreChange::Set { list: dev(), key: "max_message_size".to_owned(), value: Some(value.to_string()) }
}

#[test]
fn each_change_of_a_list_is_seen_by_the_next_who_asks() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    assert_eq!(store.directory_at_once(), None, "nobody has asked yet");
    assert_eq!((limit(&store, &dev()), store.directory().unwrap().len()), (None, 0));
    store.commit(&batch(1, 1, vec![create()])).unwrap();
    assert_eq!(store.directory_at_once(), None, "it is not of now");
    assert_eq!((limit(&store, &dev()).is_some(), store.directory().unwrap().len()), (true, 1));
    for value in [5_000, 6_000] {
        store.commit(&batch(value, 1, vec![set(value)])).unwrap();
        assert_eq!(limit(&store, &dev()), Some(value));
        assert_eq!(limit(&store, &dev()), Some(value), "from memory");
        let directory = store.directory().unwrap();
        assert_eq!(directory.list(&dev()).unwrap().unwrap().settings.max_message_size, value);
        assert_eq!(store.directory_at_once(), Some(directory));
    }
    let tidy = batch(7, 1, vec![StoreChange::Tidy]);
    store.commit(&tidy).unwrap();
    assert!(store.directory_at_once().is_some(), "nothing has changed of the lists");
    store.commit(&batch(8, 1, vec![StoreChange::RemoveList { list: dev() }])).unwrap();
    assert_eq!((limit(&store, &dev()), store.directory().unwrap().len()), (None, 0));
}

#[test]
fn a_site_of_very_many_lists_is_read_from_the_disk() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let all = (0..1001).map(|number| StoreChange::CreateList { list: list(number), own: BTreeMap::new() });
    store.commit(&batch(1, 1, all.collect())).unwrap();
    assert_eq!((store.directory(), store.directory_at_once()), (None, None));
    assert!((0..1001).all(|number| limit(&store, &list(number)).is_some()));
    store.commit(&batch(2, 1, vec![StoreChange::RemoveList { list: list(7) }])).unwrap();
    let directory = store.directory().unwrap();
    assert_eq!(*directory, Directory::of(&store).unwrap());
    assert_eq!((directory.len(), limit(&store, &list(7))), (1000, None));
}

#[test]
fn whoever_has_changed_a_list_reads_the_change_while_others_read() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.commit(&batch(1, 1, vec![create()])).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let known = (store.directory(), limit(&store, &dev()));
                    assert!(known.0.is_some() && known.1.is_some());
                }
            });
        }
        for value in 2..200 {
            store.commit(&batch(value, 1, vec![set(value)])).unwrap();
            let known = store.directory().unwrap().list(&dev()).unwrap().unwrap();
            assert_eq!((known.settings.max_message_size, limit(&store, &dev())), (value, Some(value)));
            let at_once = store.directory_at_once().and_then(|lists| lists.list(&dev()).unwrap());
            assert!(at_once.is_none_or(|known| known.settings.max_message_size == value));
        }
        done.store(true, Ordering::Relaxed);
    });
}
