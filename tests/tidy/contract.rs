//! The contract at the top of each stage: what it reads, what it writes, what it never does.
//!
//! Why: whoever looks after a queue at night opens one file and must find there, before anything else, what this stage may have done.
//! The words are held to the code by [`crate::queues`]; the claim to be pure is held by clippy, and here to where it may be lifted.

use crate::{none_of, tree};

/// The module documentation at the top of a file.
pub(crate) fn module_doc(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

fn missing_words(path: &str, text: &str) -> Vec<String> {
    let doc = module_doc(text);
    let words = ["Reads:", "Writes:", "Never:"].into_iter().filter(|word| !doc.contains(word));
    words.map(|word| format!("{path}: its module documentation lacks {word:?}")).collect()
}

#[test]
fn every_stage_begins_with_its_contract() {
    let roots = tree::stages().into_iter().map(|stage| format!("runners/{stage}/src/lib.rs"));
    none_of(roots.flat_map(|path| missing_words(&path, &tree::text(&path))).collect());
}

#[test]
fn a_stage_without_its_contract_is_found() {
    let good = "//! The x stage.\n//!\n//! Reads: `x`. Writes: `y`. Never: anything else.\n\nuse y;";
    assert!(missing_words("x", good).is_empty());
    assert_eq!(missing_words("x", &good.replace("Never: ", "")).len(), 1);
    assert_eq!(missing_words("x", "use y;\n//! Reads: Writes: Never:").len(), 3, "before anything else");
}

/// Outside of tests, only the root of an effects crate lifts the ban on files, sockets and the clock.
#[test]
fn only_effects_crates_claim_files_sockets_and_the_clock() {
    let effects = ["lib/queue", "lib/store", "lib/delivery", "lib/intake", "lib/runner", "runners/listmill"];
    let may = |path: &str| {
        path.starts_with("tests/")
            || path.contains("/tests/")
            || effects
                .iter()
                .any(|folder| ["lib.rs", "main.rs"].iter().any(|root| path == format!("{folder}/src/{root}")))
    };
    let claims = tree::rust_files().into_iter().filter(|file| file.without_tests().contains("clippy::disallowed_"));
    none_of(claims.filter(|file| !may(&file.path)).map(|file| format!("{} claims effects", file.path)).collect());
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let manifests = tree::files(".", &["Cargo.toml"]).into_iter().filter(|file| file.text.contains("[package]"));
    let without = manifests.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    none_of(without.map(|file| format!("{} does not take the workspace's lints", file.path)).collect());
}
