//! The parts of a message (RFC 2046), as a reader of bounces sees them: in one row, whatever they are nested in, and
//! without those of a message that came back.

use std::sync::LazyLock;

use mail_parser::MessageParser;
use mail_parser::decoders::html::html_to_text;
use regex::Regex;

use crate::message::{Message, line_end, trim_ending};
use crate::mime::{ContentType, content_type};

/// The most parts that are looked at.
const MAX_PARTS: usize = 64;

/// How deep multiparts may be nested.
const MAX_DEPTH: usize = 8;

/// Octets of one part that are decoded.
const MAX_TEXT: usize = 128 * 1024;

/// One part that is no multipart.
pub(crate) struct Part<'a> {
    /// The media type in lower case.
    pub(crate) kind: String,
    /// Its fields and its content.
    pub(crate) content: Message<'a>,
}

impl Part<'_> {
    /// It is a text for people.
    pub(crate) fn is_text(&self) -> bool {
        self.kind.starts_with("text/") && self.kind != "text/rfc822-headers"
    }

    /// It is a report for programs.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self.kind.as_str(), "message/delivery-status" | "message/global-delivery-status")
    }

    /// It is a report of any kind for programs: of deliveries, receipts, complaints.
    pub(crate) fn is_structured(&self) -> bool {
        let receipt = ["message/disposition-notification", "message/global-disposition-notification"];
        self.is_report() || self.kind == "message/feedback-report" || receipt.contains(&self.kind.as_str())
    }

    /// It is the message that came back, or its header section.
    pub(crate) fn is_original(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "message/rfc822"
                | "message/global"
                | "text/rfc822-headers"
                | "message/global-headers"
                | "message/rfc822-headers"
        )
    }

    /// A name of it holds this word.
    pub(crate) fn is_named(&self, word: &str) -> bool {
        let fields = ["Content-Type", "Content-Disposition"].into_iter().flat_map(|name| self.content.raw(name));
        fields.into_iter().any(|value| {
            let lower = value.to_ascii_lowercase();
            lower.split_once("name=").is_some_and(|(_, name)| name.contains(word))
        })
    }

    /// The content, decoded, its lines ended by LF; HTML without its tags.
    pub(crate) fn text(&self) -> String {
        let body = self.content.body();
        let body = &body[..body.len().min(MAX_TEXT)];
        let field = |name: &str| {
            let value = self.content.named(name).next().map(|field| self.content.value(field));
            value.filter(|value| value.len() < 1024).unwrap_or_default()
        };
        let encoding = field("Content-Transfer-Encoding").trim_ascii().to_ascii_lowercase();
        // Some programs call HTML what is a plain text.
        let html = self.kind == "text/html" && has_tags(body);
        let kind = match self.is_text() && (html || self.kind != "text/html") {
            true => field("Content-Type"),
            false => b"text/plain; charset=utf-8",
        };
        let plain = ["", "7bit", "8bit", "binary"].iter().any(|plain| plain.as_bytes() == encoding);
        if plain && !html && body.is_ascii() && !body.contains(&0x1b) {
            return String::from_utf8_lossy(body).into_owned();
        }
        // mail-parser knows the encodings and the charsets; it is given a message of this one text.
        let one = [b"Content-Type: ", kind, b"\nContent-Transfer-Encoding: ", &encoding, b"\n\n", body].concat();
        let parsed = MessageParser::default().parse(&one);
        if html && let Some(html) = parsed.as_ref().and_then(|parsed| parsed.body_html(0)) {
            return unix(&html_to_text(&in_lines(&html)));
        }
        let text = parsed.as_ref().and_then(|parsed| parsed.body_text(0));
        text.map_or_else(|| String::from_utf8_lossy(body).into_owned(), |text| unix(&text))
    }
}

/// Ends of what stands in a line of its own: rows of tables, headings, blocks.
static ROW: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)</(?:tr|table|h[1-6]|div|li|pre|blockquote)\s*>").expect("it is a pattern"));

/// Ends of the cells of a table.
static CELL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)</t[dh]\s*>").expect("it is a pattern"));

/// What the eye sees in different lines and cells, the reader of tags shall not join.
fn in_lines(html: &str) -> String {
    ROW.replace_all(&CELL.replace_all(html, " "), "<br>").into_owned()
}

