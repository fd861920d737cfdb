//! The Rust reader and writer against SPEC.md: every vector, every prefix of a vector, and entries that nobody thought of.
#![expect(clippy::disallowed_methods, reason = "tests read the vectors")]

mod arbitrary;
mod changes;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use listmill_queue_format::{EncodeError, Entry, Recipient, decode, decode_head, encode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A vector of `valid/`: the name for messages, the bytes, and what stands in its `.json`.
struct Valid {
    name: String,
    bytes: Vec<u8>,
    head: Map<String, Value>,
    message: Vec<u8>,
    recipients: Vec<Value>,
    rewrite: String,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn entries(kind: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(directory().join(kind)).expect("the directory of vectors");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a directory entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "entry"));
    paths.sort();
    paths
}

fn valid() -> Vec<Valid> {
    let read = |path: &PathBuf| {
        let view = fs::read(path.with_extension("json")).expect("the .json of a valid vector");
        let view: Value = serde_json::from_slice(&view).expect("a .json is JSON");
        Valid {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            bytes: fs::read(path).expect("a vector"),
            head: view["head"].as_object().expect("head is an object").clone(),
            message: BASE64.decode(view["message"].as_str().expect("message is text").as_bytes()).expect("base64"),
            recipients: view["recipients"].as_array().expect("recipients is an array").clone(),
            rewrite: view["rewrite"].as_str().expect("rewrite is a word").to_owned(),
        }
    };
    entries("valid").iter().map(read).collect()
}

impl Valid {
    fn decoded(&self) -> Entry {
        decode(&self.bytes).expect(&self.name)
    }

    /// The message file that a writer with plain maps makes of the `.json`.
    fn written_from_view(&self) -> Vec<u8> {
        let mut list = String::new();
        for recipient in &self.recipients {
            list.push_str(&recipient.to_string());
            list.push('\n');
        }
        let sha256 = listmill_queue_format::Digest::of(&self.message).to_string();
        let mut head = self.head.clone();
        head.insert("message".to_owned(), json!({ "size": self.message.len(), "sha256": sha256 }));
        head.insert("recipients".to_owned(), json!({ "count": self.recipients.len(), "size": list.len() }));
        let line = Value::Object(head).to_string();
        [line.as_bytes(), b"\n", &self.message, list.as_bytes()].concat()
    }
}

#[test]
fn there_are_vectors() {
    assert!(entries("valid").len() >= 30);
    assert!(entries("invalid").len() >= 40);
}

#[test]
fn a_valid_vector_is_what_its_json_says() {
    for vector in valid() {
        let entry = vector.decoded();
        assert_eq!(*entry.message, *vector.message, "{}", vector.name);
        let from_view = decode(&vector.written_from_view()).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(entry, from_view, "{}", vector.name);
        let head = decode_head(&vector.bytes).expect("decode_head takes what decode takes");
        assert_eq!(head, Entry { message: Vec::new().into(), recipients: Vec::new(), ..entry }, "{}", vector.name);
    }
}

#[test]
fn a_valid_vector_is_written_again_as_its_json_says() {
    for vector in valid() {
        let entry = vector.decoded();
        let written = encode(&entry);
        match vector.rewrite.as_str() {
            "same" => {
                let written = written.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
                assert!(written == vector.bytes, "{}: other bytes", vector.name);
                assert!(written == vector.written_from_view(), "{}: other than its .json", vector.name);
            }
            "equal" => {
                let written = written.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
                let again = decode(&written).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
                assert_eq!(again, entry, "{}", vector.name);
                assert!(encode(&again).expect("just written") == written, "{}: has no settled form", vector.name);
            }
            "refused" => assert!(matches!(written, Err(EncodeError::NewerVersion(_))), "{}", vector.name),
            word => panic!("{}: {word:?} is not a way to write an entry again", vector.name),
        }
    }
}

