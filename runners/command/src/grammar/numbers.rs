//! Numbers of held posts: `1 3-5,7`.

use listmill_core::HeldId;

/// More posts than this are not decided by one line.
const MAX_IDS: usize = 500;

/// The numbers that a text begins with, and what stands behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers<'a> {
    /// In their order, none twice; may be empty.
    pub(super) ids: Vec<HeldId>,
    /// What stands behind them, without white space at its ends.
    pub(super) rest: &'a str,
    /// A colon ended them.
    pub(super) colon: bool,
}

/// Reads the numbers that a text begins with; none when there are too many.
pub(super) fn numbers(text: &str) -> Option<Numbers<'_>> {
    let mut found = Numbers { ids: Vec::new(), rest: text.trim(), colon: false };
    while !found.colon && !found.rest.is_empty() {
        let end = found.rest.find(char::is_whitespace).unwrap_or(found.rest.len());
        let (word, behind) = found.rest.split_at(end);
        let (word, behind, colon) = match word.find([':', '：']) {
            Some(at) => (&word[..at], found.rest[at..].trim_start_matches([':', '：']), true),
            None => (word, behind, false),
        };
        let Some(ids) = word_of_numbers(word)? else { break };
        for id in ids {
            if !found.ids.contains(&id) {
                found.ids.push(id);
            }
        }
        (found.rest, found.colon) = (behind.trim(), colon);
        if found.ids.len() > MAX_IDS {
            return None;
        }
    }
    Some(found)
}

/// All of one word as numbers: `7`, `#7`, `3-5`, `1,3-5;7`. The outer none: too many; the inner none: it is something else.
#[expect(clippy::option_option, reason = "too many and none at all are different answers")]
pub(super) fn word_of_numbers(word: &str) -> Option<Option<Vec<HeldId>>> {
    let mut ids = Vec::new();
    let word = word.trim_end_matches(['.', ',', ';', '!', '?']);
    for part in word.split([',', ';']) {
        let Some((low, high)) = range(part) else { return Some(None) };
        if high - low >= MAX_IDS as u64 || ids.len() > MAX_IDS {
            return None;
        }
        ids.extend(low..=high);
    }
    Some(Some(ids))
}

fn range(part: &str) -> Option<(HeldId, HeldId)> {
    let (low, high) = part.split_once(['-', '–']).unwrap_or((part, part));
    let (low, high) = (number(low)?, number(high)?);
    (low <= high).then_some((low, high))
}

fn number(text: &str) -> Option<HeldId> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    // The store counts from 1.
    (number > 0).then_some(number)
}

/// The numbers as they are read: runs are written as such.
pub(super) fn written(ids: &[HeldId]) -> String {
    let mut runs: Vec<(HeldId, HeldId)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, high)) if high.checked_add(1) == Some(*id) => *high = *id,
            _ => runs.push((*id, *id)),
        }
    }
    let runs = runs.iter().map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") });
    runs.collect::<Vec<_>>().join(" ")
}
