//! Where a footer goes in the body of a message, and where it must not go.

use data_encoding::{BASE64_MIME, HEXLOWER};
use mail_builder::encoders::quoted_printable::QuotedPrintableEncoder;
use mail_builder::mime::{BodyPart, MimePart};
use mail_parser::decoders::base64::base64_decode;
use sha2::{Digest as _, Sha256};

use crate::field::NewField;
use crate::message::Message;
use crate::mime::{ContentType, content_type, transfer_encoding};

/// How a message takes a footer.
#[derive(Debug)]
pub(crate) enum Change {
    /// Another body; the header section stays.
    Body(Vec<u8>),
    /// The message becomes the first part of a new one: its Content-* fields are in the new body.
    Wrap { content_type: NewField, transfer_encoding: Option<NewField>, body: Vec<u8> },
}

/// Changing these breaks more than a signature of the transport.
const UNTOUCHED: [&str; 7] = [
    "multipart/signed",          // RFC 1847 §2.1
    "multipart/encrypted",       // RFC 1847 §2.2
    "application/pkcs7-mime",    // RFC 8551 §3.2
    "application/x-pkcs7-mime",  // its older name
    "application/pgp",           // before RFC 2015
    "application/pgp-encrypted", // RFC 3156 §4
    "multipart/report",          // RFC 6522: its parts have their places
];

/// Charsets, as prefixes, in which ASCII is written as ASCII. Where the name is another, the footer is a part of its own.
const ASCII_WITHIN: [&str; 14] = [
    "us-ascii",
    "ascii",
    "ansi_x3.4",
    "utf-8",
    "utf8",
    "iso-8859-",
    "iso8859-",
    "windows-125",
    "cp125",
    "koi8-",
    "gb",
    "big5",
    "euc-",
    "macintosh",
];

/// How this message takes `text`; none when it must be left alone.
pub(crate) fn change(message: &Message<'_>, text: &str) -> Option<Change> {
    let kind = content_type(message)?;
    if UNTOUCHED.contains(&kind.kind.as_str()) {
        return None;
    }
    let eol = if first_line_is_bare(message) { "\n" } else { "\r\n" };
    if kind.kind == "text/plain" && !is_attachment(message) {
        if is_inline_pgp(message) {
            return None;
        }
        if let Some(body) = appended(message, &kind, text, eol) {
            return Some(Change::Body(body));
        }
    }
    if kind.kind.starts_with("multipart/") {
        // RFC 2045 §6.4: no other encoding than these; and without a boundary there are no parts.
        let plain = ["7bit", "8bit", "binary"].contains(&transfer_encoding(message).as_str());
        if !plain || kind.boundary.is_empty() {
            return None;
        }
    }
    if kind.kind == "multipart/mixed" {
        return with_part(message.body(), &kind.boundary, text, eol).map(Change::Body);
    }
    Some(wrapped(message, text, eol))
}

/// The body with the footer in its own charset and encoding; none when it does not fit in there.
fn appended(message: &Message<'_>, kind: &ContentType, text: &str, eol: &str) -> Option<Vec<u8>> {
    let known = kind.charset.is_empty() || ASCII_WITHIN.iter().any(|start| kind.charset.starts_with(start));
    let utf8 = matches!(kind.charset.as_str(), "utf-8" | "utf8");
    if !known || !(text.is_ascii() || utf8) {
        return None;
    }
    let lines = lines(text, eol);
    let body = message.body();
    let mut out = body.to_vec();
    match transfer_encoding(message).as_str() {
        "7bit" if !lines.is_ascii() => return None,
        "7bit" | "8bit" | "binary" => {
            end_line(&mut out, eol, kind.format == "flowed");
            out.extend_from_slice(lines.as_bytes());
        }
        "quoted-printable" => {
            end_line(&mut out, eol, kind.format == "flowed");
            // A soft line break at the end would draw the footer into the last line.
            if out
                .strip_suffix(eol.as_bytes())
                .is_some_and(|line| line.trim_ascii_end().ends_with(b"=") && !line.ends_with(b"\n"))
            {
                out.extend_from_slice(eol.as_bytes());
            }
            out.extend_from_slice(quoted_printable(&lines)?.replace("\r\n", eol).as_bytes());
        }
        "base64" => {
            let mut decoded = base64_decode(body)?;
            let eol = if decoded.contains(&b'\n') && !decoded.contains(&b'\r') { "\n" } else { "\r\n" };
            end_line(&mut decoded, eol, kind.format == "flowed");
            decoded.extend_from_slice(self::lines(text, eol).as_bytes());
            out = BASE64_MIME.encode(&decoded).into_bytes();
        }
        _ => return None,
    }
    Some(out)
}

