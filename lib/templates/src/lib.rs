//! The words that people receive: built-in texts in several languages, what a site says instead, and the footers that
//! owners write.
//!
//! Texts are handlebars templates in strict mode, so a variable that is not there is an error and never an empty gap.
//! They are plain text: nothing is escaped as HTML.

mod built_in;
mod check;
mod error;
mod examples;
mod footer;
mod key;
mod names;
mod phrases;
mod source;
mod templates;
mod values;

pub(crate) use built_in::FALLBACK;
pub use built_in::LANGUAGES;
pub use error::TemplateError;
pub use footer::{FooterValues, check_footer, footer};
pub use key::{PHRASES, Place, Scope, TextKey};
pub use templates::{Templates, Text};
pub use values::*;
