//! Writing header field values: folded, encoded (RFC 2047), and never with a line ending out of a value.

use mail_builder::headers::Header;
use mail_builder::headers::address::Address as MailboxField;
use mail_builder::headers::text::Text;

/// A whole field, with its CRLF, of free text.
pub(crate) fn text_field(name: &str, value: &str) -> String {
    let value = clean(value);
    field(name, &Text::new(value.as_str()))
}

/// A whole field, with its CRLF: a phrase, if there is one, and something in angle brackets.
pub(crate) fn phrase_field(name: &str, phrase: &str, address: &str) -> String {
    let (phrase, address) = (clean(phrase), clean(address));
    let phrase = (!phrase.is_empty()).then_some(phrase.as_str());
    field(name, &MailboxField::new_address(phrase, address.as_str()))
}

/// A whole field, with its CRLF, of ASCII that is written as it is: what we made ourselves, short and known to be clean.
pub(crate) fn plain_field(name: &str, value: &str) -> String {
    format!("{name}: {}\r\n", clean(value))
}

fn field(name: &str, value: &impl Header) -> String {
    let mut field = format!("{name}: ").into_bytes();
    let column = field.len();
    value.write_header(&mut field, column);
    String::from_utf8(field).unwrap_or_default()
}

/// One line: control characters become spaces, so that no value begins a field of its own.
pub(crate) fn clean(value: &str) -> String {
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
