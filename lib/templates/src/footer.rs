//! The footer that an owner writes: three variables and nothing else.
//!
//! No helpers, no partials, no paths: an owner's text is not a program, and nothing of this site can be read through it.

use handlebars::Template;
use handlebars::template::{HelperTemplate, TemplateElement};
use serde::Serialize;

use crate::TemplateError;
use crate::source::registry;

const VARIABLES: [&str; 3] = ["list", "description", "owner"];

/// What an owner's footer may name.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FooterValues<'a> {
    /// `{{list}}`: the posting address.
    pub list: &'a str,
    /// `{{description}}`: the one line about the list.
    pub description: &'a str,
    /// `{{owner}}`: the address of the list's owners.
    pub owner: &'a str,
}

/// The footer with its variables filled in. A value is filled in as it is: braces in it mean nothing.
///
/// # Errors
/// See [`check_footer`].
pub fn footer(text: &str, values: &FooterValues<'_>) -> Result<String, TemplateError> {
    check_footer(text)?;
    let rendered = registry().render_template(text, values);
    rendered.map_err(|error| TemplateError::Unreadable(error.reason().to_string()))
}

/// Checks the footer that an owner wants to set.
///
/// # Errors
/// It has something in double braces that is not one of the three variables, or braces that do not pair.
pub fn check_footer(text: &str) -> Result<(), TemplateError> {
    let template = Template::compile(text).map_err(|error| {
        let place = error.pos().map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default();
        TemplateError::Unreadable(format!("{place}the double braces do not pair, or hold what is no variable"))
    })?;
    template.elements.iter().try_for_each(check)
}

fn check(element: &TemplateElement) -> Result<(), TemplateError> {
    match element {
        TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
        TemplateElement::Expression(variable) | TemplateElement::HtmlExpression(variable) => {
            let name = variable.name.as_name().unwrap_or("…");
            let bare = variable.params.is_empty() && variable.hash.is_empty();
            if bare && VARIABLES.contains(&name) {
                Ok(())
            } else {
                Err(TemplateError::Footer(format!("{{{{{name}}}}}")))
            }
        }
        TemplateElement::HelperBlock(block) => Err(TemplateError::Footer(format!("{{{{#{}}}}}", name(block)))),
        _ => Err(TemplateError::Footer("{{> …}} or {{* …}}".to_owned())),
    }
}

fn name(block: &HelperTemplate) -> &str {
    block.name.as_name().unwrap_or("…")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: FooterValues<'static> = FooterValues {
        list: "dev@lists.example.org",
        description: "Devs & <friends> {{owner}}",
        owner: "dev-owner@lists.example.org",
    };

    #[test]
    fn the_three_variables_are_filled_in_as_they_are() {
        for (text, rendered) in [
            ("", ""),
            ("plain { text } <b>\n", "plain { text } <b>\n"),
            ("{{list}}", "dev@lists.example.org"),
            ("____\n{{ list }}: {{description}}\n", "____\ndev@lists.example.org: Devs & <friends> {{owner}}\n"),
            ("{{{description}}} {{owner}}", "Devs & <friends> {{owner}} dev-owner@lists.example.org"),
            ("{{! a remark }}x", "x"),
        ] {
            assert_eq!(footer(text, &VALUES).as_deref(), Ok(rendered), "{text:?}");
            assert_eq!(check_footer(text), Ok(()));
        }
    }

    #[test]
    fn anything_else_is_named_when_it_is_set() {
        for (text, part) in [
            ("{{lsit}}", "{{lsit}}"),
            ("{{list.name}}", "{{list.name}}"),
            ("{{this}}", "{{this}}"),
            ("{{@root}}", "{{@root}}"),
            ("{{../list}}", "{{../list}}"),
            ("{{lookup this \"list\"}}", "{{lookup}}"),
            ("{{list owner}}", "{{list}}"),
            ("{{#if list}}x{{/if}}", "{{#if}}"),
            ("{{#each this}}x{{/each}}", "{{#each}}"),
            ("{{> other}}", "{{>"),
            ("{{log \"x\"}}", "{{log}}"),
            ("a\n{{list", "line 2"),
            ("{{}}", "braces"),
            ("{{/if}}", "braces"),
            ("{{#if list}}", "braces"),
        ] {
            let error = check_footer(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text:?}: {error}");
            assert_eq!(footer(text, &VALUES).expect_err(text).to_string(), error);
        }
        assert_eq!(
            check_footer("{{lsit}}").unwrap_err().to_string(),
            "the footer has {{lsit}}, but only {{list}}, {{description}} and {{owner}} can be filled in"
        );
    }
}
