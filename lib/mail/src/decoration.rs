//! What an owner may put into a post: a prefix in the subject, a footer below the text.
//!
//! Both break the author's DKIM signature, so both are done only where they are set.

use crate::edit::Edit;
use crate::field::NewField;
use crate::footer::{self, Change};
use crate::message::Message;
use crate::rfc2047;

/// Puts `prefix` in front of the subject, unless it is in there already, behind "Re:" or anything else; an empty prefix
/// changes nothing. What the subject was stays byte for byte behind it.
#[must_use]
pub fn subject_prefix<'m, 'a>(edit: Edit<'m, 'a>, message: &Message<'_>, prefix: &str) -> Edit<'m, 'a> {
    let prefix = prefix.trim();
    if prefix.is_empty() || has_prefix(&message.subject(), prefix) {
        return edit;
    }
    let field = message.named("Subject").next();
    let value = field.map(|field| message.value(field)).unwrap_or_default().trim_ascii();
    let in_words = !prefix.is_ascii() && rfc2047::begins_with_word(&String::from_utf8_lossy(value));
    let new = if in_words {
        // RFC 2047 §6.2: the white space between two encoded words is not displayed, so one goes into the first.
        NewField::in_front("Subject", &rfc2047::encode(&format!("{prefix} ")), value)
    } else {
        NewField::in_front("Subject", prefix, value)
    };
    edit.replace("Subject", new)
}

/// The prefix stands in the subject, not as a part of a longer word.
fn has_prefix(subject: &str, prefix: &str) -> bool {
    let joined = |left: &str, right: &str| {
        let (left, right) = (left.chars().next_back(), right.chars().next());
        left.is_some_and(char::is_alphanumeric) && right.is_some_and(char::is_alphanumeric)
    };
    subject.match_indices(prefix).any(|(at, _)| {
        let (before, after) = (&subject[..at], &subject[at + prefix.len()..]);
        !joined(before, prefix) && !joined(prefix, after)
    })
}

/// Puts `text` below the text of the message.
///
/// A single text gets it appended, in its own charset and encoding; `multipart/mixed` gets a part of its own; whatever else
/// it is becomes the first part of a new `multipart/mixed`. Signed and encrypted messages, reports, and what is not well-formed
/// enough to be sure, stay as they are; so does everything when `text` is empty.
#[must_use]
pub fn footer<'m, 'a>(edit: Edit<'m, 'a>, message: &Message<'_>, text: &str) -> Edit<'m, 'a> {
    if text.trim().is_empty() {
        return edit;
    }
    match footer::change(message, text) {
        None => edit,
        Some(Change::Body(body)) => edit.remove("Content-MD5").replace_body(body),
        Some(Change::Wrap { content_type, body, transfer_encoding }) => {
            let inner = |name: &str| name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"));
            let mut fields = vec![content_type];
            fields.extend(transfer_encoding);
            let edit = edit.remove_where(|field| inner(field.name)).append_fields(fields).replace_body(body);
            if message.has("MIME-Version") {
                edit
            } else {
                edit.append_fields(vec![NewField::plain("MIME-Version", "1.0")])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixed(subject: &str, prefix: &str) -> String {
        let message = format!("X: y\r\n{subject}From: bob@example.net\r\n\r\nbody\r\n");
        let message = Message::parse(message.as_bytes());
        let out = subject_prefix(Edit::new(&message), &message, prefix).finish();
        String::from_utf8(out).unwrap().strip_suffix("\r\n\r\nbody\r\n").unwrap().to_owned()
    }

    #[test]
    fn a_prefix_stands_in_front_once() {
        for (before, after) in [
            ("Subject: hello\r\n", "Subject: [dev] hello\r\n"),
            ("subject:hello\r\n", "Subject: [dev] hello\r\n"),
            ("Subject: Re: hello\r\n", "Subject: [dev] Re: hello\r\n"),
            ("Subject:\r\n", "Subject: [dev]\r\n"),
            ("Subject:   \r\n", "Subject: [dev]\r\n"),
            ("Subject: a\r\n folded\r\n\tone\r\n", "Subject: [dev] a\r\n folded\r\n\tone\r\n"),
            ("Subject: [developers] hello\r\n", "Subject: [dev] [developers] hello\r\n"),
            ("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", "Subject: [dev] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"),
            (
                "Subject: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=\r\n",
                "Subject: [dev] =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=\r\n",
            ),
            // It is there.
            ("Subject: [dev] hello\r\n", "Subject: [dev] hello\r\n"),
            ("Subject: [dev]hello\r\n", "Subject: [dev]hello\r\n"),
            ("Subject: Re: [dev] hello\r\n", "Subject: Re: [dev] hello\r\n"),
            ("Subject: AW: Re:\r\n [dev] hello\r\n", "Subject: AW: Re:\r\n [dev] hello\r\n"),
            (
                "Subject: =?utf-8?q?=5Bdev=5D_Gr=C3=BC=C3=9Fe?=\r\n",
                "Subject: =?utf-8?q?=5Bdev=5D_Gr=C3=BC=C3=9Fe?=\r\n",
            ),
            ("Subject: Re: =?utf-8?b?W2Rldl0gw6Q=?=\r\n", "Subject: Re: =?utf-8?b?W2Rldl0gw6Q=?=\r\n"),
        ] {
            assert_eq!(prefixed(before, "[dev]"), format!("X: y\r\n{after}From: bob@example.net"), "{before:?}");
        }
        assert_eq!(prefixed("", "[dev]"), "Subject: [dev]\r\nX: y\r\nFrom: bob@example.net");
        assert_eq!(prefixed("Subject: hello\r\n", ""), "X: y\r\nSubject: hello\r\nFrom: bob@example.net");
    }

    #[test]
    fn a_prefix_without_brackets_is_a_word() {
        assert!(prefixed("Subject: developers\r\n", "dev").contains("Subject: dev developers"));
        assert!(prefixed("Subject: Re: dev: hello\r\n", "dev").contains("Subject: Re: dev: hello"));
    }

    #[test]
    fn a_prefix_that_is_not_ascii_is_encoded_and_kept_apart() {
        for subject in ["hello", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?broken"] {
            let out = prefixed(&format!("Subject: {subject}\r\n"), "[für]");
            assert!(out.is_ascii());
            let once = Message::parse(out.as_bytes()).subject();
            let rest = rfc2047::decode(subject);
            assert_eq!(once, format!("[für] {rest}"), "{out}");
            let field = out.lines().filter(|line| line.starts_with("Subject") || line.starts_with(' '));
            let again = format!("{}\r\n", field.collect::<Vec<_>>().join("\r\n"));
            assert_eq!(prefixed(&again, "[für]"), out, "not doubled");
        }
    }

    #[test]
    fn a_long_subject_is_folded_behind_the_prefix() {
        let subject = "a word ".repeat(10);
        assert!(
            prefixed(&format!("Subject: {subject}\r\n"), "[dev]")
                .contains(&format!("Subject: [dev]\r\n {}\r\n", subject.trim()))
        );
    }
}
