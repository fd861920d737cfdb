//! What can be wrong with a text.

/// A text cannot be rendered. The fault is that of whoever wrote the text: trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no text of this name.
    #[error("there is no text called {0:?}")]
    Unknown(String),
    /// A place has this text twice, as `DE` and `de` are one language.
    #[error("there are two texts called {0:?}")]
    Twice(String),
    /// The text does not begin with its subject.
    #[error("the text {0:?} does not begin with a line \"subject: …\"")]
    NoSubject(String),
    /// A text cannot be read or filled in, or lacks something that it must have.
    #[error("the text {name:?} is of no use: {reason}")]
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
