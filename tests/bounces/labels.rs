//! What the files of the corpora are known to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use listmill_tests::corpus::folder;
use serde_json::Value;

/// The folders of bounces.
pub(crate) const FOLDERS: [&str; 5] =
    ["bounce-arf-kumomta", "bounce-flufl", "bounce-ruby-bounce_email", "bounce-schleuder", "list-mlmmj-dsn"];

/// One file, and what it is known to be.
pub(crate) struct Labelled {
    pub(crate) path: PathBuf,
    /// `bounce`, `delayed`, `feedback-report`, `not-bounce`; `unlabelled` where nobody says.
    pub(crate) kind: String,
    /// In lower case.
    pub(crate) addresses: BTreeSet<String>,
}

/// The files of one folder.
pub(crate) fn of(name: &'static str) -> Vec<Labelled> {
    let Some(root) = folder(name) else { return Vec::new() };
    let known = known(&root);
    let files = listmill_tests::corpus::files(&[name]).into_iter();
    let files = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name != "SOURCE.txt" && !name.ends_with(".jsonl")
    });
    let label = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        let (kind, addresses) =
            known.get(&bytes).cloned().unwrap_or_else(|| ("unlabelled".to_owned(), BTreeSet::new()));
        Labelled { path, kind, addresses }
    };
    files.map(label).collect()
}

type Known = BTreeMap<Vec<u8>, (String, BTreeSet<String>)>;

/// By content, because one folder repeats the files of another under other names and without labels.
fn known(root: &Path) -> Known {
    let corpora = root.parent().unwrap();
    let mut known = Known::new();
    let lines = std::fs::read_to_string(corpora.join("bounce-labels.jsonl")).unwrap();
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let Ok(bytes) = std::fs::read(corpora.join(row["file"].as_str().unwrap())) else { continue };
        let addresses = row["addresses"].as_array().cloned().unwrap_or_default();
        let addresses = addresses.iter().map(|address| address.as_str().unwrap().to_lowercase()).collect();
        known.insert(bytes, (row["kind"].as_str().unwrap().to_owned(), addresses));
    }
    // One folder has its one address in its description.
    let source = std::fs::read_to_string(root.join("SOURCE.txt")).unwrap_or_default();
    let words: Vec<_> =
        source.lines().filter(|line| line.starts_with("expected:")).flat_map(str::split_whitespace).collect();
    if let Some(address) = words.iter().find(|word| word.contains('@')) {
        let address = address.trim_end_matches(',').to_lowercase();
        for path in listmill_tests::corpus::files(&["list-mlmmj-dsn"]) {
            let bytes = std::fs::read(path).unwrap();
            known.entry(bytes).or_insert(("bounce".to_owned(), BTreeSet::from([address.clone()])));
        }
    }
    known
}