#[test]
fn an_invalid_vector_has_the_word_of_its_error() {
    let mut wrong = Vec::new();
    for path in entries("invalid") {
        let error = fs::read_to_string(path.with_extension("error")).expect("the .error of an invalid vector");
        let expected = error.lines().next().expect("a word");
        match decode(&fs::read(&path).expect("a vector")) {
            Ok(_) => wrong.push(format!("{} decodes", path.display())),
            Err(found) if found.word() == expected => {}
            Err(found) => wrong.push(format!("{} is {} ({found}), not {expected}", path.display(), found.word())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_proper_prefix_of_a_valid_vector_is_invalid() {
    for vector in valid() {
        for end in 0..vector.bytes.len() {
            assert!(decode(&vector.bytes[..end]).is_err(), "{}: its first {end} bytes decode", vector.name);
        }
    }
}

#[test]
fn a_part_beyond_its_limit_is_neither_read_nor_written() {
    let words = |size: usize| decode(&vec![b'{'; size]).expect_err("no line 1 at all").word();
    assert_eq!((words(1 << 20), words((1 << 20) + 1)), ("no-head", "too-large"));
    let mut entry = valid().remove(0).decoded();
    let line_1 = encode(&entry).expect("a valid entry").iter().position(|byte| *byte == b'\n').expect("line 1");
    let fits = (1 << 20) - line_1 - r#","x":"""#.len();
    entry.other.insert("x".to_owned(), "x".repeat(fits).into());
    assert_eq!(decode(&encode(&entry).expect("just within")).expect("just within"), entry);
    entry.other.insert("x".to_owned(), "x".repeat(fits + 1).into());
    assert!(matches!(encode(&entry), Err(EncodeError::TooLarge { part: "line 1", .. })));
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let entry = valid().remove(0).decoded();
    let unknown = |name: &str, value: Value| {
        let mut entry = entry.clone();
        entry.facts.other.insert(name.to_owned(), value);
        encode(&entry)
    };
    assert!(unknown("x", json!({ "y": [1, "2", null] })).is_ok());
    assert!(matches!(unknown("x", json!(0.5)), Err(EncodeError::Unknown(_))));
    assert!(matches!(unknown("x", json!(1_u64 << 53)), Err(EncodeError::Unknown(_))));
    let mut twice = entry.clone();
    twice.other.insert("queue".to_owned(), json!("auth"));
    assert!(matches!(encode(&twice), Err(EncodeError::Unknown(_))), "a known name among the unknown ones");
    let mut late = entry.clone();
    late.expires = Some(listmill_queue_format::Timestamp::MAX);
    assert!(matches!(encode(&late), Err(EncodeError::Json(_))), "beyond the years of an instant");
    let mut twice = Recipient { address: "carol@example.com".to_owned(), ..Recipient::default() };
    twice.other.insert("address".to_owned(), json!("eve@example.com"));
    assert!(matches!(encode(&Entry { recipients: vec![twice], ..entry }), Err(EncodeError::Unknown(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_entry_survives_writing_and_reading(entry in arbitrary::entry()) {
        let bytes = encode(&entry).expect("an entry within the limits");
        let read = decode(&bytes).expect("what encode writes");
        prop_assert_eq!(&read, &entry);
        prop_assert!(encode(&read).expect("was written before") == bytes);
    }

    #[test]
    fn a_prefix_of_an_entry_is_none(entry in arbitrary::entry(), end in any::<prop::sample::Index>()) {
        let bytes = encode(&entry).expect("an entry within the limits");
        prop_assert!(decode(&bytes[..end.index(bytes.len())]).is_err());
    }

    #[test]
    fn changed_bytes_do_no_harm(entry in arbitrary::entry(), changes in changes::changes()) {
        let mut bytes = encode(&entry).expect("an entry within the limits");
        changes::change(&mut bytes, &changes);
        // Reading never panics; and whatever reads can be written, unless it became a newer version.
        if let Ok(read) = decode(&bytes) {
            match encode(&read) {
                Ok(written) => prop_assert_eq!(decode(&written).expect("what encode writes"), read),
                Err(error) => prop_assert!(matches!(error, EncodeError::NewerVersion(_)), "{}", error),
            }
        }
        let _ = decode_head(&bytes);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