fn has_tags(body: &[u8]) -> bool {
    let tag = |pair: &[u8]| pair[0] == b'<' && (pair[1] == b'/' || pair[1] == b'!');
    body.windows(2).any(tag)
        || body.to_ascii_lowercase().windows(4).any(|four| matches!(four, b"<br>" | b"<br " | b"<br/"))
}

fn unix(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The parts of `message`, whose lines end with LF, in their order.
pub(crate) fn parts<'a>(message: &Message<'a>) -> Vec<Part<'a>> {
    let mut found = Vec::new();
    collect(message.clone(), "text/plain", 0, &mut found);
    found
}

fn collect<'a>(content: Message<'a>, default: &str, depth: usize, found: &mut Vec<Part<'a>>) {
    if found.len() >= MAX_PARTS {
        return;
    }
    let known = if content.has("Content-Type") { content_type(&content) } else { None };
    let known = known.unwrap_or_else(|| ContentType { kind: default.to_owned(), ..ContentType::default() });
    if depth < MAX_DEPTH && known.kind.starts_with("multipart/") && !known.boundary.is_empty() {
        let inner = split(content.body(), &known.boundary);
        let default = if known.kind == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        if !inner.is_empty() {
            inner.into_iter().for_each(|bytes| collect(Message::parse(bytes), default, depth + 1, found));
            return;
        }
    }
    let kind = if known.kind.starts_with("multipart/") { "text/plain".to_owned() } else { known.kind };
    found.push(Part { kind, content });
}

/// What stands between the boundary lines; at most [`MAX_PARTS`]. The last part may lack its end.
fn split<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let (mut at, mut begin) = (0, None);
    while at < body.len() && parts.len() < MAX_PARTS {
        let next = line_end(body, at);
        let line = trim_ending(&body[at..next]).trim_ascii_end();
        let rest = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_bytes()));
        if let Some(rest @ (b"" | b"--")) = rest {
            if let Some(begin) = begin {
                parts.push(&body[begin..at]);
            }
            begin = rest.is_empty().then_some(next);
            if !rest.is_empty() {
                return parts;
            }
        }
        at = next;
    }
    parts.extend(begin.map(|begin: usize| &body[begin..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(message: &str) -> Vec<(String, String)> {
        parts(&Message::parse(message.as_bytes())).iter().map(|part| (part.kind.clone(), part.text())).collect()
    }

    #[test]
    fn parts_stand_in_one_row() {
        let message = "Content-Type: multipart/mixed; boundary=o\n\npreamble\n--o\nContent-Type: multipart/alternative; \
            boundary=\"i\"\n\n--i\n\nplain\n--i\nContent-Type: text/html\n\n<p>a &lt;b@example.net&gt;</p>\n--i--\n--o\n\
            Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\nQWN0aW9uOiBmYWlsZWQK\n--o\n\
            Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n--o--\nepilogue\n";
        let kinds = kinds(message);
        let names: Vec<_> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(names, ["text/plain", "text/html", "message/delivery-status", "message/rfc822"]);
        assert_eq!(kinds[0].1, "plain\n");
        assert!(kinds[1].1.contains("a <b@example.net>"), "{}", kinds[1].1);
        assert_eq!(kinds[2].1, "Action: failed\n");
    }

    #[test]
    fn what_is_no_multipart_is_one_text() {
        assert_eq!(kinds("A: b\n\nx\n"), [("text/plain".to_owned(), "x\n".to_owned())]);
        for odd in ["multipart/mixed", "multipart/mixed; boundary=never", "multipart/mixed; boundary=\"\"", "rubbish"] {
            assert_eq!(kinds(&format!("Content-Type: {odd}\n\nx\n")), [("text/plain".to_owned(), "x\n".to_owned())]);
        }
    }

    #[test]
    fn a_part_without_its_end_is_read() {
        assert_eq!(kinds("Content-Type: multipart/mixed; boundary=o\n\n--o\n\nx\n").len(), 1);
    }

    #[test]
    fn bombs_are_cut() {
        let deep: String =
            (0..1000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
        assert_eq!(kinds(&deep).len(), 1);
        let many = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(100_000));
        assert_eq!(kinds(&many).len(), MAX_PARTS);
    }
}
