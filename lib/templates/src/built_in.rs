//! The texts that come with the program, one file for each language and name: `templates/<language>/<name>.hbs`, and the
//! phrases of each language: `templates/<language>/phrases.toml`.
//!
//! Adding a text: a file in every language, its name in `language!`, its values in `values.rs` with an example in
//! `examples.rs`, its row in `specs/templates.md`. The unit tests then render it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::key::{PHRASES, Place, TextKey};
use crate::source::Source;

/// The languages that have every text.
pub const LANGUAGES: [&str; 1] = ["en"];

/// The language of last resort.
pub(crate) const FALLBACK: &str = "en";

macro_rules! language {
    ($language:literal) => {
        language!(
            $language, "ack", "confirm-address", "confirm-commands", "confirm-join", "confirm-leave",
            "confirm-leave-all", "decided", "farewell", "held", "help", "info", "invitation", "join-refused", "lapsed",
            "moderate", "moderate-request", "rejected", "results", "summary", "welcome"
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

const BUILT_IN: [Language; LANGUAGES.len()] = [language!("en")];

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

/// The texts, compiled once for the whole process.
pub(crate) static COMPILED: LazyLock<Source> = LazyLock::new(|| {
    let mut source = Source::new();
    for (key, text) in TEXTS.iter() {
        source.add(key, text).expect("each built-in text is well written: a unit test says so");
    }
    source
});

/// There is a text of this name.
pub(crate) fn is_known(name: &str) -> bool {
    TEXTS.keys().any(|key| key.name == name)
}
