//! A map in blocks does what a `BTreeMap` does, and its blocks stay as they should be.

use std::collections::BTreeMap;
use std::ops::Bound;

use listmill_core::Unavailable;
use proptest::prelude::*;

use super::block::{self, MAX_BYTES, MAX_ITEMS};
use super::pages::Pair;
use super::{Draft, Map, Pages, PagesMut};

#[derive(Default, Clone)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

fn pair((key, value): (&Vec<u8>, &Vec<u8>)) -> Pair {
    (key.clone(), value.clone())
}

impl Pages for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        Ok(self.0.get(key).cloned())
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(self.0.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).next_back().map(pair))
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(self.0.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next().map(pair))
    }
}

impl Memory {
    fn apply(&mut self, changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    AddAll(Model),
    Page(Option<Vec<u8>>, usize),
    Clear,
    Apply,
}

/// Few keys, so that steps meet; some are empty, some begin others, some are long.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u16..300).prop_map(|n| format!("{n:03}@example.net").into_bytes()),
        1 => (0_u16..300).prop_map(|n| format!("{n:03}").into_bytes()),
        1 => (0_u8..3).prop_map(|n| vec![b'1'; usize::from(n) * 100]),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![20 => 0_usize..80, 2 => 500_usize..2100, 1 => 4000_usize..13_000];
    (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (key(), value()).prop_map(|(key, value)| Step::Insert(key, value)),
        10 => key().prop_map(Step::Remove),
        4 => prop::collection::btree_map(key(), value(), 0..150).prop_map(Step::AddAll),
        3 => (prop::option::of(key()), 0_usize..200).prop_map(|(after, limit)| Step::Page(after, limit)),
        1 => Just(Step::Clear),
        2 => Just(Step::Apply),
    ]
}

fn model_page(model: &Model, after: Option<&[u8]>, limit: usize) -> Vec<Pair> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    model.range::<[u8], _>((from, Bound::Unbounded)).take(limit).map(pair).collect()
}

fn perform(map: &Map, pages: &mut impl PagesMut, model: &mut Model, step: Step) {
    match step {
        Step::Insert(key, value) => {
            let had = map.insert(pages, &key, &value).unwrap();
            assert_eq!(had, model.insert(key.clone(), value.clone()).is_some());
            assert_eq!(map.get(pages, &key).unwrap(), Some(value));
        }
        Step::Remove(key) => {
            assert_eq!(map.remove(pages, &key).unwrap(), model.remove(&key).is_some());
            assert_eq!(map.get(pages, &key).unwrap(), None);
        }
        Step::AddAll(run) => {
            let run: Vec<Pair> = run.into_iter().collect();
            let added = map.add_all(pages, &run).unwrap();
            let expected: Vec<bool> = run.iter().map(|(key, _)| !model.contains_key(key)).collect();
            assert_eq!(added, expected);
            for (key, value) in run {
                model.entry(key).or_insert(value);
            }
        }
        Step::Page(after, limit) => {
            let page = map.page(pages, after.as_deref(), limit).unwrap();
            assert_eq!(page, model_page(model, after.as_deref(), limit));
        }
        Step::Clear => {
            map.clear(pages).unwrap();
            model.clear();
        }
        Step::Apply => unreachable!("the caller applies"),
    }
}

