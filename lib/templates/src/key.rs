//! Where a text is from, and what it is called.

use std::fmt;

use listmill_core::ListAddress;

/// Who wrote a text. What stands later here is preferred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// It comes with the program.
    BuiltIn,
    /// For all lists of the site.
    Site,
    /// For the lists of a domain.
    Domain(String),
    /// For one list.
    List(ListAddress),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::BuiltIn => f.write_str("built-in"),
            Place::Site => f.write_str("site"),
            Place::Domain(domain) => f.write_str(domain),
            Place::List(list) => list.fmt(f),
        }
    }
}

/// One text of one place in one language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextKey {
    /// Who wrote it.
    pub place: Place,
    /// Its language, in lower case.
    pub language: String,
    /// What it is called; [`PHRASES`] for the phrases.
    pub name: String,
}

/// The name of the phrases among the texts.
pub const PHRASES: &str = "phrases";

impl fmt::Display for TextKey {
    /// As its file is called, less the ending: `site/de/welcome`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.place, self.language, self.name)
    }
}

/// Whom a text is for, as far as this changes the words.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The list that it is about, if any.
    pub list: Option<&'a ListAddress>,
    /// The language of the reader (BCP 47).
    pub language: &'a str,
}

impl Scope<'_> {
    /// Where the text may come from, in the order in which it is looked for: in the reader's language, or that language
    /// without its region, the nearest place first; then in English.
    pub fn candidates(&self, name: &str) -> Vec<TextKey> {
        let language = self.language.to_ascii_lowercase();
        let base = language.split('-').next().unwrap_or_default().to_owned();
        let mut languages = vec![language];
        if !languages.contains(&base) {
            languages.push(base);
        }
        let english = crate::FALLBACK.to_owned();
        let last = if languages.contains(&english) { Vec::new() } else { vec![english] };
        let rounds = [languages, last];
        let text =
            |place: Place, language: &String| TextKey { place, language: language.clone(), name: name.to_owned() };
        rounds
            .iter()
            .flat_map(|languages| {
                self.places()
                    .into_iter()
                    .flat_map(move |place| languages.iter().map(move |language| text(place.clone(), language)))
            })
            .collect()
    }

    fn places(&self) -> Vec<Place> {
        let own =
            self.list.into_iter().flat_map(|list| [Place::List(list.clone()), Place::Domain(list.domain().to_owned())]);
        own.chain([Place::Site, Place::BuiltIn]).collect()
    }
}
