//! The words that people receive: built-in texts, and the footers that owners write.
//!
//! Texts are handlebars templates in strict mode, so a variable that is not there is an error and never an empty gap.
//! They are plain text: nothing is escaped as HTML.

mod error;
mod footer;
mod templates;

pub use error::TemplateError;
pub use footer::{FooterValues, check_footer, footer};
pub use templates::{Rejected, Templates, Text};
