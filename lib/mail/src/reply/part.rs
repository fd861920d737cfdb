//! The first text of a message, found and decoded without looking at more than is needed.
//!
//! Parts are found by their boundary lines, in one pass, so that neither the size of attachments nor the depth of nesting
//! matters. Messages in messages are not looked into: what stands there, somebody else wrote.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::plain::Flow;
use crate::message::Message;
use crate::mime::{ContentType, content_type, transfer_encoding};

/// Octets of a decoded text that are looked at.
const MAX_TEXT: usize = 256 << 10;

/// Octets of an encoded text that are looked at: quoted-printable writes three for one, and line breaks.
const MAX_ENCODED: usize = 4 * MAX_TEXT;

/// Octets of the header section of a part.
const MAX_HEADER: usize = 64 << 10;

/// Parts that are looked at, and multiparts within each other.
const MAX_PARTS: usize = 100;
const MAX_NESTED: usize = 16;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// text/plain
    Plain(Flow),
    /// text/html
    Html,
}

/// A decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// What it is.
    pub(super) kind: Kind,
    /// Its beginning.
    pub(super) text: String,
    /// Not all of it is there.
    pub(super) cut: bool,
}

/// The first text/plain part in which something stands; where HTML comes before it that is no alternative of it, the HTML.
pub(super) fn first(message: &Message<'_>) -> Option<Text> {
    let mut search = Search::default();
    let body = message.body();
    if search.begin(message) {
        search.end(body);
        return search.result();
    }
    if search.multiparts.is_empty() {
        return None;
    }
    let mut place = Place::Between;
    let (mut at, mut parts) = (0, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let next = at + line.len();
        if let Some((level, closes)) = search.boundary(line) {
            if let Place::Body(from) = place {
                search.end(&body[from..at]);
            }
            parts += 1;
            if search.plain.is_some() || parts > MAX_PARTS {
                return search.result();
            }
            search.multiparts.truncate(if closes { level } else { level + 1 });
            place = if closes { Place::Between } else { Place::Header(next) };
        } else if let Place::Header(from) = place
            && line.trim_ascii_end().is_empty()
        {
            let header = body[from..at].get(..MAX_HEADER).unwrap_or(&body[from..at]);
            place = if search.begin(&Message::parse(header)) { Place::Body(next) } else { Place::Between };
        }
        at = next;
    }
    if let Place::Body(from) = place {
        search.end(&body[from..]);
    }
    search.result()
}

/// Where in a multipart a line stands; with the offset at which that began.
#[derive(Debug, Clone, Copy)]
enum Place {
    Header(usize),
    Body(usize),
    /// In a preamble, an epilogue, or a part that is no text.
    Between,
}

/// A multipart that is open.
#[derive(Debug)]
struct Multipart {
    boundary: String,
    /// For multipart/alternative, its number.
    alternative: Option<usize>,
}

/// What is known of a text before its body.
#[derive(Debug)]
struct Leaf {
    kind: Kind,
    charset: String,
    encoding: String,
}

#[derive(Debug, Default)]
struct Search {
    multiparts: Vec<Multipart>,
    alternatives: usize,
    leaf: Option<Leaf>,
    plain: Option<Text>,
    /// The first HTML, and the alternative that it is in.
    html: Option<(Text, Option<usize>)>,
}

impl Search {
    /// A part with these fields begins. True when it is a text whose body matters.
    fn begin(&mut self, fields: &Message<'_>) -> bool {
        let attached = |value: String| value.to_ascii_lowercase().starts_with("attachment");
        let Some(found) = content_type(fields) else { return false };
        if fields.raw("Content-Disposition").any(attached) {
            return false;
        }
        let kind = match found.kind.as_str() {
            "text/plain" => Kind::Plain(flow(&found)),
            "text/html" => Kind::Html,
            // RFC 2046 §5.1.5: the parts of a digest are messages of others.
            "multipart/digest" => return false,
            kind => {
                if kind.starts_with("multipart/") && !found.boundary.is_empty() && self.multiparts.len() < MAX_NESTED {
                    self.alternatives += 1;
                    let alternative = (kind == "multipart/alternative").then_some(self.alternatives);
                    self.multiparts.push(Multipart { boundary: found.boundary, alternative });
                }
                return false;
            }
        };
        self.leaf = Some(Leaf { kind, charset: found.charset, encoding: transfer_encoding(fields) });
        true
    }

