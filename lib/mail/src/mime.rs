//! What the Content-* fields of a message say (RFC 2045), as far as decoration and recognition need it.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::message::{Message, unfold};

/// A Content-Type that a mail program writes is never longer; RFC 2231 continuations make longer ones costly.
const MAX_OCTETS: usize = 8192;

/// The Content-Type field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// `type/subtype` in lower case.
    pub(crate) kind: String,
    /// The `charset` parameter in lower case; empty when there is none.
    pub(crate) charset: String,
    /// The `boundary` parameter; empty when there is none.
    pub(crate) boundary: String,
    /// The `format` parameter in lower case (RFC 3676).
    pub(crate) format: String,
    /// The `delsp` parameter in lower case (RFC 3676).
    pub(crate) delsp: String,
}

/// What the body is: `text/plain` where no field says it (RFC 2045 §5.2); none where it cannot be told.
pub(crate) fn content_type(message: &Message<'_>) -> Option<ContentType> {
    let mut fields = message.named("Content-Type");
    let Some(field) = fields.next() else {
        return Some(ContentType { kind: "text/plain".to_owned(), ..ContentType::default() });
    };
    let value = message.value(field);
    if fields.next().is_some() || value.len() > MAX_OCTETS {
        return None;
    }
    let line = format!("{}\n", unfold(value));
    let HeaderValue::ContentType(found) = MessageStream::new(line.as_bytes()).parse_content_type() else { return None };
    let parameter = |name: &str| found.attribute(name).unwrap_or_default().trim().to_owned();
    Some(ContentType {
        kind: format!("{}/{}", found.ctype(), found.subtype()?).to_ascii_lowercase(),
        charset: parameter("charset").to_ascii_lowercase(),
        boundary: parameter("boundary"),
        format: parameter("format").to_ascii_lowercase(),
        delsp: parameter("delsp").to_ascii_lowercase(),
    })
}

/// The Content-Transfer-Encoding in lower case; `7bit` where no field says it (RFC 2045 §6.1).
pub(crate) fn transfer_encoding(message: &Message<'_>) -> String {
    let value = message.raw("Content-Transfer-Encoding").next().unwrap_or_else(|| "7bit".to_owned());
    value.split([';', '(', ' ', '\t']).next().unwrap_or_default().to_ascii_lowercase()
}
