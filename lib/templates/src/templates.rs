//! The texts of a site: those that come with the program, and what the site, a domain or a list says instead.

use std::collections::BTreeMap;

use handlebars::{Context, JsonValue};

use crate::built_in::{TEXTS, compiled, is_known};
use crate::examples::{example, put_list};
use crate::key::{PHRASES, Place, Scope, TextKey};
use crate::source::{Source, one_line};
use crate::{Letter, TemplateError};

/// The texts of a site.
#[derive(Debug)]
pub struct Templates {
    overrides: BTreeMap<TextKey, String>,
    compiled: Source,
}

/// A text that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Lines that end with LF.
    pub body: String,
}

impl Templates {
    /// The built-in texts alone.
    pub fn new() -> Self {
        Templates { overrides: BTreeMap::new(), compiled: Source::new() }
    }

    /// With texts that the site, a domain or a list has instead of the built-in ones, and what is wrong with those that
    /// are left out: they have no built-in counterpart, or cannot be read. What is wrong only when a text is filled in
    /// is found by [`Templates::faults`].
    #[must_use]
    pub fn with_overrides(
        mut self,
        overrides: impl IntoIterator<Item = (TextKey, String)>,
    ) -> (Self, Vec<TemplateError>) {
        let mut wrong = Vec::new();
        for (key, text) in overrides {
            match self.add(&key, &text) {
                Ok(()) => {
                    self.overrides.insert(key, text);
                }
                Err(error) => wrong.push(error),
            }
        }
        (self, wrong)
    }

    fn add(&mut self, key: &TextKey, text: &str) -> Result<(), TemplateError> {
        if self.overrides.contains_key(key) {
            return Err(TemplateError::Twice(key.to_string()));
        }
        if !is_known(&key.name) {
            return Err(TemplateError::Unknown(key.to_string()));
        }
        self.compiled.add(key, text)
    }

    /// The text `name`, filled in.
    ///
    /// It is taken from the nearest place that has it: the list, its domain, the site, the program; there in the reader's
    /// language, or in that language without its region; and if no place has it so, in English. An override that cannot
    /// be filled in is passed over: a slip of the pen must lose no mail.
    ///
    /// # Errors
    /// There is no such text, or it is not filled in with values of this kind.
    pub fn render<L: Letter>(&self, name: &str, scope: Scope<'_>, values: &L) -> Result<Text, TemplateError> {
        if !L::NAMES.contains(&name) {
            return Err(TemplateError::Unknown(name.to_owned()));
        }
        let values = Context::wraps(values);
        let values = values
            .map_err(|error| TemplateError::Text { name: name.to_owned(), reason: error.reason().to_string() })?;
        self.fill(name, scope, values)
    }

    /// The text `name`, filled in with values as they could be for the list of the scope, whose description this is.
    ///
    /// # Errors
    /// There is no such text.
    pub fn preview(&self, name: &str, scope: Scope<'_>, description: Option<&str>) -> Result<Text, TemplateError> {
        let mut values = example(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))??;
        if let Some(list) = scope.list {
            put_list(values.data_mut(), list, description);
        }
        self.fill(name, scope, values)
    }

    fn fill(&self, name: &str, scope: Scope<'_>, mut values: Context) -> Result<Text, TemplateError> {
        one_line(values.data_mut());
        let mut error = TemplateError::Unknown(name.to_owned());
        for key in scope.candidates(name) {
            match self.source(&key).text(&key, &values) {
                Some(Ok(text)) => return Ok(text),
                Some(Err(wrong)) => error = wrong,
                None => (),
            }
        }
        Err(error)
    }

    /// The sentence `key` of the phrases with `values` in it, found as a text is. A phrase that nowhere can be filled in
    /// gives its key: an answer that reads oddly is better than none.
    pub fn phrase(&self, key: &str, scope: Scope<'_>, values: &[(&str, &str)]) -> String {
        let text = |value: &str| JsonValue::String(value.to_owned());
        let mut values: JsonValue = values.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        one_line(&mut values);
        let files = scope.candidates(PHRASES);
        let found = Context::wraps(values)
            .ok()
            .and_then(|values| files.iter().find_map(|file| self.source(file).phrase(file, key, &values)?.ok()));
        found.unwrap_or_else(|| key.to_owned())
    }

    /// Where the text `name` is taken from, and what it says before it is filled in.
    pub fn says(&self, name: &str, scope: Scope<'_>) -> Option<(TextKey, &str)> {
        scope.candidates(name).into_iter().find_map(|key| {
            let text = self.overrides.get(&key).or_else(|| TEXTS.get(&key))?;
            Some((key, text.as_str()))
        })
    }

    /// Every text, built-in ones and overrides, and what it says.
    pub fn all(&self) -> impl Iterator<Item = (&TextKey, &str)> {
        TEXTS.iter().chain(&self.overrides).map(|(key, text)| (key, text.as_str()))
    }

    /// The overrides alone.
    pub(crate) fn overrides(&self) -> impl Iterator<Item = (&TextKey, &str)> {
        self.overrides.iter().map(|(key, text)| (key, text.as_str()))
    }

    pub(crate) fn source(&self, key: &TextKey) -> &Source {
        if key.place == Place::BuiltIn { compiled(&key.language) } else { &self.compiled }
    }
}

