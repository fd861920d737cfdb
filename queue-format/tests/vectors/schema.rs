//! The schemas name exactly the fields that the Rust writer knows, and require exactly those that the reader requires.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use listmill_queue_format::{Queue, decode, encode};
use serde_json::{Value, json};

/// The entry with every field that this version knows.
fn full() -> listmill_queue_format::Entry {
    let at = "2026-01-31T12:00:00Z";
    let recipient = json!({
        "address": "carol@example.com", "return_path": "", "headers": ["X-One: 1"],
        "outcome": { "at": at, "code": 550, "status": "5.1.1", "text": "no" },
    })
    .to_string();
    let line = json!({
        "format": "listmill/1", "id": "01952f3a-7b40-7c11-8a5e-0123456789ab", "queue": "outbound", "arrived": at,
        "list": "dev@lists.example.org", "priority": "low", "attempts": 1, "not_before": at, "expires": at,
        "envelope": {
            "sender": "bob@example.net", "recipients": ["dev@lists.example.org"], "smtputf8": true, "body": "8bitmime",
            "client": { "address": "192.0.2.7", "helo": "mx", "protocol": "LMTP" },
        },
        "facts": {
            "subaddress": { "word": "leave", "detail": "x" },
            "author": { "address": "bob@example.net", "name": "Bob" },
            "author_doubt": "two addresses",
            "authentication": [{ "authserv_id": "mx", "method": "spf", "result": "pass", "properties": { "smtp.mailfrom": "x" } }],
            "rules": [{ "rule": "no-subject", "reason": "empty" }],
            "approved": { "by": "operator", "at": at },
            "cursor": { "after": "", "page": 1 },
        },
        "trace": [{ "runner": "auth", "host": "db1", "at": at, "disposition": "forward", "reason": "why" }],
        "message": { "size": 0, "sha256": listmill_queue_format::Digest::of(b"").to_string() },
        "recipients": { "count": 1, "size": recipient.len() + 1 },
    });
    decode(format!("{line}\n{recipient}\n").as_bytes()).expect("a valid entry")
}

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
    serde_json::from_slice(&fs::read(path).expect("a schema")).expect("a schema is JSON")
}

/// Compares the names in `value` with those of `node`, and further in.
fn compare(root: &Value, node: &Value, value: &Value, place: &str) {
    let node = match node.get("$ref").and_then(Value::as_str) {
        Some(pointer) => root.pointer(&pointer[1..]).expect("a definition of this schema"),
        None => node,
    };
    match value {
        Value::Object(fields) if node.get("properties").is_some() => {
            let known: BTreeSet<&String> = node["properties"].as_object().expect("an object").keys().collect();
            assert_eq!(fields.keys().collect::<BTreeSet<_>>(), known, "the fields of {place}");
            for (name, value) in fields {
                compare(root, &node["properties"][name], value, &format!("{place}.{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| compare(root, &node["items"], item, place)),
        _ => {}
    }
}

/// Takes one field after the other away, at every depth, and compares what the reader says with `required`.
fn compare_required(root: &Value, node: &Value, whole: &Value, pointer: &str, decodes: &dyn Fn(&Value) -> bool) {
    let node = match node.get("$ref").and_then(Value::as_str) {
        Some(target) => root.pointer(&target[1..]).expect("a definition of this schema"),
        None => node,
    };
    match whole.pointer(pointer).expect("just seen") {
        Value::Object(fields) if node.get("properties").is_some() => {
            let empty = Vec::new();
            let required = node.get("required").map_or(&empty, |names| names.as_array().expect("an array"));
            for name in fields.keys() {
                let mut less = whole.clone();
                let object = less.pointer_mut(pointer).and_then(Value::as_object_mut).expect("the same place");
                object.shift_remove(name);
                assert_eq!(!decodes(&less), required.contains(&json!(name)), "{pointer}/{name} is required");
                compare_required(root, &node["properties"][name], whole, &format!("{pointer}/{name}"), decodes);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            compare_required(root, &node["items"], whole, &format!("{pointer}/0"), decodes);
        }
        _ => {}
    }
}

#[test]
fn the_schemas_have_the_fields_of_the_code() {
    let bytes = encode(&full()).expect("a full entry");
    let lines: Vec<Value> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    let (entry, recipient) = (schema("entry.schema.json"), schema("recipient.schema.json"));
    compare(&entry, &entry, &lines[0], "line 1");
    compare(&recipient, &recipient, &lines[1], "a recipient");

    let list = lines[1].to_string();
    let head_decodes = |head: &Value| decode(format!("{head}\n{list}\n").as_bytes()).is_ok();
    assert!(head_decodes(&lines[0]));
    compare_required(&entry, &entry, &lines[0], "", &head_decodes);
    let recipient_decodes = |line: &Value| {
        let list = format!("{line}\n");
        let mut head = lines[0].clone();
        head["recipients"]["size"] = json!(list.len());
        decode(format!("{head}\n{list}").as_bytes()).is_ok()
    };
    compare_required(&recipient, &recipient, &lines[1], "", &recipient_decodes);
}

/// Every name that a schema has for a field, at any depth.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    let inner = |keyword: &str| schema.get(keyword).and_then(Value::as_object).into_iter().flatten();
    found.extend(inner("properties").map(|(name, _)| name.clone()));
    inner("properties").chain(inner("$defs")).for_each(|(_, schema)| names(schema, found));
    schema.get("items").into_iter().for_each(|schema| names(schema, found));
}

#[test]
fn the_specification_explains_every_field_and_every_word() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md");
    let page = fs::read_to_string(path).expect("SPEC.md");
    let mut wanted = BTreeSet::new();
    names(&schema("entry.schema.json"), &mut wanted);
    names(&schema("recipient.schema.json"), &mut wanted);
    wanted.extend(Queue::ALL.map(|queue| queue.name().to_owned()));
    for error in super::entries("invalid") {
        let error = fs::read_to_string(error.with_extension("error")).expect("an .error");
        wanted.extend(error.lines().next().map(str::to_owned));
    }
    let missing: Vec<_> = wanted.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "SPEC.md does not say what these are: {missing:?}");
}
