//! The built-in texts, one file for each language and name: `templates/<language>/<name>.hbs`.
//!
//! The first line is `subject: …`, the body begins below it. Adding a text: the file, a row in `BUILT_IN`, and a struct of
//! the values that it is given; the unit tests then render it. Every text exists in English, the language of last resort.

use handlebars::Handlebars;
use serde::Serialize;

use crate::TemplateError;

/// Every built-in text: language, name, what it says.
const BUILT_IN: &[(&str, &str, &str)] = &[("en", "rejected", include_str!("../templates/en/rejected.hbs"))];

/// The language that has every text.
const FALLBACK: &str = "en";

/// The texts, registered once.
#[derive(Debug)]
pub struct Templates {
    registry: Handlebars<'static>,
}

/// A text that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Lines that end with LF.
    pub body: String,
}

/// The values of `rejected`: what the author of a rejected post is told. Never its body: that would make us a relay for
/// whoever can forge an author.
#[derive(Debug, Clone, Serialize)]
pub struct Rejected<'a> {
    /// The posting address.
    pub list: &'a str,
    /// The subject of the post.
    pub subject: &'a str,
    /// Why it was rejected.
    pub reason: &'a str,
    /// The address of the list's owners.
    pub owner: &'a str,
}

impl Templates {
    /// The built-in texts.
    pub fn new() -> Self {
        let mut registry = registry();
        for (language, name, text) in BUILT_IN {
            registry
                .register_template_string(&key(language, name), text)
                .expect("each built-in text is well written: a unit test says so");
        }
        Templates { registry }
    }

    /// The text `name` in `language` (BCP 47), or else in the language without its region, or else in English.
    ///
    /// # Errors
    /// There is no such text, or it names a value that is not among `values`.
    pub fn render(&self, name: &str, language: &str, values: &impl Serialize) -> Result<Text, TemplateError> {
        let base = language.split('-').next().unwrap_or_default();
        let keys = [language, base, FALLBACK].map(|language| key(language, name));
        let found = keys.iter().find(|key| self.registry.has_template(key));
        let found = found.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        let rendered = self.registry.render(found, values);
        let text = rendered
            .map_err(|error| TemplateError::Text { name: found.clone(), reason: error.reason().to_string() })?;
        let (first, body) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix("subject:").ok_or_else(|| TemplateError::NoSubject(found.clone()))?;
        Ok(Text { subject: subject.trim().to_owned(), body: body.to_owned() })
    }
}

impl Default for Templates {
    fn default() -> Self {
        Templates::new()
    }
}

fn key(language: &str, name: &str) -> String {
    format!("{}/{name}", language.to_ascii_lowercase())
}

/// An empty registry of ours: strict, and plain text.
pub(crate) fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    const REJECTED: Rejected<'static> = Rejected {
        list: "dev@lists.example.org",
        subject: "A & B <c> {{owner}}",
        reason: "only members may post",
        owner: "dev-owner@lists.example.org",
    };

    #[test]
    fn every_built_in_text_is_well_written_and_exists_in_english() {
        let templates = Templates::new();
        for (language, name, text) in BUILT_IN {
            assert!(text.starts_with("subject: ") && text.ends_with('\n'), "{language}/{name}");
            assert!(text.lines().all(|line| line.chars().count() <= 78), "{language}/{name} has a long line");
            assert!(BUILT_IN.iter().any(|(other, same, _)| *other == FALLBACK && same == name), "{name}");
            assert!(templates.registry.has_template(&key(language, name)));
        }
    }

    #[test]
    fn the_author_of_a_rejected_post_gets_the_reason() {
        let text = Templates::new().render("rejected", "en", &REJECTED).unwrap();
        assert_eq!(text.subject, "Auto: not accepted by dev@lists.example.org: A & B <c> {{owner}}");
        for part in
            ["dev@lists.example.org", "A & B <c> {{owner}}", "only members may post", "dev-owner@lists.example.org"]
        {
            assert!(text.body.contains(part), "{part} in {}", text.body);
        }
        assert!(!text.body.starts_with('\n') && text.body.ends_with('\n'));
    }

    #[test]
    fn a_language_that_is_not_there_is_english() {
        let templates = Templates::new();
        let english = templates.render("rejected", "en", &REJECTED);
        for language in ["en-GB", "EN", "de", "pt-BR", "", "../en"] {
            assert_eq!(templates.render("rejected", language, &REJECTED), english, "{language}");
        }
    }

    #[test]
    fn what_is_missing_is_an_error() {
        let templates = Templates::new();
        assert_eq!(templates.render("nonsense", "en", &REJECTED), Err(TemplateError::Unknown("nonsense".to_owned())));
        #[derive(Serialize)]
        struct Less {
            list: &'static str,
        }
        let error = templates.render("rejected", "en", &Less { list: "x" }).unwrap_err();
        assert!(matches!(&error, TemplateError::Text { name, .. } if name == "en/rejected"), "{error}");
    }
}