/// The footer's lines, each ended, none with white space at its end (RFC 3676 §4.1 gives that a meaning).
fn lines(text: &str, eol: &str) -> String {
    text.trim_end().lines().map(|line| format!("{}{eol}", line.trim_end())).collect()
}

/// Ends the last line, and the last paragraph of a flowed text (RFC 3676 §4.1).
fn end_line(text: &mut Vec<u8>, eol: &str, flowed: bool) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.extend_from_slice(eol.as_bytes());
    }
    if flowed && text.strip_suffix(eol.as_bytes()).is_some_and(|line| line.ends_with(b" ")) {
        text.extend_from_slice(eol.as_bytes());
    }
}

fn quoted_printable(lines: &str) -> Option<String> {
    let encoded = QuotedPrintableEncoder::new().preserve_line_breaks().encode(lines.as_bytes()).ok()?;
    String::from_utf8(encoded).ok()
}

/// The body of a `multipart/mixed` with one part more at its end; none when it has no part at all.
fn with_part(body: &[u8], boundary: &str, text: &str, eol: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut begun = false;
    let mut close = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let words = line.trim_ascii_end();
        begun |= words == begin.as_bytes();
        if begun && words == end.as_bytes() {
            close = Some(at);
            break;
        }
        at += line.len();
    }
    if !begun {
        return None;
    }
    let (head, tail) = body.split_at(close.unwrap_or(body.len()));
    let mut out = head.to_vec();
    end_line(&mut out, eol, false);
    out.extend_from_slice(format!("{begin}{eol}").as_bytes());
    out.extend_from_slice(&part(text, eol));
    if close.is_none() {
        out.extend_from_slice(format!("{end}{eol}").as_bytes());
    }
    out.extend_from_slice(tail);
    Some(out)
}

/// The message as the first part of a `multipart/mixed`, its body byte for byte.
fn wrapped(message: &Message<'_>, text: &str, eol: &str) -> Change {
    let boundary = boundary(message);
    let mut body = format!("--{boundary}{eol}").into_bytes();
    let content = |name: &str| name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"));
    for field in message.fields().iter().filter(|field| content(field.name)) {
        body.extend_from_slice(&message.bytes()[field.range.clone()]);
        end_line(&mut body, eol, false);
    }
    body.extend_from_slice(eol.as_bytes());
    body.extend_from_slice(message.body());
    body.extend_from_slice(format!("{eol}--{boundary}{eol}").as_bytes());
    body.extend_from_slice(&part(text, eol));
    body.extend_from_slice(format!("--{boundary}--{eol}").as_bytes());
    // RFC 2045 §6.4: the encoding of a multipart is that of its widest part.
    let widest = match transfer_encoding(message).as_str() {
        "binary" => Some("binary"),
        "8bit" => Some("8bit"),
        _ if !body.is_ascii() => Some("8bit"),
        _ => None,
    };
    Change::Wrap {
        content_type: NewField::plain("Content-Type", &format!("multipart/mixed; boundary=\"{boundary}\"")),
        transfer_encoding: widest.map(|widest| NewField::plain("Content-Transfer-Encoding", widest)),
        body,
    }
}

/// The footer as a part: its fields, an empty line, and its lines.
fn part(text: &str, eol: &str) -> Vec<u8> {
    let mut part = Vec::new();
    let lines = BodyPart::Text(lines(text, "\r\n").into());
    MimePart::new("text/plain", lines).inline().write_part(&mut part);
    end_line(&mut part, "\r\n", false);
    if eol == "\r\n" { part } else { String::from_utf8_lossy(&part).replace("\r\n", eol).into_bytes() }
}

/// The same for the same message, and not in it: it derives from the digest of the whole.
fn boundary(message: &Message<'_>) -> String {
    let digest = Sha256::digest(message.bytes());
    format!("=_listmill_{}", HEXLOWER.encode(&digest[..16]))
}

fn first_line_is_bare(message: &Message<'_>) -> bool {
    let bytes = message.bytes();
    bytes.iter().position(|byte| *byte == b'\n').is_some_and(|at| at == 0 || bytes[at - 1] != b'\r')
}

fn is_attachment(message: &Message<'_>) -> bool {
    message.raw("Content-Disposition").any(|value| value.to_ascii_lowercase().starts_with("attachment"))
}

