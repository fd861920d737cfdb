//! Nothing is skipped in silence, nothing waits for a clock, nothing is left without a word.
//!
//! Why: an ignored test is a test that everybody believes to run; a sleep in a test is slow when it is right and flaky when it is not;
//! a file without module documentation makes its reader guess; a path of somebody's machine works on that machine.

use crate::{none_of, tree};

/// What must not stand where, why, and in which files.
type Forbidden = (String, &'static str, fn(&str) -> bool);

/// Each is put together here, so that this file does not find itself.
fn forbidden() -> Vec<Forbidden> {
    let anywhere: fn(&str) -> bool = |_| true;
    vec![
        (["#[", "ignore"].concat(), "a test runs, or says by name why it does nothing", anywhere),
        (["todo", "!("].concat(), "no stub lands", anywhere),
        (["unimplemented", "!("].concat(), "no stub lands", anywhere),
        (["#[", "allow("].concat(), "`expect` with a reason says when it is no longer needed", anywhere),
        (["#![", "allow("].concat(), "`expect` with a reason says when it is no longer needed", anywhere),
        (["thread::", "sleep"].concat(), "tests wait for events", |path| path.starts_with("tests/")),
        (["/home", "/"].concat(), "a path of one machine", anywhere),
        (["/root", "/"].concat(), "a path of one machine", anywhere),
    ]
}

#[test]
fn no_source_holds_what_must_not_stand_there() {
    let (rules, mut found) = (forbidden(), Vec::new());
    for file in tree::rust_files() {
        for (number, line) in file.lines() {
            let hits = rules.iter().filter(|(text, _, at)| at(&file.path) && line.contains(text.as_str()));
            found.extend(hits.map(|(text, why, _)| format!("{}:{number}: {text}: {why}", file.path)));
        }
    }
    none_of(found);
}

#[test]
fn every_rust_file_begins_with_what_it_is_for() {
    let without = tree::rust_files().into_iter().filter(|file| {
        let first = file.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
        !first.is_some_and(|line| line.starts_with("//!") && line.len() > "//! x".len())
    });
    none_of(without.map(|file| format!("{} has no module documentation", file.path)).collect());
}
