//! The built-in texts, one file for each language and name.

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

/// The values of `rejected`: what the author of a rejected post is told.
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

    /// The text `name` in `language`, or else in the language without its region, or else in English.
    ///
    /// # Errors
    /// There is no such text, or it names a variable that `values` has not.
    pub fn render(&self, name: &str, language: &str, values: &impl Serialize) -> Result<Text, TemplateError> {
        let base = language.split('-').next().unwrap_or_default();
        let keys = [language, base, FALLBACK].map(|language| key(language, name));
        let found = keys.iter().find(|key| self.registry.has_template(key));
        let found = found.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        let text = self
            .registry
            .render(found, values)
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
