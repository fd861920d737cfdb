//! Header fields that we write: folded, encoded (RFC 2047), and never with a line ending out of a value.
//!
//! [`NewField`] is the only form in which a field gets into a message, so that a value never begins a field of its own.

use std::borrow::Cow;

use mail_builder::headers::Header;
use mail_builder::headers::address::Address as MailboxField;
use mail_builder::headers::text::Text;

/// Lines are folded so that they do not become longer, where there is white space (RFC 5322 §2.1.1).
const LINE: usize = 78;

/// A whole header field, with its final CRLF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewField(Vec<u8>);

impl NewField {
    /// A field of free text: encoded where it is not ASCII.
    pub fn text(name: &str, value: &str) -> Self {
        let value = clean(value);
        NewField::built(name, &Text::new(&*value))
    }

    /// A field of a phrase, which may be empty, and something in angle brackets: `Development <dev.lists.example.org>`.
    pub fn phrase(name: &str, phrase: &str, address: &str) -> Self {
        let (phrase, address) = (clean(phrase), clean(address));
        let phrase = (!phrase.is_empty()).then_some(&*phrase);
        NewField::built(name, &MailboxField::new_address(phrase, &*address))
    }

    /// A field whose value is already in the form that its syntax asks for; control characters in it become spaces.
    pub fn plain(name: &str, value: &str) -> Self {
        let mut field = format!("{name}:");
        let mut line = field.len();
        for word in clean(value).split(' ') {
            if line + 1 + word.len() > LINE && line > 1 {
                field.push_str("\r\n");
                line = 0;
            }
            field.push(' ');
            field.push_str(word);
            line += 1 + word.len();
        }
        field.push_str("\r\n");
        NewField(field.into_bytes())
    }

    /// `words` in front of a value that is in the message already: `value` stays byte for byte, its folds included.
    pub(crate) fn in_front(name: &str, words: &str, value: &[u8]) -> Self {
        let mut field = NewField::text(name, words).0;
        field.truncate(field.len() - "\r\n".len());
        let value = value.trim_ascii();
        if !value.is_empty() {
            let last = field.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len);
            let first = value.split(|byte| *byte == b'\n').next().map_or(0, |line| line.trim_ascii_end().len());
            field.extend_from_slice(if last + 1 + first > LINE { b"\r\n " } else { b" " });
            field.extend_from_slice(value);
        }
        field.extend_from_slice(b"\r\n");
        NewField(field)
    }

    /// The whole field, with its CRLF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The whole field without its final CRLF: the form of a recipient's own fields in a message file.
    pub fn into_line(mut self) -> String {
        self.0.truncate(self.0.strip_suffix(b"\r\n").map_or(self.0.len(), <[u8]>::len));
        String::from_utf8(self.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// A field of a value that knows how it is written.
    pub(crate) fn built(name: &str, value: &impl Header) -> Self {
        let mut field = format!("{name}: ").into_bytes();
        let column = field.len();
        value.write_header(&mut field, column);
        NewField(field)
    }
}

/// One line: control characters become spaces.
pub(crate) fn clean(value: &str) -> Cow<'_, str> {
    match value.contains(char::is_control) {
        true => Cow::Owned(value.replace(char::is_control, " ").trim().to_owned()),
        false => Cow::Borrowed(value.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn shown(field: &NewField) -> &str {
        std::str::from_utf8(field.as_bytes()).unwrap()
    }

    /// Values that want to begin a field of their own.
    fn hostile() -> Vec<String> {
        let mut values = Vec::new();
        for ending in ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\u{b}", "\u{c}", "\0", "\r\n\r\n", "\n\n", "\r\r\n"] {
            for tail in ["Bcc: all@example.net", " Bcc: all@example.net", "", "\r\nbody", ":", "ö"] {
                values.push(format!("Development{ending}{tail}"));
                values.push(format!("{ending}{tail}"));
                values.push(format!("Entwicklung ü{ending}{tail}"));
            }
        }
        values
    }

    #[test]
    fn no_value_begins_a_field_of_its_own() {
        let values = hostile();
        assert!(values.len() >= 100);
        for value in values {
            for field in [
                NewField::text("Subject", &value),
                NewField::phrase("List-Id", &value, "dev.lists.example.org"),
                NewField::phrase("List-Id", "dev", &value),
                NewField::plain("List-Post", &value),
                NewField::in_front("Subject", &value, b"Re: hello"),
            ] {
                let message = [field.as_bytes(), b"From: bob@example.net\r\n\r\nbody"].concat();
                let message = Message::parse(&message);
                let names: Vec<&str> = message.fields().iter().map(|field| field.name).collect();
                assert_eq!(names.len(), 2, "{value:?}: {names:?}");
                assert_eq!(names[1], "From");
                assert_eq!(message.body(), b"body");
                let text = shown(&field).replace("\r\n", "");
                assert!(!text.contains(|c: char| c.is_control() && c != '\t'), "{value:?}: {text:?}");
            }
        }
    }

    #[test]
    fn long_values_are_folded_and_come_back() {
        let words = "a list about many things ".repeat(40);
        let encoded = "eine Liste über viele Dinge ".repeat(40);
        for value in [&words, &encoded] {
            for field in [NewField::text("Subject", value), NewField::phrase("Subject", value, "x.example.org")] {
                for line in shown(&field).split("\r\n") {
                    assert!(line.len() <= LINE, "{line:?}");
                }
                let message = Message::parse(field.as_bytes());
                let text = message.subject();
                assert_eq!(text.trim_end_matches(" <x.example.org>").trim_matches('"').trim(), value.trim());
            }
        }
        let plain = NewField::plain(
            "List-Post",
            "<mailto:a-list-with-a-very-long-name-indeed@a-domain-with-a-long-name.example.org>",
        );
        assert_eq!(shown(&plain).lines().count(), 2);
        let word = "x".repeat(300);
        assert_eq!(shown(&NewField::plain("X", &word)), format!("X:\r\n {word}\r\n"));
    }

    #[test]
    fn what_is_in_the_message_already_stays() {
        let field = NewField::in_front("Subject", "[dev]", b" =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_2?=");
        assert_eq!(shown(&field), "Subject: [dev] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_2?=\r\n");
        let long = "word ".repeat(14);
        let field = NewField::in_front("Subject", "[dev]", long.as_bytes());
        assert_eq!(shown(&field), format!("Subject: [dev]\r\n {}\r\n", long.trim()));
        assert_eq!(NewField::in_front("Subject", "[dev]", b"").as_bytes(), b"Subject: [dev]\r\n");
    }
}
