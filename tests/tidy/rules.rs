//! One rule, one file, one name: the chain, the files, the page and the cases agree.
//!
//! Why: an owner who reads `no-subject` in a log must find `rules/no_subject.rs`, the row on the page and a case to try it with, and nothing under
//! another name. A rule that has a file and no row in the chain looks at nothing.

use std::collections::BTreeSet;

use listmill_moderation::{Covers, Row, Then, chain};

use crate::{none_of, tree};

const PAGE: &str = "specs/runners/moderation.md";

fn rules() -> BTreeSet<String> {
    chain().iter().map(Row::rule).collect()
}

#[test]
fn every_rule_is_in_the_chain_once_and_has_its_file() {
    let files = tree::files("runners/moderation/src/rules", &[".rs"]);
    let names = files.iter().filter_map(|file| file.path.rsplit('/').next()?.strip_suffix(".rs"));
    let names: BTreeSet<_> = names.filter(|name| *name != "mod").map(|name| name.replace('_', "-")).collect();
    assert_eq!(rules(), names);
    assert_eq!(rules().len(), chain().len(), "a rule stands in the chain once");
}

/// The row of the page that says what the row of the chain says.
fn in_words(row: &Row) -> String {
    let covers = match row.covers {
        Covers::Everything => "everything",
        Covers::Posts => "posts",
    };
    let then = match row.then {
        Then::Always(action) => action.to_string(),
        Then::Refuse => "reject, without a notice".to_owned(),
        Then::AsSaid => "as the setting says".to_owned(),
    };
    format!("| `{}` | {covers} | {then} | {} |", row.rule(), row.why)
}

#[test]
fn the_page_shows_the_chain() {
    let page = tree::text(PAGE);
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let chain: Vec<_> = chain().iter().map(in_words).collect();
    assert!(rows == chain, "the table of {PAGE} should be:\n{}\n", chain.join("\n"));
}

#[test]
fn every_rule_has_a_case() {
    let cases =
        std::fs::read_dir(tree::root().join("specs/cases/moderation")).expect("specs/cases/moderation can be listed");
    let cases: Vec<_> = cases.map(|case| case.unwrap().file_name().to_string_lossy().into_owned()).collect();
    // `no-subject`, and any variant of it: `no-subject-but-spaces`.
    let is_of =
        |case: &str, rule: &str| case.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let of = |rule: &String| cases.iter().any(|case| case.split_once('-').is_some_and(|(_, name)| is_of(name, rule)));
    none_of(
        rules()
            .iter()
            .filter(|rule| !of(rule))
            .map(|rule| format!("specs/cases/moderation/NN-{rule} is missing"))
            .collect(),
    );
}
