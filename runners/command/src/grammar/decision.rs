//! A line of an answer to a notice or a summary, with its short words: `a 1 3-5`, `r 2 off topic`, `ban 4`.

use listmill_core::{HeldId, Verdict};

use super::arguments as read;
use super::numbers::numbers;
use super::table::{Arguments, Fault, command, find};
use super::words;
use crate::ask::{Ask, Whom};

/// Reads one line of an answer. `about` is the one post that a notice is about: there the number need not be written behind a whole
/// word, and another one cannot be. A single letter always needs a number: people sign with one.
///
/// A bullet in front is not passed over: the examples in our own letters have one, and must decide nothing when they are quoted.
///
/// # Errors
/// It is no decision.
pub(crate) fn decision(line: &str, about: Option<HeldId>) -> Result<Ask, Fault> {
    let line = line.trim();
    let (keyword, text) = words::first(line).ok_or(Fault::Unknown)?;
    let keyword = words::clean(keyword).to_ascii_lowercase();
    if keyword.len() == 1 && numbers(text).is_some_and(|found| found.ids.is_empty()) {
        return Err(Fault::Unknown);
    }
    let keyword = match keyword.as_str() {
        "a" => "approve",
        "r" => "reject",
        "d" => "discard",
        "b" => "ban",
        "t" => "trust",
        known => known,
    };
    let found = find(keyword).ok_or(Fault::Unknown)?;
    let a = Arguments { text, behind_list: false };
    let ask = match (found.name, about) {
        ("approve", _) => ids(&a, about).map(|ids| decided(Verdict::Accept, ids, "")),
        ("discard", _) => ids(&a, about).map(|ids| decided(Verdict::Discard, ids, "")),
        ("reject", None) => read::decide(&a, Verdict::Reject),
        ("reject", Some(id)) => Some(decided(Verdict::Reject, vec![id], reason(text, id))),
        ("defer", _) => ids(&a, about).map(Ask::Defer),
        ("undo", _) => ids(&a, about).map(Ask::Undo).or_else(|| read::undo(&a)),
        ("ban", _) => whom(&a, about).map(Ask::Ban),
        ("trust", _) => whom(&a, about).map(Ask::Trust),
        ("moderate", _) => whom(&a, about).map(Ask::Moderate),
        ("held" | "unban" | "help" | "end", _) => return command(line),
        _ => return Err(Fault::Unknown),
    };
    ask.ok_or(Fault::Usage(found))
}

fn decided(verdict: Verdict, ids: Vec<HeldId>, reason: &str) -> Ask {
    Ask::Decide { verdict, ids, reason: reason.to_owned() }
}

/// The numbers: of a notice the one that it is about, written or not.
fn ids(a: &Arguments<'_>, about: Option<HeldId>) -> Option<Vec<HeldId>> {
    match about {
        None => read::ids(a),
        Some(id) if a.words().is_empty() => Some(vec![id]),
        Some(id) => read::ids(a).filter(|ids| *ids == [id]),
    }
}

/// All that stands behind `reject`, but for the number of the post.
fn reason(text: &str, id: HeldId) -> &str {
    let found = numbers(text).filter(|found| found.ids == [id]);
    read::reason(found.map_or(text, |found| found.rest))
}

fn whom(a: &Arguments<'_>, about: Option<HeldId>) -> Option<Vec<Whom>> {
    match about {
        None => read::whom(a),
        Some(id) if a.words().is_empty() => Some(vec![Whom::AuthorOf(id)]),
        Some(id) => read::whom(a).filter(|whom| *whom == [Whom::AuthorOf(id)]),
    }
}
