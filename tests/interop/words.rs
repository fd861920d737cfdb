//! Damaged entries: both languages refuse the same ones, with the same word.

use std::collections::BTreeMap;
use std::fs;

use listmill_queue_format::{decode, encode};
use listmill_tests::needs::needs;

use crate::damage::Damage;
use crate::{entries, python};

#[test]
fn both_languages_say_the_same_word_to_every_damaged_entry() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let invalid = directory.path().join("invalid");
    fs::create_dir(&invalid).unwrap();
    let mut damage = Damage::new();
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, entry) in entries(40).iter().enumerate() {
        let whole = encode(entry).unwrap();
        for variant in 0..25 {
            let bytes = damage.of(&whole);
            let word = decode(&bytes).map_or_else(|error| error.word(), |_| "valid");
            *words.entry(word).or_default() += 1;
            let path = invalid.join(format!("{number:03}-{variant:02}"));
            fs::write(path.with_extension("entry"), &bytes).unwrap();
            fs::write(path.with_extension("error"), word).unwrap();
        }
    }
    for word in
        ["valid", "json", "duplicate-name", "format", "newer-major", "field", "size", "digest", "recipient", "count"]
    {
        assert!(words.contains_key(word), "no damage that gives {word}: {words:?}");
    }
    python::run(&["listmill_queue.py", "vectors", &directory.path().to_string_lossy()]);
}
