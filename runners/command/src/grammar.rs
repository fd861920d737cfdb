//! The grammar of commands: lines of subject and body, read.

use listmill_mail::message::Message;

use crate::ask::Ask;
use crate::session::{Said, Session};

/// One line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A command.
    Ask(Ask),
    /// None that we know.
    Unknown(String),
}

/// The commands of a message: its subject, then its lines.
pub(crate) fn lines(_message: &Message<'_>) -> Vec<Line> {
    Vec::new()
}

/// One line as a command.
///
/// # Errors
/// It is none; the line.
pub(crate) fn command(line: &str) -> Result<Ask, String> {
    Err(line.to_owned())
}

/// What is said about a line that is no command.
pub(crate) fn unknown(session: &Session<'_>, line: &str) -> Said {
    session.refused("unknown", &[("line", line)])
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
