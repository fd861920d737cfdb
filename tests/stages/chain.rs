//! One rule, one file, one name: in the code, in the table, in the case directories.

use std::collections::BTreeSet;
use std::fs;

use listmill_moderation::{Row, chain};

use crate::case::{directories, root};

fn names() -> BTreeSet<String> {
    chain().iter().map(Row::rule).collect()
}

#[test]
fn every_rule_is_a_file_and_every_file_a_rule() {
    let rules = root().join("../../runners/moderation/src/rules");
    let files = fs::read_dir(rules).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| !path.ends_with("mod.rs"));
    let files: BTreeSet<_> = files.map(|path| path.file_stem().unwrap().to_string_lossy().replace('_', "-")).collect();
    assert_eq!(files, names());
    assert_eq!(chain().len(), names().len(), "no rule stands in the table twice");
}

#[test]
fn every_rule_has_a_case_of_its_name() {
    let cases: Vec<_> = directories()
        .iter()
        .filter(|path| path.parent().is_some_and(|stage| stage.ends_with("moderation")))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let bare = |rule: &String| !cases.iter().any(|case| case[3..].starts_with(rule.as_str()));
    let without: Vec<_> = names().into_iter().filter(bare).collect();
    assert!(without.is_empty(), "no case in specs/cases/moderation is named after {without:?}");
}
