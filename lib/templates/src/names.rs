//! Which values a text asks for, and whether it is given them.

use std::collections::{BTreeMap, BTreeSet};

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{JsonValue, Path, PathSeg, Template};

use crate::phrases;

/// A name in the text that is none of the values. Strict mode does not see those that `{{#if}}` asks about.
pub(crate) fn unknown(text: &str, values: &JsonValue) -> Option<String> {
    let mut known = BTreeSet::new();
    keys(values, &mut known);
    let template = Template::compile(text).ok()?;
    let mut paths = Vec::new();
    named(&template, &mut paths);
    paths.into_iter().find(|name| !known.contains(name.as_str()))
}

/// The names of the values, within lists too.
pub(crate) fn keys<'v>(value: &'v JsonValue, known: &mut BTreeSet<&'v str>) {
    match value {
        JsonValue::Array(values) => values.iter().for_each(|value| keys(value, known)),
        JsonValue::Object(values) => values.iter().for_each(|(key, value)| {
            known.insert(key);
            keys(value, known);
        }),
        _ => (),
    }
}

/// The names that a template asks for.
pub(crate) fn named(template: &Template, names: &mut Vec<String>) {
    for element in &template.elements {
        match element {
            TemplateElement::Expression(one) | TemplateElement::HtmlExpression(one) => path(&one.name, names),
            TemplateElement::HelperBlock(block) => {
                block.params.iter().for_each(|param| path(param, names));
                [&block.template, &block.inverse].into_iter().flatten().for_each(|inner| named(inner, names));
            }
            _ => (),
        }
    }
}

fn path(parameter: &Parameter, names: &mut Vec<String>) {
    match parameter {
        Parameter::Name(name) => names.push(name.clone()),
        Parameter::Path(Path::Relative((segments, _))) => {
            names.extend(segments.iter().filter_map(|segment| match segment {
                PathSeg::Named(name) => Some(name.clone()),
                _ => None,
            }));
        }
        _ => (),
    }
}

/// Which values each phrase names.
pub(crate) fn placeholders(text: &str) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    phrases::parse(text)?.into_iter().map(|(key, text)| Ok((key, names(&text)?))).collect()
}

fn names(text: &str) -> Result<BTreeSet<String>, String> {
    let template = Template::compile(text).map_err(|_| format!("the double braces of {text:?} do not pair"))?;
    let name = |element: &TemplateElement| match element {
        TemplateElement::Expression(one) | TemplateElement::HtmlExpression(one) => {
            Ok(Some(one.name.as_name().unwrap_or("…").to_owned()))
        }
        TemplateElement::HelperBlock(_) => Err(format!("{text:?} has a block, and a phrase is one sentence")),
        _ => Ok(None),
    };
    template.elements.iter().filter_map(|element| name(element).transpose()).collect()
}
