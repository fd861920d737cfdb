//! A message as the recognisers see it: the lines that a program wrote, without those of the message that it returns.

use std::sync::LazyLock;

use regex::Regex;

use crate::message::{Message, field_name};

use super::parts::Part;
use super::report::{MAX_HEADER, Original};

/// Lines that are looked at.
const MAX_LINES: usize = 4000;

/// Octets of one line that are looked at.
const MAX_LINE: usize = 1000;

/// Fields that a returned header section has, and a summary of a message in a text for people has not.
const TRAVELLED: [&str; 8] = [
    "received",
    "return-path",
    "message-id",
    "mime-version",
    "dkim-signature",
    "content-type",
    "x-mailer",
    "content-transfer-encoding",
];

/// A message that may be a bounce.
#[derive(Clone)]
pub(crate) struct Letter<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) from: String,
    pub(crate) subject: String,
    /// What the program wrote, in lines joined by LF.
    pub(crate) text: String,
    /// The message that came back, behind that text or in a part of its own.
    pub(crate) original: Option<Original>,
}

impl<'a> Letter<'a> {
    pub(crate) fn new(message: &'a Message<'a>, parts: &[Part<'_>]) -> Self {
        let returned = parts.iter().position(Part::is_original);
        let written = |parts: &[Part<'_>]| {
            let texts = parts.iter().filter(|part| !part.is_original() && (part.is_text() || part.is_report()));
            texts.map(Part::text).collect::<Vec<_>>().join("\n")
        };
        let mut text = written(&parts[..returned.unwrap_or(parts.len())]);
        if text.trim().is_empty() {
            text = written(parts);
        }
        let (text, rest) = without_original(&text);
        let original = original_of(parts).or(rest);
        let from = message.text("From").unwrap_or_default();
        Letter { message, from, subject: message.subject(), text, original }
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }
}

/// The header section of the message that came back in a part of its own.
pub(crate) fn original_of(parts: &[Part<'_>]) -> Option<Original> {
    parts.iter().find(|part| part.is_original()).and_then(|part| header_of(part.content.body()))
}

/// The header section at the beginning of `bytes`, whose lines end with LF.
pub(crate) fn header_of(bytes: &[u8]) -> Option<Original> {
    let bytes = bytes.trim_ascii_start();
    let inner = Message::parse(&bytes[..bytes.len().min(MAX_HEADER)]);
    let header = inner.header_section();
    (!header.is_empty()).then(|| Original { header: header.to_vec() })
}

/// Words above a message that came back.
static ABOVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^[\s>|*=_.~#-]*(?:(?:(?:this is a|below (?:this|the next) line is a|enclosed is a|here is a|the following is a|a) copy of (?:the|your)|(?:the )?(?:original|returned|unsent|undelivered|rejected|bounced|failed|your) (?:message|mail|e-?mail|header|text)(?: text| body| headers?)?(?: \S+){0,3} (?:follows?|is attached|below|begins?)(?-u:\b)|(?:message|mail|copy of)(?: header| text| body| headers| contents)? follows|(?:start|beginning) of (?:the )?(?:original|returned|forwarded|undelivered) (?:message|mail)|(?:returned|original|old) message|original (?:message )?headers?|unsent message(?: follows)?|the headers? of the (?:original|sent|returned) message|(?:mensaje|message) original|ursprüngliche nachricht|il messaggio originale|mensagem original|the original message was sent|message headers?|your message reads|below is the original|included is a copy|a copy of the original|copy of (?:your |the )?(?:original )?message|message included below|contents? of (?:your|the) (?:original )?(?:message|mail)|text of your message|undelivered message|----- message)[^a-z0-9]*(?:\S+ ){0,8}\S*)\s*$",
    )
    .expect("it is a pattern")
});

/// The line says that a message follows.
fn is_above(line: &str) -> bool {
    const WORDS: [&str; 6] = ["essag", "mail", "eader", "copy", "nachricht", "mens"];
    line.len() < 160 && {
        let lower = line.to_lowercase();
        WORDS.iter().any(|word| lower.contains(word)) && ABOVE.is_match(line)
    }
}

/// What stands above the message that is returned in the text itself, and that message's header section.
fn without_original(text: &str) -> (String, Option<Original>) {
    let lines: Vec<&str> = text.lines().take(MAX_LINES).map(cut).collect();
    let end = (0..lines.len()).find(|at| begins_original(&lines, *at)).unwrap_or(lines.len());
    let rest = lines[end..].iter().skip_while(|line| line.trim().is_empty() || is_above(line));
    let rest = rest.copied().map(unquoted).collect::<Vec<_>>().join("\n");
    (lines[..end].join("\n"), header_of(rest.as_bytes()))
}

/// A message comes back at the end of this text.
pub(crate) fn returns(text: &str) -> bool {
    without_original(text).1.is_some()
}

fn cut(line: &str) -> &str {
    let end = (0..=MAX_LINE.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    &line[..end]
}

/// Either the line says so and a header section follows within some lines, or one begins here.
fn begins_original(lines: &[&str], at: usize) -> bool {
    if header_fields(&lines[at..]) {
        return true;
    }
    is_above(lines[at])
        && (1..=4).any(|step| lines.get(at + step).is_some_and(|line| name(line).is_some() || line.trim().is_empty()))
        && at > 0
}

/// At least three header fields in a row, one of which only a message that has travelled has.
fn header_fields(lines: &[&str]) -> bool {
    if lines.first().and_then(|line| name(line)).is_none() {
        return false;
    }
    let (mut fields, mut travelled) = (0, false);
    for line in lines.iter().take(40) {
        match name(line) {
            Some(name) => {
                fields += 1;
                travelled |= TRAVELLED.contains(&name.to_ascii_lowercase().as_str());
            }
            None if unquoted(line).starts_with([' ', '\t']) && !unquoted(line).trim().is_empty() => {}
            None => break,
        }
    }
    fields >= 3 && travelled
}

/// Without the mark that quotes a line.
fn unquoted(line: &str) -> &str {
    line.strip_prefix(['>', '|']).map_or(line, |rest| rest.strip_prefix(' ').unwrap_or(rest))
}

/// The name of the header field that this line begins; not one of a report.
fn name(line: &str) -> Option<&str> {
    let line = unquoted(line);
    let (name, _) = field_name(line.as_bytes())?;
    let letters = name.len() > 1 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let report = ["final-", "original-", "reporting-", "remote-", "diagnostic-", "arrival-", "last-", "received-from-"];
    let lower = name.to_ascii_lowercase();
    let of_report =
        report.iter().any(|start| lower.starts_with(start)) || matches!(lower.as_str(), "action" | "status");
    (letters && !of_report).then_some(name)
}
