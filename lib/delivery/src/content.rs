//! The bytes of a message as they go over the wire.
//!
//! A message leaves byte for byte as it came, with one exception: a bare CR or LF, which no conforming server ever gave us and a
//! foreign runner may have written, becomes CRLF, and a last line without an end gets one. RFC 5321 §2.3.8 forbids to send
//! them, and a receiver that takes them for the end of a line would see another message than the one we sent (SMTP smuggling).

use std::borrow::Cow;

/// Whole lines that end with CRLF, no bare CR or LF; borrowed when they are so already.
pub(crate) fn wire_form(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_wire_form(bytes) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16 + 2);
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let (line, behind) = rest.split_at(end);
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        rest = behind.strip_prefix(b"\r\n").unwrap_or_else(|| &behind[1..]);
    }
    if !rest.is_empty() {
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\r\n");
    }
    Cow::Owned(out)
}

fn is_wire_form(bytes: &[u8]) -> bool {
    let mut before = b'\n';
    for byte in bytes {
        if (*byte == b'\n') != (before == b'\r') {
            return false;
        }
        before = *byte;
    }
    bytes.is_empty() || bytes.ends_with(b"\r\n")
}

/// Whole lines with a dot in front of each that begins with one (RFC 5321 §4.5.2), and how many there are; borrowed when there are none.
pub(crate) fn transparent(lines: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let dots = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'.')).count();
    if dots == 0 {
        return (Cow::Borrowed(lines), 0);
    }
    let mut out = Vec::with_capacity(lines.len() + dots);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    (Cow::Owned(out), dots)
}

/// The lines as they were before.
pub(crate) fn without_transparency(lines: &[u8]) -> Vec<u8> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_bare_changes() {
        for same in ["", "\r\n", "a\r\n", "a\r\n\r\nb\r\n"] {
            assert!(matches!(wire_form(same.as_bytes()), Cow::Borrowed(_)), "{same:?}");
        }
        for (from, to) in [
            ("a", "a\r\n"),
            ("a\n", "a\r\n"),
            ("\n", "\r\n"),
            ("a\rb\r\n", "a\r\nb\r\n"),
            ("a\r", "a\r\n"),
            ("a\r\r\n", "a\r\n\r\n"),
            ("a\n\r", "a\r\n\r\n"),
            ("a\n.\nb\r\n", "a\r\n.\r\nb\r\n"),
            ("a\r\n.\rb", "a\r\n.\r\nb\r\n"),
        ] {
            assert_eq!(wire_form(from.as_bytes()), to.as_bytes(), "{from:?}");
        }
    }

    proptest! {
        #[test]
        fn the_wire_form_is_whole_lines_and_stays_itself(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), Just(b'.')], 0..40)) {
            let wire = wire_form(&bytes).into_owned();
            prop_assert!(is_wire_form(&wire));
            prop_assert_eq!(wire_form(&wire).into_owned(), wire.clone());
            let lines = |bytes: &[u8]| bytes.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
            prop_assert_eq!(lines(&bytes), lines(&wire));
        }

        #[test]
        fn no_line_is_a_lone_dot_and_nothing_is_lost(bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), Just(b'.')], 0..40)) {
            let wire = wire_form(&bytes).into_owned();
            let (sent, dots) = transparent(&wire);
            prop_assert_eq!(sent.len(), wire.len() + dots);
            prop_assert!(sent.split_inclusive(|byte| *byte == b'\n').all(|line| line != b".\r\n"));
            prop_assert_eq!(without_transparency(&sent), wire);
        }
    }
}
