//! Which command somebody may have meant.

use super::table::COMMANDS;

/// No keyword is longer by more than a slip or two.
const MAX_LETTERS: usize = 16;

/// The keyword that is written most like this one, where that is only a slip away.
pub(crate) fn nearest(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let letters = word.chars().count();
    if !(3..=MAX_LETTERS).contains(&letters) {
        return None;
    }
    let slips = if letters <= 4 { 1 } else { 2 };
    let keywords = COMMANDS.iter().flat_map(|command| std::iter::once(&command.name).chain(command.aliases));
    let near = keywords.map(|keyword| (distance(&word, keyword), *keyword)).filter(|(far, _)| *far <= slips);
    near.min_by_key(|(far, _)| *far).map(|(_, keyword)| keyword)
}

/// How many letters must be put in, left out or replaced, or neighbours change places, to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                let changed = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                let swapped = if changed { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(swapped)
            };
        }
    }
    rows[one.len()][other.len()]
}
