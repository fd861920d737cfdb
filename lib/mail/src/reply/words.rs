//! What mail programs write around what they quote, in many languages: data, and how it is looked up.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

const HEADERS: &str = include_str!("../../data/headers.txt");
const FORWARDED: &str = include_str!("../../data/forwarded.txt");
const DEVICES: &str = include_str!("../../data/devices.txt");
const HTML: &str = include_str!("../../data/html.txt");

/// Octets of the longest of these phrases; a test holds the data to it.
const MAX_PHRASE: usize = 80;

static FIELDS: LazyLock<HashMap<String, &'static str>> =
    LazyLock::new(|| rows::<3>(HEADERS).map(|[field, name, _]| (name.replace('_', " "), field)).collect());

static BEGINNINGS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| rows::<2>(FORWARDED).map(|[_, words]| words).collect());

/// Whether the line begins so, and the words.
static ADDED: LazyLock<Vec<(bool, &'static str)>> =
    LazyLock::new(|| rows::<3>(DEVICES).map(|[side, _, words]| (side == "begins", words)).collect());

static ELEMENTS: LazyLock<Vec<([&'static str; 2], Whose)>> = LazyLock::new(|| {
    let whose = |word: &str| match word {
        "below" => Whose::Below,
        "dropped" => Whose::Dropped,
        _ => Whose::Quoted,
    };
    rows::<4>(HTML).map(|[what, attribute, value, _]| ([attribute, value], whose(what))).collect()
});

/// Who wrote what is in an element of HTML, when it was not the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Somebody else, and all that follows.
    Below,
    /// Somebody else.
    Quoted,
    /// A program, or the author once and for all: a signature.
    Dropped,
}

/// Which header field this line is, as Outlook and Apple Mail write them above what they quote: `from`, `sent`, `to`,
/// `subject` or `other`.
pub(super) fn header(line: &str) -> Option<&'static str> {
    let (name, _) = line.split_once([':', '：'])?;
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '*' || c == '_');
    if name.is_empty() || name.len() > MAX_PHRASE {
        return None;
    }
    FIELDS.get(&name.to_lowercase()).copied()
}

/// `Begin forwarded message:` and its like.
pub(super) fn begins_forwarded(line: &str) -> bool {
    let line = line.trim().trim_end_matches([':', '：']).trim_end();
    line.len() <= MAX_PHRASE && BEGINNINGS.contains(line.to_lowercase().as_str())
}

/// `Sent from my telephone` and its like.
pub(super) fn is_device(line: &str) -> bool {
    let line = line.trim().trim_end_matches(['.', '。', '!']);
    if line.is_empty() || line.len() > 4 * MAX_PHRASE {
        return false;
    }
    let line = line.to_lowercase();
    ADDED.iter().any(|(begins, words)| if *begins { line.starts_with(words) } else { line.ends_with(words) })
}

/// Who wrote what is in an element with this attribute.
pub(super) fn whose(attribute: &str, value: &str) -> Option<Whose> {
    let has = |word: &str| value.split_whitespace().any(|found| found.eq_ignore_ascii_case(word));
    let is = |[name, word]: &[&str; 2]| name.eq_ignore_ascii_case(attribute) && has(word);
    ELEMENTS.iter().find(|(row, _)| is(row)).map(|(_, whose)| *whose)
}

/// The columns of each line of such a file; the last one takes the rest of its line.
fn rows<const N: usize>(data: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = data.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.splitn(N, ' ').collect::<Vec<_>>().try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(data: &str) -> usize {
        data.lines().filter(|line| !line.starts_with('#')).count()
    }

    fn is_phrase(text: &str) -> bool {
        text.to_lowercase() == text && (1..=MAX_PHRASE).contains(&text.len()) && !text.contains([':', '：', '*', '\t'])
    }

    fn is_language(text: &str) -> bool {
        let code = text.split('-').next().unwrap_or_default();
        (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase())
    }

    #[test]
    fn the_names_of_header_fields() {
        assert_eq!(rows::<3>(HEADERS).count(), count(HEADERS));
        assert_eq!(FIELDS.len(), count(HEADERS), "no name stands there twice");
        for [field, name, languages] in rows::<3>(HEADERS) {
            assert!(["from", "sent", "to", "subject", "other"].contains(&field), "{field} {name}");
            assert!(is_phrase(name) && languages.split(' ').all(is_language), "{field} {name} {languages}");
            let name = name.replace('_', " ");
            for line in [format!("{name}: x"), format!("*{name} :* x"), format!("{name}：x")] {
                assert_eq!(header(&line), Some(field), "{line}");
            }
        }
        assert_eq!(header("a 1 3-5"), None);
        assert_eq!(header(": x"), None);
    }

    #[test]
    fn the_lines_that_programs_add() {
        assert_eq!(rows::<2>(FORWARDED).count(), count(FORWARDED));
        for [language, words] in rows::<2>(FORWARDED) {
            assert!(is_language(language) && is_phrase(words), "{language} {words}");
            assert!(begins_forwarded(&format!("{} :", words.to_uppercase())), "{words}");
        }
        assert_eq!(rows::<3>(DEVICES).count(), count(DEVICES));
        for [side, language, words] in rows::<3>(DEVICES) {
            assert!(["begins", "ends"].contains(&side), "{side} {words}");
            assert!(is_language(language) && is_phrase(words), "{language} {words}");
            assert!(is_device(&if side == "begins" { format!("{words}x.") } else { format!("x {words}.") }), "{words}");
        }
        for line in ["a 1 3-5", "r 2 off topic", "set delivery off", "ban 4", ""] {
            assert!(!is_device(line) && !begins_forwarded(line), "{line}");
        }
    }

    #[test]
    fn the_elements_of_html() {
        assert_eq!(rows::<4>(HTML).count(), count(HTML));
        for [what, attribute, value, _] in rows::<4>(HTML) {
            assert!(["below", "quoted", "dropped"].contains(&what), "{what} {attribute} {value}");
            assert!(is_phrase(attribute) && is_phrase(value), "{what} {attribute} {value}");
            let found = whose(attribute, &format!("x {}", value.to_uppercase())).unwrap();
            assert_eq!(format!("{found:?}").to_lowercase(), what);
        }
        assert_eq!(whose("class", "xgmail_attr"), None);
    }
}
