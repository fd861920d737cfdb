//! Every key of the site file and every setting of a list is on `specs/site-file.md`, with the default that the code has, and nothing else is.
//!
//! Why: an operator who reads of a key that does not exist loses an hour; one who never hears of a key that does exist loses what it is for.
//! `listmill init` writes the same keys: a unit test of `lib/runner/src/config/file.rs` compares those two, and this one looks for each in the text.

use listmill_core::settings::KEYS;
use listmill_runner::config::{DEFAULT_SITE_FILE, SiteFile};
use toml::Value;

use crate::tree;

const PAGE: &str = "specs/site-file.md";

/// The rows of the page's table whose first cell begins with `start`.
fn rows(start: &str) -> Vec<Vec<String>> {
    let page = tree::text(PAGE);
    let rows = page.lines().filter(|line| line.starts_with(&format!("| `{start}")));
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Every key with its default as the page shows it. What is a map (`[hosts]`, `[defaults]`, `[domain]`) has no keys of its own.
fn keys() -> Vec<(String, String)> {
    let file = SiteFile::default();
    let Value::Table(mut tables) = Value::try_from(file).expect("the site file has a form in TOML") else {
        panic!("the site file is a table")
    };
    // A key without a default is not written; it is there all the same.
    for (table, keys) in [
        ("outbound", &["ca_file"][..]),
        ("metrics", &["listen"]),
        ("queue", &["url", "password_file", "ca_file"]),
        ("store", &["url", "password_file", "ca_file"]),
    ] {
        let table = tables.get_mut(table).and_then(Value::as_table_mut).expect("there is this section");
        for key in keys {
            table.entry(*key).or_insert(Value::String("none".into()));
        }
    }
    let maps = ["defaults", "domain", "hosts"];
    let mut keys = Vec::new();
    for (table, values) in tables.iter().filter(|(table, _)| !maps.contains(&table.as_str())) {
        for (key, value) in values.as_table().expect("a section is a table") {
            keys.push((format!("`[{table}] {key}`"), format!("`{}`", value.to_string().replace("\"none\"", "none"))));
        }
    }
    keys.sort();
    keys
}

#[test]
fn every_key_of_the_site_file_is_on_the_page_with_its_default() {
    let mut shown: Vec<_> = rows("[").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    shown.sort();
    let expected = keys();
    let lines: Vec<_> = expected.iter().map(|(key, default)| format!("| {key} | {default} |")).collect();
    assert!(shown == expected, "{PAGE} should have these rows, and has others:\n{}\n\n{shown:?}", lines.join("\n"));
}

#[test]
fn every_key_of_the_site_file_is_written_by_init() {
    for (key, _) in keys() {
        let name = key.trim_matches('`').rsplit(' ').next().unwrap_or_default().to_owned();
        let written =
            DEFAULT_SITE_FILE.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} =")));
        assert!(written, "{key} is not in what `listmill init` writes");
    }
}

#[test]
fn every_section_and_key_has_its_reason_in_what_init_writes() {
    let lines: Vec<_> = DEFAULT_SITE_FILE.lines().collect();
    let is_key = |line: &str| {
        line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_key(line)) {
        // Keys that belong together share one comment.
        let above = lines[..at].iter().rev().find(|line| !is_key(line));
        assert!(above.is_some_and(|line| line.starts_with("# ")), "{line:?} has no reason above it");
    }
}

#[test]
fn every_setting_of_a_list_is_on_the_page_with_its_default_and_meaning() {
    let shown: Vec<_> = tree::text(PAGE)
        .lines()
        .filter(|line| line.starts_with("| `") && !line.starts_with("| `["))
        .map(str::to_owned)
        .collect();
    let default = |text: &str| if text.is_empty() { "empty".to_owned() } else { format!("`{text}`") };
    let meaning = |text: &str| text.replace('|', "\\|");
    let expected: Vec<_> = KEYS
        .iter()
        .map(|key| format!("| `{}` | {} | {} |", key.name, default(key.default), meaning(key.meaning)))
        .collect();
    assert!(shown == expected, "{PAGE} should have these rows, in this order:\n{}", expected.join("\n"));
}
