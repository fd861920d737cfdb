//! The texts that come with the program, one file for each language and name: `templates/<language>/<name>.hbs`, and the
//! phrases of each language: `templates/<language>/phrases.toml`.
//!
//! Adding a text: a file in every language, its name in `language!`, its values in `values.rs` with an example in
//! `examples.rs`, its row in `specs/templates.md`. The unit tests then render it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use crate::key::{PHRASES, Place, TextKey};
use crate::source::Source;

/// The languages that have every text.
pub const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "ja"];

/// The language of last resort.
pub(crate) const FALLBACK: &str = "en";

macro_rules! language {
    ($language:literal) => {
        language!(
            $language, "ack", "bounce-report", "bounce-unread", "bounced-out", "confirm-address", "confirm-commands", "confirm-join", "confirm-leave",
            "confirm-leave-all", "decided", "delivery-off", "farewell", "held", "help", "info", "invitation", "join-refused", "lapsed",
            "moderate", "moderate-request", "probe", "rejected", "results", "summary", "welcome"
        )
    };
    ($language:literal, $($name:literal),*) => {
        (
            $language,
            include_str!(concat!("../templates/", $language, "/phrases.toml")),
            &[$(($name, include_str!(concat!("../templates/", $language, "/", $name, ".hbs")))),*],
        )
    };
}

/// Language, phrases, and each text's name and words.
type Language = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const BUILT_IN: [Language; LANGUAGES.len()] =
    [language!("en"), language!("de"), language!("fr"), language!("es"), language!("ja")];

/// What each text says.
pub(crate) static TEXTS: LazyLock<BTreeMap<TextKey, String>> = LazyLock::new(|| {
    let key = |language: &str, name: &str| TextKey {
        place: Place::BuiltIn,
        language: language.to_owned(),
        name: name.to_owned(),
    };
    let of = |(language, phrases, texts): &Language| {
        let texts = texts.iter().copied().chain([(PHRASES, *phrases)]);
        texts.map(|(name, text)| (key(language, name), text.to_owned())).collect::<Vec<_>>()
    };
    BUILT_IN.iter().flat_map(of).collect()
});

/// The texts of each language, compiled once for the whole process, and only if they are asked for.
static COMPILED: [OnceLock<Source>; LANGUAGES.len()] = [const { OnceLock::new() }; LANGUAGES.len()];

/// The compiled texts of a language; English for one that is not built in.
pub(crate) fn compiled(language: &str) -> &'static Source {
    let at = LANGUAGES.iter().position(|known| *known == language).unwrap_or(0);
    COMPILED[at].get_or_init(|| {
        let mut source = Source::new();
        for (key, text) in TEXTS.iter().filter(|(key, _)| key.language == LANGUAGES[at]) {
            source.add(key, text).expect("each built-in text is well written: a unit test says so");
        }
        source
    })
}

/// There is a text of this name.
pub(crate) fn is_known(name: &str) -> bool {
    TEXTS.keys().any(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handlebars::Template;

    use super::*;
    use crate::check::{faults, is_answered};
    use crate::examples::example;
    use crate::names::{keys, named, placeholders};
    use crate::values::MARK;

    /// The most columns that a line of ours has; a letter of full width has two.
    const COLUMNS: usize = 72;

    fn english(key: &TextKey) -> &'static str {
        let key = TextKey { language: FALLBACK.to_owned(), ..key.clone() };
        TEXTS.get(&key).unwrap_or_else(|| panic!("{key} is missing"))
    }

    fn texts() -> impl Iterator<Item = (&'static TextKey, &'static String)> {
        TEXTS.iter().filter(|(key, _)| key.name != PHRASES)
    }

    #[test]
    fn every_language_is_where_it_says() {
        assert!(BUILT_IN.iter().map(|(language, ..)| *language).eq(LANGUAGES));
        for (key, text) in TEXTS.iter() {
            assert_eq!(faults(compiled(&key.language), key, text), [], "{key}");
        }
    }

    #[test]
    fn every_language_says_the_same() {
        let values = |text: &str| {
            let mut names = Vec::new();
            named(&Template::compile(text).unwrap(), &mut names);
            names.sort();
            names.dedup();
            names
        };
        for (key, text) in texts() {
            assert_eq!(values(text), values(english(key)), "{key}");
        }
    }

    #[test]
    fn every_language_has_every_phrase_with_the_same_values() {
        for (key, text) in TEXTS.iter().filter(|(key, _)| key.name == PHRASES) {
            let (ours, theirs) = (placeholders(text).unwrap(), placeholders(english(key)).unwrap());
            let unlike = |phrase: &&String| ours.get(*phrase) != theirs.get(*phrase);
            let unlike: Vec<_> = theirs.keys().chain(ours.keys()).filter(unlike).collect();
            assert!(unlike.is_empty(), "{key} lacks these, or names other values in them: {unlike:?}");
        }
    }

    #[test]
    fn lines_are_short_enough_for_every_screen() {
        for (key, text) in texts() {
            let wide = text.lines().find(|line| !line.contains("mailto:") && columns(&without_values(line)) > COLUMNS);
            assert_eq!(wide, None, "{key}");
            assert!(text.ends_with('\n') && !text.lines().any(|line| line.ends_with(' ')), "{key}");
        }
    }

    fn columns(line: &str) -> usize {
        line.chars().map(|letter| if letter >= '\u{2e80}' { 2 } else { 1 }).sum()
    }

    /// A value counts as ten columns: what it really has is not in our hands.
    fn without_values(line: &str) -> String {
        let mut parts = line.split("{{");
        let mut words = parts.next().unwrap().to_owned();
        for (value, rest) in parts.map(|part| part.split_once("}}").unwrap()) {
            let block = value.starts_with(['#', '/']) || value == "else";
            words.push_str(if block { "" } else { "          " });
            words.push_str(rest);
        }
        words
    }

    #[test]
    fn a_text_that_is_answered_begins_with_the_mark_and_no_line_is_a_command() {
        let commands = ["approve", "reject", "discard", "defer", "ban", "trust", "a ", "r ", "d ", "confirm"];
        for (key, text) in texts() {
            let body = text.split_once('\n').unwrap().1;
            let first = body.lines().next().unwrap();
            let marked = first.starts_with(MARK) && first.ends_with(MARK);
            assert_eq!(marked, is_answered(&key.name), "{key}");
            assert!(!marked || !body.lines().any(|line| commands.iter().any(|word| line.starts_with(word))), "{key}");
        }
    }

    #[test]
    fn every_text_and_value_is_documented() {
        let page = include_str!("../../../specs/templates.md");
        for (key, _) in texts() {
            let example = example(&key.name).unwrap().unwrap();
            let mut values = BTreeSet::new();
            keys(example.data(), &mut values);
            assert!(page.contains(&format!("| `{}`", key.name)), "{key}");
            assert_eq!(page.contains(&format!("| `{}` †", key.name)), is_answered(&key.name), "{key}");
            let missing = values.iter().find(|value| !page.contains(&format!("`{value}`")));
            assert_eq!(missing, None, "{key}");
        }
    }
}
