//! Byte-exact edits of a header section: what is not edited leaves as it came.
//!
//! New fields go on top unless they replace one, so the order of the others, of which signatures and trace fields
//! depend, does not change (RFC 5321 §4.4, RFC 6376 §5.4.2).

use std::collections::BTreeMap;

use crate::field::NewField;
use crate::message::{Field, Message};

/// Edits that are collected and then carried out at once.
#[derive(Debug)]
pub struct Edit<'m, 'a> {
    message: &'m Message<'a>,
    /// What becomes of the fields that do not stay, by their index: few, where a message may have a million.
    changed: BTreeMap<usize, Change>,
    top: Vec<NewField>,
    bottom: Vec<NewField>,
    body: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Change {
    Removed,
    Replaced(NewField),
}

impl<'m, 'a> Edit<'m, 'a> {
    /// No edit yet.
    pub fn new(message: &'m Message<'a>) -> Self {
        Edit { message, changed: BTreeMap::new(), top: Vec::new(), bottom: Vec::new(), body: None }
    }

    /// Removes every field of this name (letters in either case).
    #[must_use]
    pub fn remove(self, name: &str) -> Self {
        self.remove_where(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// Removes every field for which `condition` holds.
    #[must_use]
    pub fn remove_where(mut self, condition: impl Fn(&Field<'_>) -> bool) -> Self {
        let fields = self.message.fields().iter().enumerate();
        self.changed.extend(fields.filter(|(_, field)| condition(field)).map(|(index, _)| (index, Change::Removed)));
        self
    }

    /// Puts `new` where the first field of `name` stood, or on top when there is none; further fields of this name go.
    #[must_use]
    pub fn replace(mut self, name: &str, new: NewField) -> Self {
        let mut new = Some(new);
        for (index, field) in self.message.fields().iter().enumerate() {
            if field.name.eq_ignore_ascii_case(name) {
                self.changed.insert(index, new.take().map_or(Change::Removed, Change::Replaced));
            }
        }
        match new {
            Some(new) => self.prepend(vec![new]),
            None => self,
        }
    }

    /// Puts fields on top of the header section, in this order, above what was put there before.
    #[must_use]
    pub fn prepend(mut self, fields: Vec<NewField>) -> Self {
        self.top.splice(..0, fields);
        self
    }

    /// Puts fields at the end of the header section, in this order.
    #[must_use]
    pub fn append_fields(mut self, fields: Vec<NewField>) -> Self {
        self.bottom.extend(fields);
        self
    }

    /// Puts another body in the place of the body.
    #[must_use]
    pub fn replace_body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// The edited message.
    ///
    /// A `From ` line of a mailbox file goes: it would stand in the middle of the header section. Where a line that is no
    /// field ended the header section, an empty line is put in front of it, so that everybody sees the end there.
    pub fn finish(self) -> Vec<u8> {
        let bytes = self.message.bytes();
        let body = self.body.as_deref().unwrap_or(self.message.body());
        let mut out = Vec::with_capacity(bytes.len() + body.len().saturating_sub(self.message.body().len()) + 1024);
        self.top.iter().for_each(|field| out.extend_from_slice(field.as_bytes()));
        for (index, field) in self.message.fields().iter().enumerate() {
            match self.changed.get(&index) {
                None => out.extend_from_slice(&bytes[field.range.clone()]),
                Some(Change::Removed) => {}
                Some(Change::Replaced(new)) => out.extend_from_slice(new.as_bytes()),
            }
        }
        let separator = &bytes[self.message.header_range().end..self.message.body_range().start];
        let more = !self.bottom.is_empty() || !separator.is_empty() || !body.is_empty();
        if more && !out.is_empty() && !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n"); // the message ended within its last field
        }
        self.bottom.iter().for_each(|field| out.extend_from_slice(field.as_bytes()));
        out.extend_from_slice(if separator.is_empty() && !body.is_empty() { b"\r\n" } else { separator });
        out.extend_from_slice(body);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Received: by a\r\n for b\r\nSUBJECT : old\r\n  folded\r\nX: 1\nFrom: bob@example.net\r\nx:2\r\n\r\nbody\r\n\r\n";

    fn edited(message: &str, edit: impl for<'m, 'a> Fn(Edit<'m, 'a>) -> Edit<'m, 'a>) -> String {
        let message = Message::parse(message.as_bytes());
        String::from_utf8(edit(Edit::new(&message)).finish()).unwrap()
    }

    fn new(name: &str, value: &str) -> NewField {
        NewField::plain(name, value)
    }

    #[test]
    fn without_edits_nothing_changes() {
        for message in [
            "",
            "\r\n",
            "\n",
            "body",
            MESSAGE,
            "From: a@example.org",
            "From: a@example.org\n",
            "A: b\r\n\r\n",
            "A: b\r\n\r\n\r\n",
            "A: b\n\nbody\0\r",
        ] {
            let expected = if message == "body" { "\r\nbody" } else { message };
            assert_eq!(edited(message, |edit| edit), expected, "{message:?}");
        }
    }

    #[test]
    fn fields_go_by_name_and_the_rest_stays() {
        assert_eq!(
            edited(MESSAGE, |edit| edit.remove("x")),
            "Received: by a\r\n for b\r\nSUBJECT : old\r\n  folded\r\nFrom: bob@example.net\r\n\r\nbody\r\n\r\n"
        );
        assert_eq!(edited("X: 1\r\nX: 2", |edit| edit.remove("X")), "");
    }

    #[test]
    fn a_field_is_replaced_where_it_stood_or_put_on_top() {
        assert_eq!(
            edited(MESSAGE, |edit| edit.replace("subject", new("Subject", "new"))),
            MESSAGE.replace("SUBJECT : old\r\n  folded", "Subject: new")
        );
        assert_eq!(
            edited(MESSAGE, |edit| edit.replace("X", new("X", "3"))),
            MESSAGE.replace("X: 1\n", "X: 3\r\n").replace("x:2\r\n", "")
        );
        assert_eq!(edited(MESSAGE, |edit| edit.replace("Y", new("Y", "3"))), format!("Y: 3\r\n{MESSAGE}"));
    }

    #[test]
    fn new_fields_keep_their_order_on_top_and_at_the_end() {
        let edit = |message: &str| {
            edited(message, |edit| {
                edit.prepend(vec![new("C", "3"), new("D", "4")])
                    .prepend(vec![new("A", "1"), new("B", "2")])
                    .append_fields(vec![new("E", "5"), new("F", "6")])
            })
        };
        assert_eq!(edit("X: y\r\n\r\nbody"), "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nX: y\r\nE: 5\r\nF: 6\r\n\r\nbody");
        assert_eq!(edit("X: y"), "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nX: y\r\nE: 5\r\nF: 6\r\n");
        assert_eq!(edit("body\r\n"), "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\n\r\nbody\r\n");
    }

    #[test]
    fn a_mailbox_line_goes_and_a_broken_header_section_is_ended() {
        let message = "From bob Mon Jan  1 00:00:00 2024\nFrom: bob@example.net\nno field\nTo: x\n";
        assert_eq!(edited(message, |edit| edit), "From: bob@example.net\n\r\nno field\nTo: x\n");
    }
}
