//! What a verifier of DKIM signatures (RFC 6376) sees of a message: the fields that a signature names, and the body hash.
//!
//! Written for the tests alone and from the RFC, so that what is tested does not test itself.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

/// One header field, whole: name, colon, value, line ends.
pub type Field<'m> = &'m [u8];

/// The header fields and the body.
pub fn split(message: &[u8]) -> (Vec<Field<'_>>, &[u8]) {
    let mut fields = Vec::new();
    let mut rest = message;
    loop {
        if let Some(body) = rest.strip_prefix(b"\r\n") {
            return (fields, body);
        }
        let mut end = line_end(rest);
        // A line that begins no field ends the header section, and belongs to the body.
        if !begins_field(&rest[..end]) {
            return (fields, rest);
        }
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end += line_end(&rest[end..]);
        }
        fields.push(&rest[..end]);
        rest = &rest[end..];
    }
}

/// RFC 5322 §2.2: printable US-ASCII without the colon, then (in obsolete syntax) white space, then the colon.
fn begins_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn line_end(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|pair| pair == b"\r\n").map_or(bytes.len(), |at| at + 2)
}

/// The name of a field in lower case.
pub fn name(field: Field<'_>) -> String {
    let end = field.iter().position(|byte| *byte == b':').unwrap_or(0);
    String::from_utf8_lossy(&field[..end]).trim().to_ascii_lowercase()
}

/// A DKIM-Signature's tags that matter here.
#[derive(Debug)]
pub struct Signature {
    /// h=, in lower case.
    pub names: Vec<String>,
    body_hash: String,
    relaxed: bool,
    sha256: bool,
    length: Option<usize>,
}

/// The signatures of a message, top down.
pub fn signatures(message: &[u8]) -> Vec<Signature> {
    let (fields, _) = split(message);
    fields.iter().filter(|field| name(field) == "dkim-signature").map(|field| signature(field)).collect()
}

fn signature(field: Field<'_>) -> Signature {
    let text = String::from_utf8_lossy(field).into_owned();
    let value = text.split_once(':').map_or("", |(_, value)| value);
    let tag = |wanted: &str| {
        let found = value.split(';').filter_map(|tag| tag.split_once('=')).find(|(name, _)| name.trim() == wanted);
        found.map(|(_, value)| value.split_whitespace().collect::<String>())
    };
    let canon = tag("c").unwrap_or_default();
    Signature {
        names: tag("h").unwrap_or_default().split(':').map(str::to_ascii_lowercase).collect(),
        body_hash: tag("bh").unwrap_or_default(),
        relaxed: canon.split_once('/').is_some_and(|(_, body)| body == "relaxed"),
        sha256: tag("a").is_some_and(|algorithm| algorithm.ends_with("-sha256")),
        length: tag("l").and_then(|length| length.parse().ok()),
    }
}

impl Signature {
    /// bh= is that of this body.
    pub fn body_hash_holds(&self, body: &[u8]) -> bool {
        let mut body = if self.relaxed { relaxed(body) } else { simple(body) };
        if let Some(length) = self.length {
            body.truncate(length);
        }
        self.sha256 && BASE64.encode(&Sha256::digest(&body)) == self.body_hash
    }
}

/// RFC 6376 §3.4.3: empty lines at the end are one line end.
fn simple(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    while body.ends_with(b"\r\n") {
        body.truncate(body.len() - 2);
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// RFC 6376 §3.4.4: white space at line ends goes, elsewhere it is one space; empty lines at the end go.
fn relaxed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let end = line_end(rest);
        let line = rest[..end].strip_suffix(b"\r\n").unwrap_or(&rest[..end]);
        let start = out.len();
        for byte in line {
            match byte {
                b' ' | b'\t' if out.len() > start && out.last() == Some(&b' ') => {}
                b'\t' => out.push(b' '),
                byte => out.push(*byte),
            }
        }
        if out.len() > start && out.last() == Some(&b' ') {
            out.pop();
        }
        out.extend_from_slice(b"\r\n");
        rest = &rest[end..];
    }
    while out.ends_with(b"\r\n\r\n") {
        out.truncate(out.len() - 2);
    }
    if out == b"\r\n" { Vec::new() } else { out }
}

/// The fields that a signature names, as a verifier picks them (RFC 6376 §5.4.2: from the bottom), as far as `original` has them.
pub fn named<'m>(fields: &[Field<'m>], names: &[String], original: &[Field<'_>]) -> Vec<Field<'m>> {
    let mut picked = Vec::new();
    for wanted in distinct(names) {
        let count = original.iter().filter(|field| name(field) == wanted).count();
        let asked = names.iter().filter(|name| **name == wanted).count();
        picked.extend(fields.iter().rev().filter(|field| name(field) == wanted).take(count.min(asked)));
    }
    picked
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        if !seen.contains(name) {
            seen.push(name.clone());
        }
    }
    seen
}