    /// The text that began has this body.
    fn end(&mut self, body: &[u8]) {
        let Some(leaf) = self.leaf.take() else { return };
        let within = |number: usize| self.multiparts.iter().any(|multipart| multipart.alternative == Some(number));
        let wanted = match &self.html {
            None => true,
            Some((_, alternative)) => leaf.kind != Kind::Html && alternative.is_some_and(within),
        };
        if !wanted || self.plain.is_some() {
            return;
        }
        let text = decoded(body, &leaf);
        if text.text.trim().is_empty() {
            return;
        }
        if leaf.kind == Kind::Html {
            let alternative = self.multiparts.iter().rev().find_map(|multipart| multipart.alternative);
            self.html = Some((text, alternative));
        } else {
            self.plain = Some(text);
        }
    }

    /// Which multipart this line is a boundary of, counted from the outermost, and whether it closes it (RFC 2046 §5.1.1).
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let words = line.strip_prefix(b"--")?.trim_ascii_end();
        self.multiparts.iter().enumerate().rev().find_map(|(level, multipart)| {
            match words.strip_prefix(multipart.boundary.as_bytes())? {
                b"" => Some((level, false)),
                b"--" => Some((level, true)),
                _ => None,
            }
        })
    }

    fn result(self) -> Option<Text> {
        self.plain.or(self.html.map(|(text, _)| text))
    }
}

fn flow(found: &ContentType) -> Flow {
    if found.format == "flowed" { Flow::Flowed { delsp: found.delsp == "yes" } } else { Flow::Fixed }
}

/// The text of a body, as far as it is looked at. What does not decode is taken as it stands.
fn decoded(body: &[u8], leaf: &Leaf) -> Text {
    let raw = body.get(..MAX_ENCODED).unwrap_or(body);
    let mut bytes = match leaf.encoding.as_str() {
        "base64" => base64(raw),
        "quoted-printable" => quoted_printable(raw),
        _ => raw.to_vec(),
    };
    let cut = raw.len() < body.len() || bytes.len() > MAX_TEXT;
    bytes.truncate(MAX_TEXT);
    Text { kind: leaf.kind, text: characters(&bytes, &leaf.charset), cut }
}

fn base64(raw: &[u8]) -> Vec<u8> {
    // RFC 2045 §6.8: what is not in the alphabet is ignored.
    let digits = raw.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    base64_decode(&digits.collect::<Vec<u8>>()).unwrap_or_default()
}

fn quoted_printable(raw: &[u8]) -> Vec<u8> {
    let lines = raw.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| quoted_printable_decode(line).unwrap_or_else(|| line.to_vec())).collect()
}