/// RFC 9580 §7: a cleartext signature, or an armoured message, as the text itself.
fn is_inline_pgp(message: &Message<'_>) -> bool {
    let decoded = (transfer_encoding(message) == "base64").then(|| base64_decode(message.body())).flatten();
    let text = decoded.as_deref().unwrap_or(message.body());
    text.split(|byte| *byte == b'\n').any(|line| {
        line.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----") || line.starts_with(b"-----BEGIN PGP MESSAGE-----")
    })
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;
    use crate::decoration::footer;
    use crate::edit::Edit;

    const FOOTER: &str = "____\nTo leave: dev-leave@lists.example.org  \n\n";
    const LINES: &str = "____\r\nTo leave: dev-leave@lists.example.org\r\n";

    fn with(message: &str, text: &str) -> String {
        let parsed = Message::parse(message.as_bytes());
        let out = footer(Edit::new(&parsed), &parsed, text).finish();
        assert_eq!(out, footer(Edit::new(&parsed), &parsed, text).finish(), "the same each time");
        String::from_utf8(out).unwrap()
    }

    /// Header section and body of a message with these Content fields.
    fn mail(fields: &str, body: &str) -> String {
        let fields = fields.replace('\n', "\r\n");
        format!("From: bob@example.net\r\n{fields}MIME-Version: 1.0\r\n\r\n{}", body.replace('\n', "\r\n"))
    }

    /// What a reader sees: the texts of all parts, as another parser reads them.
    fn texts(message: &str) -> Vec<String> {
        let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
        parsed.parts.iter().filter(|part| part.is_text()).map(|part| part.text_contents().unwrap().to_owned()).collect()
    }

    fn untouched(message: &str) {
        assert_eq!(with(message, FOOTER), message);
    }

    #[test]
    fn plain_text_gets_it_appended() {
        for fields in [
            "",
            "Content-Type: text/plain\n",
            "Content-Type: TEXT/Plain; charset=ISO-8859-1\nContent-Transfer-Encoding: 8BIT\n",
        ] {
            assert_eq!(with(&mail(fields, "hello\n"), FOOTER), format!("{}{LINES}", mail(fields, "hello\n")));
            assert_eq!(with(&mail(fields, "hello"), FOOTER), format!("{}{LINES}", mail(fields, "hello\n")));
            assert_eq!(with(&mail(fields, ""), FOOTER), format!("{}{LINES}", mail(fields, "")));
        }
        let bare = mail("", "hello\n").replace("\r\n", "\n");
        assert_eq!(with(&bare, FOOTER), format!("{bare}{}", LINES.replace("\r\n", "\n")));
        untouched(&with(&mail("", "hello\n"), "").replace("hello", "-----BEGIN PGP MESSAGE-----"));
    }

    #[test]
    fn a_flowed_paragraph_is_ended() {
        let flowed = "Content-Type: text/plain; format=flowed\n";
        assert_eq!(with(&mail(flowed, "hello \n"), FOOTER), format!("{}{LINES}", mail(flowed, "hello \n\n")));
        assert_eq!(with(&mail(flowed, "hello\n"), FOOTER), format!("{}{LINES}", mail(flowed, "hello\n")));
    }

    #[test]
    fn quoted_printable_gets_it_encoded() {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n";
        for (body, before) in [
            ("hello =C3=A4\n", "hello ä\n"),
            ("hello", "hello\n"),
            ("soft=\n", "soft\n"),
            ("soft=", "soft\n"),
            ("soft=\n\n", "soft\n"),
        ] {
            let out = with(&mail(fields, body), "a = b ü\n");
            assert!(out.is_ascii() && out.starts_with(&mail(fields, body)), "{out}");
            assert_eq!(texts(&out), [format!("{before}a = b ü\n").replace('\n', "\r\n")], "{body:?}: {out}");
        }
        let long = "x".repeat(200);
        let out = with(&mail(fields, "hello\n"), &long);
        assert!(out.lines().all(|line| line.len() <= 78), "{out}");
        assert_eq!(texts(&out), [format!("hello\r\n{long}\r\n")]);
    }

    #[test]
    fn base64_gets_it_encoded() {
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n";
        for body in ["aGVsbG8=\n", "aGVsbG8NCg==\n", "aGVs\nbG8=", "aGVsbG8NCg=="] {
            let out = with(&mail(fields, body), "a = b ü\n");
            assert_eq!(texts(&out), ["hello\r\na = b ü\r\n"], "{body:?}: {out}");
            assert!(out.lines().all(|line| line.len() <= 78));
        }
        // "hello\n" with a bare LF.
        assert_eq!(texts(&with(&mail(fields, "aGVsbG8K\n"), "x")), ["hello\nx\n"]);
    }

    #[test]
    fn a_text_that_cannot_hold_it_becomes_a_part() {
        for (fields, text) in [
            ("Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n", "ü"),
            ("Content-Type: text/plain; charset=us-ascii\n", "ü"),
            ("Content-Type: text/plain; charset=utf-8\n", "ü"),
            ("Content-Type: text/plain; charset=utf-7\n", "plain"),
            ("Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n", "plain"),
            ("Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n", "plain"),
            ("Content-Type: text/plain\nContent-Transfer-Encoding: base64\n", "plain"),
            ("Content-Type: text/plain\nContent-Disposition: attachment; filename=x.txt\n", "plain"),
            ("Content-Type: text/html; charset=utf-8\n", "plain"),
            ("Content-Type: multipart/alternative; boundary=b\n", "plain"),
            ("Content-Type: multipart/related; boundary=b\n", "ü"),
            ("Content-Type: image/png\nContent-Transfer-Encoding: base64\nContent-ID: <x@example.net>\n", "plain"),
        ] {
            let body = "!\n--b\nContent-Type: text/html\n\n<p>hello</p>\n--b--\n";
            let out = with(&mail(fields, body), text);
            let parsed = Message::parse(out.as_bytes());
            let kind = content_type(&parsed).unwrap();
            assert_eq!(kind.kind, "multipart/mixed", "{out}");
            let crlf = fields.replace('\n', "\r\n");
            let part = format!("\r\n\r\n--{}\r\n{crlf}\r\n{}\r\n--{0}\r\n", kind.boundary, body.replace('\n', "\r\n"));
            assert!(out.contains(&part), "byte for byte: {out}");
            assert!(out.ends_with(&format!("\r\n--{}--\r\n", kind.boundary)), "{out}");
            assert_eq!(parsed.named("MIME-Version").count(), 1);
            assert_eq!(texts(&out).last().unwrap().trim_end(), text, "{out}");
        }
    }

    #[test]
    fn mixed_gets_a_part_more() {
        let fields = "Content-Type: multipart/mixed;\n boundary=\"b c\"\n";
        let head = "preamble\n--b c\n\nhello\n--b c\nContent-Type: image/png\n\n!\n--b cd--\n--b c-\n";
        for (tail, kept) in
            [("--b c--\nepilogue\n--b c--\n", true), ("--b c--", true), ("--b c-- \n", true), ("", false)]
        {
            let before = mail(fields, &format!("{head}{tail}"));
            let out = with(&before, FOOTER);
            let (header, body) =
                mail(fields, head).split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned())).unwrap();
            assert!(out.starts_with(&format!("{header}\r\n\r\n{body}--b c\r\nContent-Type: text/plain")), "{out}");
            let tail = if kept { tail.replace('\n', "\r\n") } else { "--b c--\r\n".to_owned() };
            assert!(out.ends_with(&format!("{LINES}{tail}")), "{out}");
            assert_eq!(texts(&out).first().unwrap(), "hello");
        }
    }

    #[test]
    fn what_is_signed_encrypted_or_not_sure_stays() {
        let body = "--b\n\nhello\n--b--\n";
        for fields in [
            "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"\n",
            "Content-Type: MULTIPART/SIGNED; boundary=b\n",
            "Content-Type: multipart/encrypted; boundary=b\n",
            "Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: base64\n",
            "Content-Type: application/x-pkcs7-mime\n",
            "Content-Type: multipart/report; boundary=b\n",
            "Content-Type: multipart/mixed\n",
            "Content-Type: multipart/mixed; boundary=other\n",
            "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n",
            "Content-Type: multipart/alternative\n",
            "Content-Type: text/plain\nContent-Type: text/html\n",
            "Content-Type: nonsense\n",
            "Content-Type:\n",
        ] {
            untouched(&mail(fields, body));
        }
        for text in
            ["-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhello\n", "Hi\n-----BEGIN PGP MESSAGE-----\n\nxx\n"]
        {
            untouched(&mail("", text));
            let encoded = data_encoding::BASE64.encode(text.as_bytes());
            untouched(&mail("Content-Transfer-Encoding: base64\n", &encoded));
            untouched(&mail("Content-Transfer-Encoding: quoted-printable\n", text));
        }
    }

    #[test]
    fn bombs_are_taken_in_linear_time() {
        let nested: String =
            (0..20_000).map(|n| format!("--b\nContent-Type: multipart/mixed; boundary=b{n}\n\n")).collect();
        let out = with(&mail("Content-Type: multipart/mixed; boundary=b\n", &nested), FOOTER);
        assert!(out.ends_with("--b--\r\n"));
        let long = format!("Content-Type: multipart/mixed; {}\n", "a*0*=b; ".repeat(100_000));
        untouched(&mail(&long, "x"));
    }
}
