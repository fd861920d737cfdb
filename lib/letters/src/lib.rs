//! The letters that we write to people: a text of the templates, as a message of our own, in an entry for outbound; and the budget
//! that keeps anybody from having us write to somebody who never asked (RFC 3834 §2).
//!
//! Every stage that writes to a person does it through here, so that each letter has the null reverse-path, says that it is
//! automatic, and carries nothing of what it answers but one line.

mod author;
mod budget;
mod letter;

pub use author::{Reader, Silence, author_of, recipient_of};
pub use budget::Budget;
pub use letter::{Letter, Letters, language_of};
