//! A message inside a message of our own: behind our text, byte for byte.
//!
//! mail-builder would encode it, which RFC 2046 §5.2.1 does not allow, and would draw the boundary from the clock; so the
//! two parts are put together here.

use std::borrow::Cow;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::message::Message;

/// A message of more octets than this is shown by its header fields alone.
const MAX_MESSAGE: usize = 128 * 1024;

/// Octets of header fields where they stand alone; those that do not fit are left out.
const MAX_FIELDS: usize = 32 * 1024;

/// RFC 5322 §2.1.1, without the CRLF.
const MAX_LINE: usize = 998;

/// From Content-Type on: a body of two parts, `text` (a whole part, with the fields of its own) and `message`.
///
/// `message` is there unchanged. One that may not travel so, because it is long, or because its lines are not such as
/// RFC 5322 asks for, is there by its header fields (RFC 6522 §4).
pub(crate) fn mixed(text: &[u8], message: &[u8]) -> Vec<u8> {
    let (kind, name, content) = if may_travel(message) {
        ("message/rfc822", "post.eml", Cow::Borrowed(message))
    } else {
        ("text/rfc822-headers", "post-headers.txt", Cow::Owned(fields(message)))
    };
    let boundary = boundary(text, &content);
    // RFC 2045 §6.4: the encoding of the whole is at least that of its parts, and for both it may only be one of these.
    let encoding = if content.is_ascii() { "7bit" } else { "8bit" };
    let mut body = format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n\
         --{boundary}\r\n"
    )
    .into_bytes();
    body.extend_from_slice(text);
    let head = format!(
        "\r\n--{boundary}\r\n\
         Content-Type: {kind}\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(&content);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body
}

/// It is not too long, and each host on the way takes its lines as they are.
fn may_travel(message: &[u8]) -> bool {
    message.len() <= MAX_MESSAGE
        && message.split_inclusive(|byte| *byte == b'\n').all(|line| match line.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").is_some_and(is_line),
            None => is_line(line),
        })
}

fn is_line(line: &[u8]) -> bool {
    line.len() <= MAX_LINE && !line.contains(&b'\r') && !line.contains(&0)
}

/// The header fields that may travel, each whole, in their order.
fn fields(message: &[u8]) -> Vec<u8> {
    let message = Message::parse(message);
    let mut kept = Vec::new();
    for field in message.fields() {
        let raw = message.bytes().get(field.range.clone()).unwrap_or_default();
        let lines = raw.strip_suffix(b"\n").unwrap_or(raw).split(|byte| *byte == b'\n');
        let lines: Vec<&[u8]> = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
        if kept.len() + raw.len() <= MAX_FIELDS && lines.iter().all(|line| is_line(line)) {
            kept.extend_from_slice(&lines.join(&b"\r\n"[..]));
            kept.extend_from_slice(b"\r\n");
        }
    }
    kept
}

