//! Reading a message: where its header fields and its body stand in the raw bytes, and what the fields say.
//!
//! The scanner is ours, because edits need exact byte ranges; dates and encoded words are decoded by mail-parser.

use std::ops::Range;

use listmill_queue_format::Timestamp;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::addresses::Mailboxes;
use crate::rfc2047;

/// A message (RFC 5322), as it arrived.
///
/// A line ends with CRLF or with a bare LF; a bare CR ends nothing.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    fields: Vec<Field<'a>>,
    start: usize,
    end: usize,
    body: usize,
}

/// One header field: where it stands in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it is written, without white space.
    pub name: &'a str,
    /// The whole field with the line ending behind it.
    pub range: Range<usize>,
    /// What stands behind the colon, folds included, without the final line ending.
    pub value_range: Range<usize>,
}

impl<'a> Message<'a> {
    /// Reads a message. Never fails: what is not made of header fields is a body without any.
    ///
    /// The header section ends with the first empty line, or before the first line that is neither a field nor the
    /// continuation of one. A `From ` line that a mailbox file put in front is no part of it.
    pub fn parse(bytes: &'a [u8]) -> Self {
        let start = envelope_line(bytes);
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut at = start;
        loop {
            let next = line_end(bytes, at);
            let line = trim_ending(&bytes[at..next]);
            match (line.first(), fields.last_mut()) {
                (None, _) => return Message { bytes, fields, start, end: at, body: next },
                (Some(b' ' | b'\t'), Some(field)) => {
                    field.range.end = next;
                    field.value_range.end = at + line.len();
                }
                _ => match field_name(line) {
                    Some((name, colon)) => {
                        let value_range = at + colon + 1..at + line.len();
                        fields.push(Field { name, range: at..next, value_range });
                    }
                    None => return Message { bytes, fields, start, end: at, body: at },
                },
            }
            at = next;
        }
    }

    /// The whole message.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header fields, in order.
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields
    }

    /// The fields of this name (letters in either case), in order.
    pub fn named<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'s Field<'a>> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    /// There is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// Where the header section stands, without the empty line behind it.
    pub fn header_range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The header section, without the empty line behind it.
    pub fn header_section(&self) -> &'a [u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the body stands. There is no empty line between the header section and it when the header section was
    /// ended by a line that is no field.
    pub fn body_range(&self) -> Range<usize> {
        self.body..self.bytes.len()
    }

    /// The body.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body..]
    }

    /// The value of one field, as raw bytes with its folds.
    pub fn value(&self, field: &Field<'_>) -> &'a [u8] {
        self.bytes.get(field.value_range.clone()).unwrap_or_default()
    }

    /// The values of the fields of this name: unfolded, trimmed, not decoded; octets that are not UTF-8 become U+FFFD.
    pub fn raw<'s>(&'s self, name: &'s str) -> impl Iterator<Item = String> + 's {
        self.named(name).map(|field| unfold(self.value(field)))
    }

    /// The first field of this name, decoded (RFC 2047) in one line without control characters; none when it is absent.
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts(name).next()
    }

    /// Every field of this name, each as [`Message::text`] gives it.
    pub fn texts<'s>(&'s self, name: &'s str) -> impl Iterator<Item = String> + 's {
        self.named(name).map(|field| rfc2047::decode(&unfold(self.value(field))))
    }

    /// The subject, decoded; empty when there is none.
    pub fn subject(&self) -> String {
        self.text("Subject").unwrap_or_default()
    }

    /// The Message-ID without its angle brackets; empty when there is none.
    pub fn message_id(&self) -> String {
        self.named("Message-ID").next().map(|field| id_in(self.value(field))).unwrap_or_default()
    }

    /// The date of the Date field; none when it is absent or no date.
    pub fn date(&self) -> Option<Timestamp> {
        let line = format!("{}\n", self.raw("Date").next()?);
        let HeaderValue::DateTime(date) = MessageStream::new(line.as_bytes()).parse_date() else { return None };
        if !date.is_valid() {
            return None;
        }
        Timestamp::from_second(date.to_timestamp()).ok()
    }

    /// The addresses of every field of this name, each with its display name, decoded; members of groups among them.
    ///
    /// For reading whom a message names; who wrote it is [`crate::author`]'s question.
    pub fn addresses(&self, name: &str) -> Vec<(String, String)> {
        self.raw(name).flat_map(|value| Mailboxes::new(&value).collect::<Vec<_>>()).collect()
    }

    /// How many addresses the fields of this name have, without keeping them.
    pub fn count_addresses(&self, name: &str) -> usize {
        self.raw(name).map(|value| Mailboxes::new(&value).count()).sum()
    }
}

