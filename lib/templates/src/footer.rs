//! The footer that an owner writes: three variables and nothing else.

use serde::Serialize;

use crate::TemplateError;
use crate::templates::registry;

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

/// The footer with its variables filled in.
///
/// # Errors
/// See [`check_footer`].
pub fn footer(text: &str, values: &FooterValues<'_>) -> Result<String, TemplateError> {
    registry()
        .render_template(text, values)
        .map_err(|error| TemplateError::Text { name: "footer".to_owned(), reason: error.reason().to_string() })
}

/// Checks the footer that an owner wants to set.
///
/// # Errors
/// It names a variable that a footer has not, or is not written as it must be.
pub fn check_footer(text: &str) -> Result<(), TemplateError> {
    footer(text, &FooterValues { list: "", description: "", owner: "" }).map(drop)
}