/// A boundary that is in neither part, the same each time. `=_` stands in no encoded text (RFC 2045 §6.7).
fn boundary(text: &[u8], content: &[u8]) -> String {
    let digest = |count: u32| Sha256::new().chain_update(count.to_be_bytes()).chain_update(text).chain_update(content);
    let candidates = (0..=u32::MAX).map(|count| {
        let digits = BASE32_NOPAD.encode(&digest(count).finalize()[..15]);
        format!("=_{}", digits.to_ascii_lowercase())
    });
    let absent = |boundary: &String| {
        [text, content].iter().all(|part| !part.windows(boundary.len()).any(|window| window == boundary.as_bytes()))
    };
    candidates.into_iter().find(absent).expect("no two parts hold four thousand million boundaries")
}

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nlook at this\r\n";

    /// Media type and octets of the second part, as a parser that we did not write reads them.
    fn second(message: &[u8]) -> (String, Vec<u8>) {
        let whole = [b"MIME-Version: 1.0\r\n".to_vec(), mixed(TEXT, message)].concat();
        assert_eq!(whole, [b"MIME-Version: 1.0\r\n".to_vec(), mixed(TEXT, message)].concat(), "the same each time");
        let parsed = MessageParser::default().parse(&whole).unwrap();
        let part = parsed.part(2).unwrap();
        let kind = part.content_type().unwrap();
        let range = usize::try_from(part.raw_body_offset()).unwrap()..usize::try_from(part.raw_end_offset()).unwrap();
        (format!("{}/{}", kind.ctype(), kind.subtype().unwrap()), whole[range].to_vec())
    }

    #[test]
    fn a_message_is_there_byte_for_byte() {
        let long = format!("A: b\r\n\r\n{}", "line\r\n".repeat(20_000));
        for message in [
            "From: bob@example.net\r\nSubject: x\r\n\r\nbody\r\n",
            "From: bob@example.net\r\n\r\nno line ending",
            "From: bob@example.net\r\n\r\nbl\u{e4}ttern\r\n",
            "From: bob@example.net\r\nContent-Type: multipart/mixed; boundary=\"=_\"\r\n\r\n--=_\r\n\r\nx\r\n--=_--\r\n",
            "From: bob@example.net\r\n\r\n\r\n\r\n",
            &long,
        ] {
            let (kind, content) = second(message.as_bytes());
            assert_eq!(kind, "message/rfc822");
            assert!(content == message.as_bytes(), "{message:?}: {:?}", String::from_utf8_lossy(&content));
        }
    }

    #[test]
    fn eight_bits_are_said_and_nothing_is_encoded() {
        let of = |message: &[u8]| String::from_utf8_lossy(&mixed(TEXT, message)).into_owned();
        let plain = of(b"A: b\r\n\r\nx\r\n");
        assert_eq!(plain.matches("Content-Transfer-Encoding: 7bit\r\n").count(), 2, "{plain}");
        let octets = of(b"A: b\r\n\r\n\xff\xfe\r\n");
        assert_eq!(octets.matches("Content-Transfer-Encoding: 8bit\r\n").count(), 2, "{octets}");
    }

    #[test]
    fn what_may_not_travel_is_there_by_its_fields() {
        let long = format!("From: bob@example.net\r\n\r\n{}", "line\r\n".repeat(22_000));
        let line = format!("From: bob@example.net\r\n\r\n{}\r\n", "x".repeat(999));
        for message in [
            long.as_bytes(),
            line.as_bytes(),
            b"From: bob@example.net\r\n\r\na\rb\r\n",
            b"From: bob@example.net\r\n\r\na\nb\r\n",
            b"From: bob@example.net\n\nbody\n",
            b"From: bob@example.net\r\n\r\nends in\r",
            b"From: bob@example.net\r\n\r\n\0\r\n",
        ] {
            let (kind, content) = second(message);
            assert_eq!((kind.as_str(), content.as_slice()), ("text/rfc822-headers", &b"From: bob@example.net\r\n"[..]));
        }
        let most = format!("A: b\r\n\r\n{}\r\n", "x".repeat(998));
        assert_eq!(second(most.as_bytes()).0, "message/rfc822");
    }

    #[test]
    fn fields_that_may_not_travel_are_left_out() {
        let message = format!(
            "A: 1\r\n 2\r\nB: x\ry\r\nC: \0\r\nD: {}\r\nE: {}\r\nF: 3\nG: \u{e4}\r\n\r\nbody\n",
            "x".repeat(999),
            "x\r\n ".repeat(20_000)
        );
        assert_eq!(fields(message.as_bytes()), "A: 1\r\n 2\r\nF: 3\r\nG: \u{e4}\r\n".as_bytes());
        let many = "Field: value\r\n".repeat(100_000);
        assert!(fields(many.as_bytes()).len() <= MAX_FIELDS);
        assert_eq!(fields(b"no field\n"), b"");
        assert_eq!(fields(b""), b"");
    }

    #[test]
    fn a_message_that_holds_its_boundary_gets_another() {
        let first = boundary(b"", b"x");
        assert!(first.starts_with("=_") && first.len() == 26, "{first}");
        let mut message = b"x".to_vec();
        for _ in 0..8 {
            let next = boundary(b"", &message);
            assert!(!String::from_utf8_lossy(&message).contains(&next));
            message.extend_from_slice(next.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn every_message_is_there(octets in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'-'), Just(b'='), any::<u8>()], 0..300)) {
            // Seen without a parser: each has its own idea of where such a message begins.
            let body = mixed(TEXT, &octets);
            let content = if may_travel(&octets) { octets } else { fields(&octets) };
            prop_assert!(may_travel(&content));
            let end = format!("\r\n--{}--\r\n", boundary(TEXT, &content));
            let before = body.strip_suffix(end.as_bytes()).and_then(|body| body.strip_suffix(content.as_slice()));
            prop_assert!(before.is_some_and(|before| before.ends_with(b"\r\n\r\n")));
        }
    }
}
