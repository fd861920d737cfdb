//! What mail programs put in front of a subject when they reply or forward: `Re:`, `AW:`, `回复：`, and list tags.
//!
//! The words are data (`data/prefixes.txt`), each with its languages.

use std::collections::HashSet;
use std::sync::LazyLock;

const DATA: &str = include_str!("../data/prefixes.txt");

/// The words, in lower case.
static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| rows().map(|(_, word, _)| word).collect());

/// Octets of the longest word; a test holds the data to it.
const MAX_WORD: usize = 32;

/// Octets of a list tag, brackets included. Longer ones are words of the author.
const MAX_TAG: usize = 80;

/// The subject without its reply and forward prefixes, and without the list tags before, between and behind them.
///
/// `AW: Re[2]: [dev] join` gives `join`. A tag behind which nothing stands is what the author wrote, and stays.
pub fn without_prefixes(subject: &str) -> &str {
    let mut rest = trimmed(subject);
    while let Some(after) = behind_prefix(rest).or_else(|| behind_tag(rest)) {
        rest = after;
    }
    rest
}

/// Without white space and invisible marks of direction at both ends.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}'))
}

/// What stands behind the prefix that `text` begins with.
fn behind_prefix(text: &str) -> Option<&str> {
    let end =
        text.find(|c: char| c.is_whitespace() || c.is_ascii_digit() || matches!(c, ':' | '：' | '[' | '(' | '^'))?;
    let (word, rest) = text.split_at(end);
    // Lotus Notes writes some as abbreviations: `Réf. :`.
    let word = word.strip_suffix('.').unwrap_or(word);
    if word.len() > MAX_WORD || !WORDS.contains(word.to_lowercase().as_str()) {
        return None;
    }
    // French writes a space, often one that does not break, before the colon.
    behind_counter(rest.trim_start()).trim_start().strip_prefix([':', '：']).map(trimmed)
}

/// What stands behind `[2]`, `(2)`, `^2` or `2`; the whole where there is no such counter.
fn behind_counter(text: &str) -> &str {
    let (inner, close) = match text.chars().next() {
        Some('[') => (&text[1..], "]"),
        Some('(') => (&text[1..], ")"),
        Some('^') => (&text[1..], ""),
        _ => (text, ""),
    };
    let after = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    let counted = after.len() < inner.len();
    after.strip_prefix(close).filter(|_| counted).unwrap_or(text)
}

/// What stands behind the list tag that `text` begins with, where that is not nothing.
fn behind_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.bytes().take(MAX_TAG).position(|byte| byte == b']')?;
    Some(trimmed(&inner[end + 1..])).filter(|after| !after.is_empty())
}

/// Kind, word and languages of each line of the data.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = DATA.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (kind, rest) = line.split_once(' ')?;
        let (word, languages) = rest.split_once(' ')?;
        Some((kind, word, languages))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_data_is_as_its_head_says() {
        let lines = DATA.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines, "every line has three columns");
        assert_eq!(WORDS.len(), lines, "no word stands there twice");
        for (kind, word, languages) in rows() {
            assert!(["reply", "forward"].contains(&kind), "{kind} {word}");
            assert_eq!(word.to_lowercase(), word);
            assert!(word.len() <= MAX_WORD && !word.contains([' ', ':', '：', '[', '(', '^']), "{word}");
            assert!(!word.contains(|c: char| c.is_ascii_digit()), "{word}");
            for language in languages.split(' ') {
                let code = language.split('-').next().unwrap();
                assert!(
                    (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase()),
                    "{word}: {language}"
                );
            }
            for form in [word.to_owned(), word.to_uppercase()] {
                assert_eq!(without_prefixes(&format!("{form}: join")), "join", "{form}");
                assert_eq!(without_prefixes(&format!("{form}：join")), "join", "{form}");
            }
        }
    }

    #[test]
    fn prefixes_of_mail_programs() {
        for subject in [
            "join",
            "Réf. : join",
            " join ",
            "Re: join",
            "RE:join",
            "Re : join",
            "RE\u{a0}: join",
            "Ref\u{202f}: join",
            "Re[2]: join",
            "Re [2]: join",
            "Re^2: join",
            "Re (2): join",
            "Re(12) : join",
            "Re2: join",
            "AW: Re: join",
            "AW: WG: SV: VS: Antw: RIF: R: I: join",
            "AW: Re: [dev] join",
            "[dev] Re: join",
            "Re: [dev] Re: [dev] AW: join",
            "[dev] join",
            "[dev][sub tag] join",
            "回复：Re: join",
            "答复: join",
            "İLT: YNT: join",
            "\u{200f}RE: join",
            "Vá: join",
            "ΑΠ: join",
            "Отв: join",
        ] {
            assert_eq!(without_prefixes(subject), "join", "{subject:?}");
        }
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for subject in [
            "",
            "Re",
            "remove: join",
            "Reply: join",
            "Re[: join",
            "Re[x]: join",
            "Re^: join",
            "confirm 12: join",
            "[dev]",
            "[dev join",
            "12: join",
            ": join",
        ] {
            assert_eq!(without_prefixes(subject), subject);
        }
        assert_eq!(without_prefixes("Re: [dev]"), "[dev]");
        assert_eq!(without_prefixes("Re: "), "");
        assert_eq!(without_prefixes("Re:: join"), ": join");
    }

    #[test]
    fn a_mebibyte_of_prefixes_takes_linear_time() {
        for piece in ["Re: ", "[dev] ", "Re[2] : ", "[", "Re[", "Re^2", "Re ", "："] {
            let subject = piece.repeat((1 << 20) / piece.len());
            assert!(without_prefixes(&subject).len() <= subject.len(), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_end_of_the_subject(subject in "(Re|AW|\\[dev\\]|回复|[:： \u{a0}\\[\\](^2x])*") {
            let left = without_prefixes(&subject);
            prop_assert!(trimmed(&subject).ends_with(left));
            prop_assert_eq!(without_prefixes(left), left);
        }
    }
}
