//! What all kills came to, as tables.
#![expect(clippy::disallowed_methods, reason = "a harness for tests: files")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::books::Books;
use super::sweep::{Kill, kills};

/// A line for each row and process, and the sum.
pub fn kills_of(kills: &[Kill]) -> String {
    let mut groups: BTreeMap<(String, String), Vec<&Kill>> = BTreeMap::new();
    for kill in kills.iter().filter(|kill| kill.killed) {
        groups.entry((kill.row.clone(), kill.target.clone())).or_default().push(kill);
        groups.entry(("all".to_owned(), String::new())).or_default().push(kill);
    }
    let mut text = "| row | process | kills | lost | doubled copies | most by one kill | doubled in the store | median recovery | longest | trouble |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for ((row, target), kills) in groups {
        let sum = |what: fn(&Kill) -> usize| kills.iter().map(|kill| what(kill)).sum::<usize>();
        let most = kills.iter().map(|kill| kill.doubled).max().unwrap_or(0);
        let mut recoveries: Vec<u64> = kills.iter().map(|kill| kill.recovery).collect();
        recoveries.sort_unstable();
        let seconds = |at: usize| recoveries.get(at).copied().unwrap_or(0) as f64 / 1e3;
        let trouble = kills.iter().filter(|kill| kill.trouble.is_some()).count();
        let (lost, doubled, stored) =
            (sum(|kill| kill.lost), sum(|kill| kill.doubled), sum(|kill| kill.doubled_in_store));
        let (median, longest, count) = (seconds(kills.len() / 2), seconds(kills.len() - 1), kills.len());
        // Writing into a string cannot fail.
        let _ = writeln!(
            text,
            "| {row} | {target} | {count} | {lost} | {doubled} | {most} | {stored} | {median:.1} s | {longest:.1} s | {trouble} |"
        );
    }
    text
}

/// The same for the kills in this directory.
pub fn kills_in(place: &Path) -> String {
    kills_of(&kills(place))
}

/// The ledgers of all runs in this directory, joined, each for itself, and added up.
pub fn all_runs(place: &Path) -> Books {
    let mut sum = Books::default();
    for run in std::fs::read_dir(place.join("runs")).into_iter().flatten().flatten() {
        // A run that was broken off has not asked the store.
        if run.path().join(super::books::STORE).exists() {
            sum.add(&Books::read(&run.path()));
        }
    }
    sum
}