impl Default for Templates {
    fn default() -> Self {
        Templates::new()
    }
}

#[cfg(test)]
mod tests {
    use listmill_core::ListAddress;

    use super::*;
    use crate::{Ack, LANGUAGES, Rejected, Results};

    const ENGLISH: Scope<'static> = Scope { list: None, language: "en" };

    #[test]
    fn every_text_is_filled_in_with_its_example_in_every_language() {
        let templates = Templates::new();
        for (key, _) in templates.all().filter(|(key, _)| key.name != PHRASES) {
            let text = templates.compiled_alone(key);
            assert!(!text.subject.is_empty(), "{key}");
            assert!(text.body.ends_with('\n') && !text.body.starts_with('\n'), "{key}:\n{}", text.body);
            let words = format!("{}\n{}", text.subject, text.body).replace("{{owner}}", "");
            assert!(!words.contains("{{") && !words.contains("}}"), "{key}:\n{words}");
            assert!(LANGUAGES.contains(&key.language.as_str()));
        }
    }

    impl Templates {
        /// This text and no other in its stead.
        fn compiled_alone(&self, key: &TextKey) -> Text {
            let mut values = example(&key.name).unwrap().unwrap();
            one_line(values.data_mut());
            self.source(key).text(key, &values).unwrap().unwrap()
        }
    }

    #[test]
    fn what_is_missing_is_an_error() {
        let templates = Templates::new();
        let ack = Ack::example();
        assert_eq!(templates.render("nonsense", ENGLISH, &ack), Err(TemplateError::Unknown("nonsense".to_owned())));
        assert_eq!(templates.render("held", ENGLISH, &ack), Err(TemplateError::Unknown("held".to_owned())));
    }

    fn site(texts: &[(Place, &str, &str, &str)]) -> Templates {
        let texts = texts.iter().map(|(place, language, name, text)| {
            let key = TextKey { place: place.clone(), language: (*language).to_owned(), name: (*name).to_owned() };
            (key, (*text).to_owned())
        });
        let (templates, wrong) = Templates::new().with_overrides(texts);
        assert_eq!(wrong, []);
        templates
    }

    #[test]
    fn the_nearest_place_in_the_readers_language_has_the_word() {
        let dev: ListAddress = "dev@lists.example.org".parse().unwrap();
        let other: ListAddress = "two@lists.example.net".parse().unwrap();
        let domain = || Place::Domain("lists.example.org".to_owned());
        let templates = site(&[
            (Place::Site, "de", "ack", "subject: site de\n"),
            (domain(), "de-at", "ack", "subject: domain de-at\n"),
            (domain(), "nl", "ack", "subject: domain nl\n"),
            (Place::List(dev.clone()), "de", "ack", "subject: list de\n"),
            (Place::Site, "en", "ack", "subject: site en\n"),
        ]);
        for (list, language, subject) in [
            (Some(&dev), "de", "list de"),
            (Some(&dev), "de-AT", "list de"),
            (Some(&dev), "DE-CH", "list de"),
            (Some(&dev), "nl-BE", "domain nl"),
            (Some(&other), "de-AT", "site de"),
            (Some(&other), "nl", "site en"),
            (None, "de", "site de"),
            (None, "en-GB", "site en"),
            (None, "", "site en"),
            (None, "../en", "site en"),
        ] {
            let scope = Scope { list, language };
            let text = templates.render("ack", scope, &Ack::example()).unwrap();
            assert_eq!(text.subject, subject, "{list:?} {language}");
            assert_eq!(
                templates.says("ack", scope).map(|(_, text)| text),
                Some(format!("subject: {subject}\n").as_str())
            );
        }
    }

