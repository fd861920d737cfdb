//! What is wrong with the texts of a site, found before somebody receives them.

use handlebars::{Context, JsonValue};

use crate::TemplateError;
use crate::built_in::{FALLBACK, TEXTS};
use crate::examples::example;
use crate::key::{PHRASES, Place, Scope, TextKey};
use crate::names::{placeholders, unknown};
use crate::source::{Source, one_line};
use crate::templates::{Templates, Text};
use crate::values::{Bounced, Confirm, Letter, MARK, Moderate, Summary};

/// RFC 5322 §2.1.1: a line is at most so many octets, less its end.
const MAX_LINE: usize = 998;

impl Templates {
    /// What is wrong with each override when it is filled in with values as they could be; nothing when all is well.
    pub fn faults(&self) -> Vec<TemplateError> {
        self.overrides().flat_map(|(key, text)| faults(self.source(key), key, text)).collect()
    }

    /// The same, of those overrides alone from which the text `name` may be taken.
    pub fn faults_of(&self, name: &str, scope: Scope<'_>) -> Vec<TemplateError> {
        let from = scope.candidates(name);
        let overrides = self.overrides().filter(|(key, _)| from.contains(key));
        overrides.flat_map(|(key, text)| faults(self.source(key), key, text)).collect()
    }
}

/// What is wrong with one text.
pub(crate) fn faults(source: &Source, key: &TextKey, text: &str) -> Vec<TemplateError> {
    let found = if key.name == PHRASES { phrase_faults(key, text) } else { text_faults(source, key, text) };
    found.err().into_iter().collect()
}

fn text_faults(source: &Source, key: &TextKey, text: &str) -> Result<(), TemplateError> {
    let values = || example(&key.name).unwrap_or_else(|| Err(TemplateError::Unknown(key.to_string())));
    let fill = |mut values: Context| {
        one_line(values.data_mut());
        source.text(key, &values).unwrap_or_else(|| Err(TemplateError::Unknown(key.to_string())))
    };
    let wrong = |reason| TemplateError::Text { name: key.to_string(), reason };
    if let Some(name) = unknown(text, values()?.data()) {
        return Err(wrong(format!("it has {{{{{name}}}}}, which it is not given")));
    }
    let full = fill(values()?)?;
    content(key, &full).map_err(wrong)?;
    // Another way through each {{#if}}: what is empty here is not empty above.
    for lists in [false, true] {
        let mut values = values()?;
        empty(values.data_mut(), lists);
        fill(values)?;
    }
    Ok(())
}

/// What a text must have for those who read it, and for us when they answer.
fn content(key: &TextKey, text: &Text) -> Result<(), String> {
    if text.subject.is_empty() {
        return Err("its subject is empty".to_owned());
    }
    if let Some(line) = [text.subject.as_str()].into_iter().chain(text.body.lines()).find(|line| line.len() > MAX_LINE)
    {
        let begin: String = line.chars().take(30).collect();
        return Err(format!("the line that begins {begin:?} has more than {MAX_LINE} octets"));
    }
    if is_answered(&key.name) && !text.body.starts_with(MARK) {
        return Err(format!(
            "the line below the subject must begin with {MARK}: only what is written above it is read"
        ));
    }
    let confirm = Confirm::example().confirm;
    let confirms = [Confirm::NAMES, Bounced::NAMES].iter().any(|names| names.contains(&key.name.as_str()));
    if confirms && !text.body.contains(confirm) {
        return Err("{{confirm}}, the address to which the answer goes, is missing".to_owned());
    }
    Ok(())
}

/// The text is there to be answered.
pub(crate) fn is_answered(name: &str) -> bool {
    [Confirm::NAMES, Bounced::NAMES, Moderate::NAMES, Summary::NAMES].iter().any(|names| names.contains(&name))
}

/// Strings and numbers that can be empty are, what is true is not, and lists are empty if so asked.
fn empty(value: &mut JsonValue, lists: bool) {
    match value {
        JsonValue::String(text) => text.clear(),
        JsonValue::Bool(on) => *on = !*on,
        JsonValue::Number(number) => *number = 0.into(),
        JsonValue::Array(values) if lists => values.clear(),
        JsonValue::Array(values) => values.iter_mut().for_each(|value| empty(value, lists)),
        JsonValue::Object(values) => values.values_mut().for_each(|value| empty(value, lists)),
        JsonValue::Null => (),
    }
}

