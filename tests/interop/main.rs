//! Two languages, one message file: what Rust writes Python reads, and the other way round, byte for byte; and a runner in
//! Python works in the middle of a spool that Rust fills and empties.
//!
//! Needs `python3`; without it every test here is skipped by name.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "both sides read and write the same files")]

mod amqp;
mod crashes;
mod damage;
mod filter;
mod mill;
mod outbound;
mod python;
mod words;

// The made-up entries of the crate's own tests.
#[path = "../../queue-format/tests/vectors/arbitrary.rs"]
mod arbitrary;

use std::fs;

use listmill_queue_format::{Entry, EntryId, Priority, Queue, decode, encode};
use listmill_tests::needs::needs;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;

/// The same entries in every run.
fn entries(count: usize) -> Vec<Entry> {
    let (mut runner, strategy) = (TestRunner::deterministic(), arbitrary::entry());
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("an entry").current()).collect()
}

#[test]
fn python_passes_its_own_tests_and_every_vector() {
    let Some(_) = needs("python3") else { return };
    python::run(&["-m", "unittest", "test_listmill_queue"]);
    let vectors = python::directory().with_file_name("vectors");
    python::run(&["listmill_queue.py", "vectors", &vectors.to_string_lossy()]);
}

#[test]
fn what_rust_writes_python_writes_again_byte_for_byte() {
    let Some(_) = needs("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let entries = entries(200);
    let unknown = |entry: &Entry| !entry.other.is_empty() && entry.recipients.iter().any(|one| !one.other.is_empty());
    assert!(entries.iter().any(unknown), "some have unknown fields in line 1 and in the recipients");
    let mut paths = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let path = directory.path().join(format!("{number:03}"));
        fs::write(&path, encode(entry).unwrap()).unwrap();
        paths.push(path.to_string_lossy().into_owned());
    }
    let arguments: Vec<&str> =
        ["listmill_queue.py", "rewrite"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let output = python::run(&arguments);
    let mut rewritten = output.as_slice();
    for (path, entry) in paths.iter().zip(&entries) {
        let written = fs::read(path).unwrap();
        let (mine, rest) = rewritten.split_at_checked(written.len()).expect("as many bytes as Rust wrote");
        assert!(mine == written, "{path}: Python writes other bytes");
        assert_eq!(decode(mine).unwrap(), *entry);
        rewritten = rest;
    }
    assert!(rewritten.is_empty());
}

#[test]
fn what_python_writes_rust_reads_and_writes_again_byte_for_byte() {
    let Some(_) = needs("python3") else { return };
    let bytes = python::run(&["-c", WRITER]);
    let entry = decode(&bytes).unwrap();
    assert_eq!(encode(&entry).unwrap(), bytes);
    let parent: EntryId = "01952f3a-7b40-7c11-8a5e-0123456789ab".parse().unwrap();
    assert_eq!(entry.id, parent.derive("pending", 2));
    assert_eq!((entry.queue, entry.priority, entry.attempts), (Queue::Outbound, Priority::Low, 0));
    assert_eq!(entry.facts.author.as_ref().unwrap().name, "Bøb \"the mill\" \u{1}\u{1f3f3}");
    assert_eq!(entry.other["x-python"], json!({ "kept": [1, null, true, "\u{7f}é"] }));
    assert_eq!(*entry.message, *b"Subject: \xff\x00\r\n\r\nbody\n");
    assert_eq!(entry.recipients.len(), 2);
    assert_eq!(entry.recipients[1].outcome.as_ref().unwrap().code, 451);
    assert_eq!(entry.recipients[1].other["x-name"], json!("Ünal"));
}

/// Writes an entry with the Python writer alone.
const WRITER: &str = r#"
import sys
import listmill_queue as queue

parent = queue.Entry({
    "format": "listmill/1", "id": "01952f3a-7b40-7c11-8a5e-0123456789ab", "queue": "pending",
    "arrived": "2026-01-31T12:00:00.125Z", "list": "dev@lists.example.org", "priority": "high", "attempts": 3,
    "not_before": "2026-01-31T13:00:00Z", "envelope": {"sender": "bob@example.net", "recipients": ["dev@lists.example.org"]},
    "facts": {"author": {"address": "bob@example.net", "name": 'Bøb "the mill" \x01\U0001f3f3'}}, "trace": [],
    "x-python": {"kept": [1, None, True, "\x7fé"]},
}, b"Subject: \xff\x00\r\n\r\nbody\n")
entry = parent.derive("pending", 2, "outbound")
outcome = {"at": "2026-01-31T12:30:00Z", "code": 451, "status": "4.3.0", "text": "later"}
entry.recipients = [
    {"address": "carol@example.com", "return_path": "", "headers": ["X-One: 1\r\n 2"]},
    {"address": "ünal@example.com", "return_path": "dev-bounces@lists.example.org", "outcome": outcome, "x-name": "Ünal"},
]
# As a careful writer orders line 1: known fields first.
order = ["format", "id", "queue", "arrived", "list", "priority", "attempts", "envelope", "facts", "trace", "x-python"]
entry.head = {name: {**entry.head, "priority": "low", "attempts": 0}[name] for name in order}
sys.stdout.buffer.write(queue.encode(entry))
"#;
