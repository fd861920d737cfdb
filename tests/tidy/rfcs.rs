//! Every standard that a source cites has its line in `specs/standards.md`.
//!
//! Why: a citation is a claim. The page says what we do of each standard and where we deviate; a citation without a line there is a
//! claim that nobody has checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::{none_of, tree};

/// The numbers behind each "RFC " in `text`.
fn cited(text: &str) -> BTreeSet<u32> {
    let behind = text.split("RFC ").skip(1);
    behind.filter_map(|text| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()).collect()
}

/// The numbers of the table's rows: `| 5321 | …`.
fn listed(page: &str) -> BTreeSet<u32> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(' ').next()?.parse().ok()).collect()
}

#[test]
fn every_cited_rfc_is_in_the_standards_page() {
    let listed = listed(&tree::text("specs/standards.md"));
    let mut first = BTreeMap::new();
    let documents = ["queue-format", "lib", "runners", "specs"]
        .into_iter()
        .flat_map(|folder| tree::files(folder, &[".md", ".toml"]));
    for file in tree::rust_files().into_iter().chain(documents) {
        for number in cited(&file.text).difference(&listed) {
            first.entry(*number).or_insert(file.path.clone());
        }
    }
    none_of(
        first
            .into_iter()
            .map(|(number, path)| format!("RFC {number}, cited in {path}, has no row in specs/standards.md"))
            .collect(),
    );
}

#[test]
fn a_citation_is_found_in_prose_and_a_row_in_a_table() {
    assert_eq!(cited("// RFC 3464 §2.3.3, and RFC 5321.\nRFC-like RFC x"), [3464, 5321].into());
    assert_eq!(listed("| RFC | what |\n| --- | --- |\n| 5321 | SMTP |"), [5321].into());
}