/// A phrase is one of ours, and names the values that ours has.
fn phrase_faults(key: &TextKey, text: &str) -> Result<(), TemplateError> {
    let wrong = |reason| TemplateError::Text { name: key.to_string(), reason };
    let ours = TEXTS.iter().find(|(ours, _)| is_english_phrases(ours)).map_or("", |(_, text)| text);
    let ours = placeholders(ours).map_err(wrong)?;
    for (phrase, names) in placeholders(text).map_err(wrong)? {
        let known = ours.get(&phrase).ok_or_else(|| wrong(format!("there is no phrase called {phrase:?}")))?;
        if let Some(name) = names.difference(known).next() {
            return Err(wrong(format!("{phrase} has {{{{{name}}}}}, which it is not given")));
        }
    }
    Ok(())
}

fn is_english_phrases(key: &TextKey) -> bool {
    key.place == Place::BuiltIn && key.language == FALLBACK && key.name == PHRASES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(language: &str, name: &str, text: &str) -> (Templates, Vec<TemplateError>) {
        let key = TextKey { place: Place::Site, language: language.to_owned(), name: name.to_owned() };
        Templates::new().with_overrides([(key, text.to_owned())])
    }

    #[test]
    fn nothing_is_wrong_with_what_is_built_in() {
        for (key, text) in Templates::new().all() {
            assert_eq!(faults(Templates::new().source(key), key, text), [], "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_before_it_is_sent() {
        let long = format!("subject: x\n{}\n", "x".repeat(999));
        for (name, text, part) in [
            ("ack", "subject: {{list}}\n{{sbject}}\n", "sbject"),
            ("ack", "subject: \nhello\n", "its subject is empty"),
            ("ack", "subject: {{list}}\n{{#if lits}}x{{/if}}\n", "lits"),
            ("ack", long.as_str(), "more than 998 octets"),
            ("held", "subject: x\n{{#if cancel}}x{{else}}{{cancle}}{{/if}}\n", "cancle"),
            ("held", "subject: x\n{{#each reasons}}x{{else}}{{cancle}}{{/each}}\n", "cancle"),
            ("summary", "subject: x\n=~=~=\n{{#each items}}{{#if asks}}x{{else}}{{aks}}{{/if}}{{/each}}\n", "aks"),
            ("summary", "subject: x\n{{count}}\n", "=~=~="),
            ("moderate", "subject: x\nanswer\n=~=~=\n", "=~=~="),
            ("invitation", "subject: x\n=~=~=\n{{token}}\n", "{{confirm}}"),
            ("phrases", "no-such-phrase = \"x\"\n", "no-such-phrase"),
        ] {
            let (templates, wrong) = templates("de", name, text);
            assert_eq!(wrong, []);
            let told: Vec<_> = templates.faults().iter().map(ToString::to_string).collect();
            assert!(told.len() == 1 && told[0].contains(part) && told[0].contains("site/de/"), "{text:?}: {told:?}");
        }
        let good = "subject: {{list}}\n=~=~=\n{{confirm}}{{#if by}}{{by}}{{else}}{{list}}{{/if}}\n";
        assert_eq!(templates("nl", "confirm-join", good).0.faults(), []);
    }

    #[test]
    fn what_cannot_be_read_is_refused_at_once() {
        for (name, text, part) in [
            ("welcme", "subject: x\n", "welcme"),
            ("ack", "hello\n", "subject"),
            ("ack", "subject: x\na\n{{list\n", "line "),
            ("ack", "subject: x\n{{#if list}}x\n", "site/de/ack"),
            ("ack", "subject: x\n{{> ack}}\n", "{{>"),
            ("ack", "subject: x\n{{#if list}}{{#each list}}{{> ack}}{{/each}}{{/if}}\n", "{{>"),
            ("ack", "subject: x\n{{log list}}\n", "log"),
            ("ack", "subject: x\n{{#if (lookup this list)}}x{{/if}}\n", "{{if}}"),
            ("phrases", "a = \n", "line 1"),
            ("phrases", "a = 1\n", "no text"),
            ("phrases", "a = \"{{b\"\n", "site/de/phrases/a"),
        ] {
            let (templates, told) = templates("de", name, text);
            assert!(told.len() == 1 && told[0].to_string().contains(part), "{text:?}: {told:?}");
            assert_eq!(templates.overrides().count(), 0, "{text:?}");
        }
    }
}
