//! Texts and phrases as they are compiled, found by their keys.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Context, Handlebars, JsonValue, Template};

use crate::TemplateError;
use crate::key::{PHRASES, TextKey};
use crate::phrases;
use crate::templates::Text;

/// Compiled texts. A phrase is a text below the name of its file.
#[derive(Debug)]
pub(crate) struct Source {
    registry: Handlebars<'static>,
}

impl Source {
    pub(crate) fn new() -> Self {
        Source { registry: registry() }
    }

    /// Compiles a text, or each phrase of a file of phrases.
    pub(crate) fn add(&mut self, key: &TextKey, text: &str) -> Result<(), TemplateError> {
        if key.name == PHRASES {
            let phrases = phrases::parse(text).map_err(|reason| unreadable(&key.to_string(), reason))?;
            return phrases.iter().try_for_each(|(phrase, text)| self.compile(&phrase_name(key, phrase), text));
        }
        if !text.starts_with("subject:") {
            return Err(TemplateError::NoSubject(key.to_string()));
        }
        self.compile(&key.to_string(), text)
    }

    fn compile(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        let template = Template::compile(text).map_err(|error| {
            let line = error.pos().map(|(line, _)| format!("line {line}: ")).unwrap_or_default();
            unreadable(
                name,
                format!("{line}the double braces do not pair, or hold what is neither a value nor a block"),
            )
        })?;
        plain(&template).map_err(|reason| unreadable(name, reason))?;
        self.registry.register_template(name, template);
        Ok(())
    }

    /// The text, filled in; none when it is not here.
    pub(crate) fn text(&self, key: &TextKey, values: &Context) -> Option<Result<Text, TemplateError>> {
        let name = key.to_string();
        self.fill(&name, values).map(|filled| {
            let filled = filled?;
            let (first, body) = filled.split_once('\n').unwrap_or((&filled, ""));
            let subject = first.strip_prefix("subject:").ok_or(TemplateError::NoSubject(name))?;
            Ok(Text { subject: subject.trim().to_owned(), body: body.to_owned() })
        })
    }

    /// The phrase, filled in; none when it is not here.
    pub(crate) fn phrase(
        &self,
        file: &TextKey,
        phrase: &str,
        values: &Context,
    ) -> Option<Result<String, TemplateError>> {
        self.fill(&phrase_name(file, phrase), values)
    }

    fn fill(&self, name: &str, values: &Context) -> Option<Result<String, TemplateError>> {
        self.registry.has_template(name).then(|| {
            let filled = self.registry.render_with_context(name, values);
            filled.map_err(|error| TemplateError::Text { name: name.to_owned(), reason: error.reason().to_string() })
        })
    }
}

fn phrase_name(file: &TextKey, phrase: &str) -> String {
    format!("{file}/{phrase}")
}

fn unreadable(name: &str, reason: String) -> TemplateError {
    TemplateError::Text { name: name.to_owned(), reason }
}

/// An empty registry of ours: strict, and plain text.
pub(crate) fn registry() -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry
}

/// What values become: one line, in which nothing shapes the text around it. White space of any kind and length, control
/// characters among it, is one space; what nobody sees and what turns the direction of a line is nothing.
pub(crate) fn one_line(value: &mut JsonValue) {
    match value {
        JsonValue::String(text) => *text = flat(text),
        JsonValue::Array(values) => values.iter_mut().for_each(one_line),
        JsonValue::Object(values) => values.values_mut().for_each(one_line),
        _ => (),
    }
}

fn flat(text: &str) -> String {
    let mut flat = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !is_unseen(*letter)) {
        // White space has U+2028 and U+2029 too: programs disagree about what they do to a line.
        match letter.is_whitespace() || letter.is_control() {
            true if flat.ends_with(' ') => (),
            true => flat.push(' '),
            false => flat.push(letter),
        }
    }
    flat
}

/// Marks, embeddings, overrides and isolates of direction (UAX 9), and spaces without width. Joiners stay: scripts and
/// pictures need them.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text has values and blocks, and neither includes another text nor changes how it is read.
fn plain(template: &Template) -> Result<(), String> {
    template.elements.iter().try_for_each(|element| match element {
        TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
        TemplateElement::Expression(one) | TemplateElement::HtmlExpression(one) => known(one, &[]),
        TemplateElement::HelperBlock(block) => {
            known(block, &["each", "if", "unless", "with"])?;
            [&block.template, &block.inverse].into_iter().flatten().try_for_each(plain)
        }
        _ => Err("it has {{> …}} or {{* …}}, which a text cannot have".to_owned()),
    })
}

fn known(one: &HelperTemplate, blocks: &[&str]) -> Result<(), String> {
    let name = one.name.as_name().unwrap_or("…");
    let good = if one.block { blocks.contains(&name) } else { one.params.is_empty() && one.hash.is_empty() };
    let nested = one.params.iter().any(|param| matches!(param, Parameter::Subexpression(_)));
    if good && !nested {
        Ok(())
    } else {
        Err(format!("it has {{{{{name}}}}}, but a text can have values, #each, #if, #unless and #with only"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_flat() {
        for (value, expected) in [
            ("", ""),
            ("hello", "hello"),
            ("a\r\nb\0c", "a b c"),
            ("a \t \u{a0}\u{202f}\u{3000}\u{2028}\u{85}b  ", "a b "),
            ("a \u{200e} \u{feff} b", "a b"),
            ("\u{202e}evorppa\u{202c} \u{2066}x\u{2069}\u{200f}\u{61c}", "evorppa x"),
            ("👩\u{200d}🚀 می\u{200c}خواهم", "👩\u{200d}🚀 می\u{200c}خواهم"),
        ] {
            let mut values = JsonValue::from(vec![value, "x"]);
            one_line(&mut values);
            assert_eq!(values, JsonValue::from(vec![expected, "x"]), "{value:?}");
        }
    }
}
