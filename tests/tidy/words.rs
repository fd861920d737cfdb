//! Words that are not ours: a few of the ones that the glossary rules out, where a machine can tell.
//!
//! Why: two words for one thing cost every reader a question. Most of the table needs a person's eye ("sender" is right in one place and wrong
//! in the next); these do not.

use crate::{none_of, tree};

/// The word, what to say, and a phrase in which it is right.
const WORDS: &[(&str, &str, Option<&str>)] = &[
    ("blacklist", "ban list", None),
    ("whitelist", "allow list", None),
    ("munge", "transform", Some("From munging")),
    ("munging", "transform", Some("From munging")),
    ("cooked", "transformed", None),
    ("cookie", "token", None),
    ("strikes", "bounce score", None),
    ("pended", "held, or unconfirmed", None),
];

fn wrong_words(line: &str) -> Vec<String> {
    let line = line.to_lowercase();
    let stands = |word: &str, right: Option<&str>| {
        line.match_indices(word).any(|(at, _)| {
            // Whole words and parts of identifiers: "appended" holds no "pended".
            let inside_a_word = line[..at].ends_with(|c: char| c.is_alphabetic());
            !inside_a_word && !right.is_some_and(|right| line.contains(&right.to_lowercase()))
        })
    };
    let wrong = WORDS.iter().filter(|(word, _, right)| stands(word, *right));
    wrong.map(|(word, say, _)| format!("{word:?}: say {say}")).collect()
}

#[test]
fn no_source_or_document_uses_a_word_that_the_glossary_rules_out() {
    let documents = ["queue-format", "lib", "runners", "specs"]
        .into_iter()
        .flat_map(|folder| tree::files(folder, &[".md", ".toml", ".hbs"]));
    let pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].into_iter().flat_map(|page| tree::files(".", &[page]));
    let mut found = Vec::new();
    for file in tree::rust_files().into_iter().chain(documents).chain(pages) {
        // The glossary names them, and so does this check.
        if file.path == "specs/glossary.md"
            || file.path.starts_with("tests/tidy/")
            || file.path.starts_with("specs/cases/")
        {
            continue;
        }
        for (number, line) in file.lines() {
            found.extend(wrong_words(line).into_iter().map(|wrong| format!("{}:{number}: {wrong}", file.path)));
        }
    }
    none_of(found);
}

#[test]
fn a_wrong_word_is_found_and_a_part_of_another_is_not() {
    assert_eq!(wrong_words("let black_list = Blacklist::new();").len(), 1);
    assert!(wrong_words("appended, suspended, From munging").is_empty());
    assert_eq!(wrong_words("munge_subject()").len(), 1);
}
