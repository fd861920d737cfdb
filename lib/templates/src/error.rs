//! What can be wrong with a text.

/// A text cannot be rendered. The fault is that of whoever wrote the text: trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no text of this name.
    #[error("there is no text called {0:?}")]
    Unknown(String),
    /// The text does not begin with its subject.
    #[error("the text {0:?} does not begin with a line \"subject: …\"")]
    NoSubject(String),
    /// A text of ours names a value that it is not given.
    #[error("the text {name:?} cannot be filled in: {reason}")]
    Text {
        /// Which text.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An owner's footer has something that a footer cannot have.
    #[error("the footer has {0}, but only {{{{list}}}}, {{{{description}}}} and {{{{owner}}}} can be filled in")]
    Footer(String),
    /// An owner's footer is not a template.
    #[error("the footer cannot be read: {0}")]
    Unreadable(String),
}