/// The id in the raw value of a Message-ID field, without its angle brackets.
pub(crate) fn id_in(value: &[u8]) -> String {
    let raw = unfold(value);
    let inner = raw.split_once('<').map_or(raw.as_str(), |(_, rest)| rest.split('>').next().unwrap_or(rest));
    inner.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

/// A raw value in one line: the line endings of its folds go, the white space behind them stays.
pub(crate) fn unfold(value: &[u8]) -> String {
    let line: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    String::from_utf8_lossy(&line).trim_matches([' ', '\t']).to_owned()
}

/// Behind the end of the line that begins at `at`.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length + 1)
}

pub(crate) fn trim_ending(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

/// Behind the `From ` line that a mailbox file put in front of the message (RFC 4155).
pub(crate) fn envelope_line(bytes: &[u8]) -> usize {
    let end = line_end(bytes, 0);
    let line = trim_ending(&bytes[..end]);
    let from = line.starts_with(b"From ") || line.starts_with(b">From ");
    // `From : alice@example.org` is a field.
    if from && field_name(line).is_none() { end } else { 0 }
}

/// The name of the field that this line begins, and where its colon stands (RFC 5322 §2.2; white space before the
/// colon is §4.5's obsolete syntax).
pub(crate) fn field_name(line: &[u8]) -> Option<(&str, usize)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?.trim_end_matches([' ', '\t']);
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then_some((name, colon))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(message: &Message<'_>) -> Vec<(String, String)> {
        let field = |field: &Field<'_>| {
            let value = String::from_utf8_lossy(message.value(field)).into_owned();
            (field.name.to_owned(), value)
        };
        message.fields().iter().map(field).collect()
    }

    #[test]
    fn where_the_header_section_ends() {
        /// Message, fields, body.
        type Row = (&'static [u8], &'static [(&'static str, &'static str)], &'static [u8]);
        let rows: &[Row] = &[
            (b"", &[], b""),
            (b"\r\n", &[], b""),
            (b"\r\nbody", &[], b"body"),
            (b"A: 1\r\nB:2\r\n\r\nbody\r\n", &[("A", " 1"), ("B", "2")], b"body\r\n"),
            (b"A: 1\nB: 2\n\nbody\n", &[("A", " 1"), ("B", " 2")], b"body\n"),
            (b"A: 1\r\n 2\r\n\t3\r\n\r\n", &[("A", " 1\r\n 2\r\n\t3")], b""),
            (b"A: 1\r\n \r\nB: 2\r\n\r\n", &[("A", " 1\r\n "), ("B", " 2")], b""),
            (b"A: 1", &[("A", " 1")], b""),
            (b"A: 1\r\n", &[("A", " 1")], b""),
            (b"A:\r\n\r\n\r\n", &[("A", "")], b"\r\n"),
            (b"A : 1\r\nB\t:2\r\n\r\n", &[("A", " 1"), ("B", "2")], b""),
            (b"A: 1\r\nno field\r\nB: 2\r\n\r\n", &[("A", " 1")], b"no field\r\nB: 2\r\n\r\n"),
            (b" folded first\r\nA: 1\r\n", &[], b" folded first\r\nA: 1\r\n"),
            (b": 1\r\nA: 1\r\n", &[], b": 1\r\nA: 1\r\n"),
            (b"A b: 1\r\n", &[], b"A b: 1\r\n"),
            (b"\xc3\xa4: 1\r\n", &[], b"\xc3\xa4: 1\r\n"),
            (b"A\0: 1\r\n", &[], b"A\0: 1\r\n"),
            (b"A: \0\xff\r\n\r\nx", &[("A", " \0\u{fffd}")], b"x"),
            (b"A: 1\rB: 2\r\n\r\nx", &[("A", " 1\rB: 2")], b"x"),
            (b"A: 1\r\n\r\r\nx", &[("A", " 1")], b"\r\r\nx"),
            (b"From bob Mon Jan  1 00:00:00 2024\r\nA: 1\r\n\r\nx", &[("A", " 1")], b"x"),
            (b">From bob Mon Jan  1 00:00:00 2024\nA: 1\n\nx", &[("A", " 1")], b"x"),
            (b"From : bob\r\n\r\nx", &[("From", " bob")], b"x"),
        ];
        for (bytes, fields, body) in rows {
            let message = Message::parse(bytes);
            let text = String::from_utf8_lossy(bytes);
            let expected: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(shown(&message), expected, "{text:?}");
            assert_eq!(message.body(), *body, "{text:?}");
        }
    }

    #[test]
    fn what_the_fields_say() {
        let message = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_an_alle?=\r\nsubject: 2\r\n\
            Message-ID:\r\n <1@example.net> (x)\r\nDate: Sun, 22 Nov 2026 09:30:00 +0100\r\n\
            To: a@example.org, B <b@example.org>\r\nTO: c@example.org\r\n\r\n";
        let message = Message::parse(message);
        assert_eq!(message.subject(), "Gr\u{fc}\u{df}e an alle");
        assert_eq!(message.texts("SUBJECT").count(), 2);
        assert_eq!(message.message_id(), "1@example.net");
        assert_eq!(message.date().unwrap().to_string(), "2026-11-22T08:30:00Z");
        assert_eq!(
            message.addresses("to").iter().map(|(_, a)| a.as_str()).collect::<Vec<_>>(),
            ["a@example.org", "b@example.org", "c@example.org"]
        );
        assert_eq!(message.count_addresses("To"), 3);
        assert_eq!(message.text("X"), None);
        assert_eq!(message.named("To").count(), 2);
    }

    #[test]
    fn odd_ids_and_dates() {
        let id = |value: &str| Message::parse(format!("Message-ID: {value}\r\n\r\n").as_bytes()).message_id();
        assert_eq!(id("bare@example.net"), "bare@example.net");
        assert_eq!(id("<a b@example.net"), "ab@example.net");
        assert_eq!(id("<a\0\u{1b}b>"), "ab");
        assert_eq!(id(""), "");
        let date = |value: &str| Message::parse(format!("Date: {value}\r\n\r\n").as_bytes()).date();
        for value in
            ["", "yesterday", "99 Nov 2026 08:30:00 +0000", "Sun, 22 Nov 99999 08:30:00 +0000", "22 Foo 2026 08:30"]
        {
            assert_eq!(date(value), None, "{value}");
        }
        for value in
            ["22 Nov 26 08:30 +0000", "Sun, 22 Nov 2026 08:30:00 GMT", "Sun,  22 Nov 2026 08:30:00 -0000 (UTC)"]
        {
            assert!(date(value).is_some(), "{value}");
        }
    }

    #[test]
    fn a_million_header_lines_are_read_in_one_pass() {
        let message = "A: b\r\n".repeat(1_000_000);
        assert_eq!(Message::parse(message.as_bytes()).fields().len(), 1_000_000);
        let folded = format!("A: b\r\n{}\r\n", " c\r\n".repeat(1_000_000));
        assert_eq!(Message::parse(folded.as_bytes()).fields().len(), 1);
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b' '), Just(b':'), Just(b'A'), any::<u8>()], 0..200)) {
            let message = Message::parse(&bytes);
            let mut at = message.header_range().start;
            for field in message.fields() {
                prop_assert_eq!(field.range.start, at);
                prop_assert!(field.range.contains(&field.value_range.start) || field.value_range.is_empty());
                prop_assert!(field.value_range.end <= field.range.end);
                at = field.range.end;
            }
            prop_assert_eq!(at, message.header_range().end);
            let between = &bytes[at..message.body_range().start];
            prop_assert!([&b""[..], b"\n", b"\r\n"].contains(&between));
            prop_assert_eq!(message.body_range().end, bytes.len());
            let _ = (message.subject(), message.date(), message.message_id(), message.addresses("A"));
        }
    }
}