/// The octets as text. Without a charset, or with ASCII and more octets than it has: UTF-8 when it is, else windows-1252.
fn characters(bytes: &[u8], charset: &str) -> String {
    let vague = ["", "us-ascii", "ascii", "utf-8", "utf8"].contains(&charset);
    if vague && let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let charset = if ["", "us-ascii", "ascii"].contains(&charset) { "windows-1252" } else { charset };
    match charset_decoder(charset.as_bytes()) {
        Some(decode) => decode(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> Option<(Kind, String)> {
        let message = message.replace('\n', "\r\n");
        first(&Message::parse(message.as_bytes()))
            .map(|text| (text.kind, text.text.replace("\r\n", "\n").trim().to_owned()))
    }

    fn plain(message: &str) -> String {
        text(message).map(|(_, text)| text).unwrap_or_default()
    }

    /// A multipart of this subtype whose parts are each Content-Type and body.
    fn multipart(subtype: &str, boundary: &str, parts: &[(&str, &str)]) -> String {
        let parts = parts.iter().map(|(kind, body)| format!("--{boundary}\nContent-Type: {kind}\n\n{body}\n"));
        format!(
            "multipart/{subtype}; boundary={boundary}\n\npreamble\n{}--{boundary}--\nepilogue\n",
            parts.collect::<String>()
        )
    }

    #[test]
    fn a_text_is_decoded() {
        for (fields, body, expected) in [
            ("", "a 1", "a 1"),
            (
                "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable",
                "gr=FC=\nn",
                "grün",
            ),
            ("Content-Transfer-Encoding: quoted-printable", "a=3Db\nc =zz\n=", "a=b\nc =zz"),
            ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: BASE64", "Z3LDv\nG4=!", "grün"),
            ("Content-Type: text/plain; charset=iso-2022-jp", "\u{1b}$B>5G'\u{1b}(B", "承認"),
            ("Content-Type: text/plain; charset=no-such", "a 1", "a 1"),
            ("Content-Type: text/plain; charset=us-ascii", "grün", "grün"),
            ("Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64", "/v8AYQAx", "a1"),
        ] {
            let fields = if fields.is_empty() { String::new() } else { format!("{fields}\n") };
            assert_eq!(plain(&format!("{fields}\n{body}")), expected, "{fields}");
        }
        let latin = Message::parse(b"Subject: x\r\n\r\ngr\xfcn");
        assert_eq!(first(&latin).unwrap().text, "grün");
    }

    #[test]
    fn which_text_is_the_first() {
        let (text_part, html_part) = (("text/plain", "plain"), ("text/html", "<p>html"));
        let attached = ("text/plain\nContent-Disposition: attachment", "attached");
        let of = |kind: &str| text(&format!("Content-Type: {kind}")).map(|(_, text)| text).unwrap_or_default();
        assert_eq!(of(&multipart("alternative", "b", &[text_part, html_part])), "plain");
        assert_eq!(of(&multipart("alternative", "b", &[html_part, text_part])), "plain");
        assert_eq!(of(&multipart("alternative", "b", &[("text/plain", " \n"), html_part])), "<p>html");
        assert_eq!(of(&multipart("mixed", "b", &[html_part, ("text/plain", "footer")])), "<p>html");
        assert_eq!(of(&multipart("mixed", "b", &[attached, ("image/png", "x"), text_part])), "plain");
        assert_eq!(of(&multipart("mixed", "b", &[("message/rfc822", "A: 1\n\nother"), text_part])), "plain");
        assert_eq!(of(&multipart("digest", "b", &[text_part])), "");
        let inner = multipart("alternative", "b2", &[html_part, text_part]);
        let (kind, body) = inner.split_once("\n\n").unwrap();
        for outer in ["mixed", "signed", "related"] {
            assert_eq!(of(&multipart(outer, "b", &[(kind, body), ("text/plain", "footer")])), "plain", "{outer}");
        }
        assert_eq!(of("multipart/mixed; boundary=b\n\n--b\n\nno fields\n"), "no fields", "a part may have no end");
        assert_eq!(of("multipart/mixed; boundary=b\n\n--b\nA: 1\n--b\n\nsecond\n"), "second");
        assert_eq!(of("multipart/mixed\n\nno boundary"), "");
        assert_eq!(of("image/png\n\nx"), "");
    }

    #[test]
    fn how_a_text_flows() {
        let kind = |kind: &str| text(&format!("Content-Type: text/plain; {kind}\n\nx")).unwrap().0;
        assert_eq!(kind("format=fixed"), Kind::Plain(Flow::Fixed));
        assert_eq!(kind("format=Flowed"), Kind::Plain(Flow::Flowed { delsp: false }));
        assert_eq!(kind("format=flowed; DelSp=Yes"), Kind::Plain(Flow::Flowed { delsp: true }));
    }
}