/// Each block is sorted, neither empty nor too large, above its fence and below the next; no part is left over.
fn check_blocks(memory: &Memory, map_name: &[u8], model: &Model) {
    let mut items = 0;
    let mut parts = 0;
    let mut last: Option<Vec<u8>> = None;
    for (fence, page) in memory.0.iter().filter(|(key, _)| key.starts_with(map_name)) {
        assert!(page.len() <= MAX_BYTES || block::parse(page).unwrap().len() == 1, "{} octets", page.len());
        let block = block::parse(page).unwrap();
        assert!(!block.is_empty() && block.len() <= MAX_ITEMS, "{} items", block.len());
        assert!(fence[map_name.len()..] <= *block[0].key, "an item below its fence");
        for item in block {
            assert!(last.as_deref().is_none_or(|last| last < item.key), "not sorted");
            last = Some(item.key.to_vec());
            items += 1;
            parts += if item.parts { model[item.key].len().div_ceil(4096) } else { 0 };
        }
    }
    assert_eq!(items, model.len());
    let own_parts = [b"~", map_name].concat();
    assert_eq!(memory.0.keys().filter(|key| key.starts_with(&own_parts)).count(), parts, "parts left over");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_map_in_blocks_is_a_sorted_map(steps in prop::collection::vec(step(), 1..120)) {
        let map = Map::new(b"r\0".to_vec());
        let (before, behind) = (Map::new(b"q\xff\xff".to_vec()), Map::new(b"r\x01".to_vec()));
        let mut memory = Memory::default();
        before.insert(&mut memory, b"x", b"before").unwrap();
        behind.insert(&mut memory, b"x", b"behind").unwrap();
        let mut model = Model::new();
        let mut draft = Draft::new(memory.clone());
        for step in steps {
            if matches!(step, Step::Apply) {
                memory.apply(draft.into_changes());
                check_blocks(&memory, b"r\0", &model);
                draft = Draft::new(memory.clone());
            } else {
                perform(&map, &mut draft, &mut model, step);
            }
            prop_assert_eq!(map.last(&draft).unwrap(), model.iter().next_back().map(pair));
        }
        memory.apply(draft.into_changes());
        check_blocks(&memory, b"r\0", &model);
        prop_assert_eq!(map.page(&memory, None, usize::MAX).unwrap(), model_page(&model, None, usize::MAX));
        prop_assert_eq!(before.get(&memory, b"x").unwrap(), Some(b"before".to_vec()));
        prop_assert_eq!(behind.page(&memory, None, 9).unwrap(), vec![(b"x".to_vec(), b"behind".to_vec())]);
    }
}

impl PagesMut for Memory {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.0.remove(&key);
    }
}

#[test]
fn a_sorted_import_makes_blocks_with_room_and_a_log_full_ones() {
    let roster = Map::new(b"r\0".to_vec());
    let mut memory = Memory::default();
    for batch in 0..10 {
        let run: Vec<Pair> =
            (0..1000).map(|n| (format!("{:06}@example.net", batch * 1000 + n).into_bytes(), vec![0; 8])).collect();
        assert!(roster.add_all(&mut memory, &run).unwrap().into_iter().all(|added| added));
    }
    assert!((200..=220).contains(&memory.0.len()), "{} blocks", memory.0.len());

    let log = Map::new(b"u\0".to_vec());
    let mut memory = Memory::default();
    for n in 0_u64..6400 {
        log.insert(&mut memory, &n.to_be_bytes(), &[0; 50]).unwrap();
    }
    assert_eq!(memory.0.len(), 100);
}

#[test]
fn a_map_that_shrinks_gives_its_blocks_back() {
    let map = Map::new(b"r\0".to_vec());
    let mut memory = Memory::default();
    let key = |n: u32| format!("{n:06}@example.net").into_bytes();
    let run: Vec<Pair> = (0..10_000).map(|n| (key(n), vec![0; 8])).collect();
    map.add_all(&mut memory, &run).unwrap();
    for n in (0..10_000).filter(|n| n % 100 != 0) {
        map.remove(&mut memory, &key(n)).unwrap();
    }
    assert!(memory.0.len() <= 15, "{} blocks for 100 items", memory.0.len());
    for n in 0..100 {
        map.remove(&mut memory, &key(n * 100)).unwrap();
    }
    assert!(memory.0.is_empty());
}

#[test]
fn bytes_that_are_no_block_are_an_error_that_says_so() {
    let map = Map::new(b"r\0".to_vec());
    for page in [&b""[..], b"\x01\x05ab", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x07"] {
        let mut memory = Memory::default();
        memory.put(b"r\0".to_vec(), page.to_vec());
        let error = map.get(&memory, b"x").unwrap_err().to_string();
        assert!(error.contains("damaged") || error.contains("form 7"), "{error}");
    }
}