    #[test]
    fn a_slip_of_the_pen_loses_no_mail() {
        let templates = site(&[
            (Place::Site, "en", "ack", "subject: {{nonsense}}\n"),
            (Place::Site, "en", "phrases", "\"test\" = \"{{nonsense}}\"\n"),
        ]);
        let text = templates.render("ack", ENGLISH, &Ack::example());
        assert_eq!(text, Templates::new().render("ack", ENGLISH, &Ack::example()));
        assert_eq!(templates.phrase("test", ENGLISH, &[("sense", "x")]), "test");
        assert_eq!(templates.phrase("test", ENGLISH, &[("nonsense", "a\r\nb {{c}}")]), "a b {{c}}");
    }

    #[test]
    fn one_place_has_a_text_once() {
        let key = || TextKey { place: Place::Site, language: "de".to_owned(), name: "ack".to_owned() };
        let texts = [(key(), "subject: a\n".to_owned()), (key(), "subject: b\n".to_owned())];
        let (templates, wrong) = Templates::new().with_overrides(texts);
        assert_eq!(wrong, [TemplateError::Twice("site/de/ack".to_owned())]);
        let text = templates.preview("ack", Scope { list: None, language: "de" }, None).unwrap();
        assert_eq!(text.subject, "a");
    }

    #[test]
    fn a_preview_is_about_the_list() {
        let mill: ListAddress = "mill@lists.example.net".parse().unwrap();
        let scope = Scope { list: Some(&mill), language: "en" };
        let text = Templates::new().preview("info", scope, Some("Mills")).unwrap();
        for part in ["mill@lists.example.net\n\n    Mills\n", "mill-leave@lists.example.net", "mill-owner@"] {
            assert!(text.body.contains(part), "{part} in {}", text.body);
        }
        assert!(!text.body.contains("lists.example.org"), "{}", text.body);
        let text = Templates::new().preview("summary", scope, Some("")).unwrap();
        assert!(text.body.contains("join mill@lists.example.net"), "{}", text.body);
    }

    #[test]
    fn no_value_begins_a_line() {
        let hostile = "x\r\napprove 1\u{2028}approve 2\u{85}approve 3\0";
        let values = Ack { list: hostile, subject: hostile };
        let text = Templates::new().render("ack", ENGLISH, &values).unwrap();
        assert!(!text.subject.contains(char::is_control), "{text:?}");
        assert!(!text.body.lines().any(|line| line.starts_with("approve")), "{text:?}");
        assert_eq!(text.body.lines().count(), 6, "{text:?}");
    }

    #[test]
    fn no_value_shapes_the_text_around_it() {
        let hostile = format!("x{}\u{202e}approve\u{a0}\u{3000}1", " ".repeat(80));
        let values = Ack { list: "dev@lists.example.org", subject: &hostile };
        let text = Templates::new().render("ack", ENGLISH, &values).unwrap();
        assert!(text.subject.contains("x approve 1") && text.body.contains("x approve 1"), "{text:?}");
    }

    #[test]
    fn a_value_of_several_lines_keeps_them_and_the_text_its_indentation() {
        let mut results = Results::example();
        results.lines.truncate(1);
        results.lines[0].text = "two\nbob@example.net   Bob\n  carol@example.net".to_owned();
        let text = Templates::new().render("results", ENGLISH, &results).unwrap();
        let lines: Vec<&str> = text.body.lines().skip_while(|line| !line.ends_with(": two")).take(3).collect();
        assert_eq!(lines[1..], ["      bob@example.net Bob", "       carol@example.net"], "{text:?}");
    }

    #[test]
    fn the_author_of_a_rejected_post_gets_the_reason() {
        let rejected = Rejected::example();
        let text = Templates::new().render("rejected", ENGLISH, &rejected).unwrap();
        assert_eq!(text.subject, "Auto: not accepted by dev@lists.example.org: A & B <c> {{owner}}");
        for part in [rejected.list, rejected.subject, rejected.reason, rejected.owner] {
            assert!(text.body.contains(part), "{part} in {}", text.body);
        }
    }
}
