//! Byte-exact edits of a header section: what is not edited leaves as it came.

use crate::message::Message;
use crate::write::text_field;

/// Edits that are collected and then carried out at once.
#[derive(Debug)]
pub struct Edit<'m, 'a> {
    message: &'m Message<'a>,
    /// What becomes of each field: kept, or replaced by this text.
    changed: Vec<Option<Vec<u8>>>,
    top: Vec<u8>,
    bottom: Vec<u8>,
    body: Option<Vec<u8>>,
}

impl<'m, 'a> Edit<'m, 'a> {
    /// No edit yet.
    pub fn new(message: &'m Message<'a>) -> Self {
        let changed = vec![None; message.fields().len()];
        Edit { message, changed, top: Vec::new(), bottom: Vec::new(), body: None }
    }

    /// Removes every field of this name.
    #[must_use]
    pub fn remove(self, name: &str) -> Self {
        self.remove_where(|_, field| field.eq_ignore_ascii_case(name))
    }

    /// Removes every field for which `condition` (of its index and its name) holds.
    #[must_use]
    pub fn remove_where(mut self, condition: impl Fn(usize, &str) -> bool) -> Self {
        for (index, field) in self.message.fields().iter().enumerate() {
            if condition(index, field.name) {
                self.changed[index] = Some(Vec::new());
            }
        }
        self
    }

    /// Puts free text, encoded and folded, where the first field of this name stood, or on top when there is none;
    /// further fields of this name go.
    #[must_use]
    pub fn replace(self, name: &str, value: &str) -> Self {
        let text = text_field(name, value);
        self.replace_field(name, &text)
    }

    /// As [`Edit::replace`], with a whole field that is already written, its CRLF included.
    #[must_use]
    pub fn replace_field(mut self, name: &str, field: &str) -> Self {
        let mut new = Some(field.as_bytes().to_vec());
        for (index, old) in self.message.fields().iter().enumerate() {
            if old.name.eq_ignore_ascii_case(name) {
                self.changed[index] = Some(new.take().unwrap_or_default());
            }
        }
        match new {
            Some(new) => self.prepend(&String::from_utf8_lossy(&new)),
            None => self,
        }
    }

    /// Puts whole fields, each with its CRLF, on top of the header section, above what was put there before.
    #[must_use]
    pub fn prepend(mut self, fields: &str) -> Self {
        self.top.splice(..0, fields.bytes());
        self
    }

    /// Puts whole fields, each with its CRLF, at the end of the header section.
    #[must_use]
    pub fn append_fields(mut self, fields: &str) -> Self {
        self.bottom.extend_from_slice(fields.as_bytes());
        self
    }

    /// Puts another body in the place of the body.
    #[must_use]
    pub fn replace_body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// The edited message.
    pub fn finish(self) -> Vec<u8> {
        let bytes = self.message.bytes();
        let header = self.message.header_range();
        let mut out = self.top;
        for (field, changed) in self.message.fields().iter().zip(self.changed) {
            match changed {
                Some(new) => out.extend_from_slice(&new),
                None => out.extend_from_slice(&bytes[field.range.clone()]),
            }
        }
        if !self.bottom.is_empty() && !out.is_empty() && !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.bottom);
        let separator = &bytes[header.end..self.message.body_range().start];
        let body = self.body.as_deref().unwrap_or(self.message.body());
        if separator.is_empty() && !body.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(separator);
        out.extend_from_slice(body);
        out
    }
}
