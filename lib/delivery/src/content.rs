//! The bytes of a message as they go over the wire.
//!
//! A message leaves byte for byte as it came, with one exception: a bare CR or LF, which no conforming server ever gave us and a
//! foreign runner may have written, becomes CRLF, and a last line without an end gets one. RFC 5321 §2.3.8 forbids to send
//! them, and a receiver that takes them for the end of a line would see another message than the one we sent (SMTP smuggling).

use std::borrow::Cow;

/// The bytes that one write hands to the connection; what is copied at a time.
const BLOCK: usize = 64 * 1024;

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

/// Prefix and message in blocks, without the last CRLF: that is part of the CRLF.CRLF which ends the data.
pub(crate) fn blocks<'a>(prefix: &'a [u8], message: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + Send {
    let (prefix, message) = match message.strip_suffix(b"\r\n") {
        Some(message) => (prefix, message),
        None => (prefix.strip_suffix(b"\r\n").unwrap_or(prefix), message),
    };
    let (head, tail) = message.split_at(BLOCK.saturating_sub(prefix.len()).min(message.len()));
    let first = if prefix.is_empty() { Cow::Borrowed(head) } else { Cow::Owned([prefix, head].concat()) };
    std::iter::once(first).chain(tail.chunks(BLOCK).map(Cow::Borrowed))
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
        fn the_blocks_are_prefix_and_message_without_the_last_line_end(prefix in 0_usize..3, size in prop_oneof![0_usize..10, 65_500_usize..65_600, 131_000_usize..131_200]) {
            let (prefix, message) = (b"X: y\r\n".repeat(prefix), [vec![b'a'; size], b"\r\n".to_vec()].concat());
            let sent: Vec<u8> = blocks(&prefix, &message).flat_map(Cow::into_owned).chain(*b"\r\n").collect();
            prop_assert!(sent == [prefix, message].concat());
        }
    }
}
