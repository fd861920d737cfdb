//! What can be wrong with a text.

/// A text cannot be rendered. The fault is the text's or the caller's: trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no text of this name.
    #[error("there is no text called {0:?}")]
    Unknown(String),
    /// The text does not begin with its subject.
    #[error("the text {0:?} does not begin with a line \"subject: …\"")]
    NoSubject(String),
    /// The text names a variable that it cannot have, or is not written as it must be.
    #[error("{name}: {reason}")]
    Text {
        /// Which text.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}
