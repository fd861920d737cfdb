//! Line endings: whatever a message's lines end with, they are read as ending with LF.

use std::borrow::Cow;

/// Octets that are looked at. What a bounce says stands in front of the message that it returns.
pub(crate) const MAX_OCTETS: usize = 512 * 1024;

/// The first [`MAX_OCTETS`] with each of CRLF, LF, and CR alone as LF. Where CR stand before an LF they are one ending with it.
pub(crate) fn unix(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = &bytes[..bytes.len().min(MAX_OCTETS)];
    if !bytes.contains(&b'\r') {
        return Cow::Borrowed(bytes);
    }
    let mut lines = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\r') {
        lines.extend_from_slice(&rest[..at]);
        let behind = rest[at..].iter().position(|byte| *byte != b'\r').map_or(rest.len(), |length| at + length);
        if rest.get(behind) != Some(&b'\n') {
            lines.resize(lines.len() + (behind - at), b'\n');
        }
        rest = &rest[behind..];
    }
    lines.extend_from_slice(rest);
    Cow::Owned(lines)
}

/// `text` in one line of at most `octets`, without control characters and double spaces.
pub(crate) fn one_line(text: &str, octets: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if line.len() + 1 + word.len() > octets {
            let room = octets.saturating_sub(line.len() + 1);
            let end = (0..=room.min(word.len())).rev().find(|end| word.is_char_boundary(*end)).unwrap_or(0);
            if end > 0 {
                line.push(' ');
                line.push_str(&word[..end]);
            }
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_with_lf() {
        for (bytes, lines) in [
            ("a\nb\n", "a\nb\n"),
            ("a\r\nb\r\n\r\nc", "a\nb\n\nc"),
            ("a\rb\r\rc\r", "a\nb\n\nc\n"),
            ("a\r\r\nb\r\r\n", "a\nb\n"),
            ("a\rb\r\nc\n", "a\nb\nc\n"),
            ("", ""),
        ] {
            assert_eq!(unix(bytes.as_bytes()), lines.as_bytes(), "{bytes:?}");
        }
        assert_eq!(unix(&vec![b'x'; 2 * MAX_OCTETS]).len(), MAX_OCTETS);
    }

    #[test]
    fn text_is_one_line_of_bounded_length() {
        assert_eq!(one_line("  550\r\n 5.1.1\tno\0such  user ", 100), "550 5.1.1 no such user");
        assert_eq!(one_line("ab cd ef", 5), "ab cd");
        assert_eq!(one_line("ab cdef", 5), "ab cd");
        assert_eq!(one_line("\u{e4}\u{e4}\u{e4}", 4), " \u{e4}".trim_end().to_owned());
        assert!(one_line(&"x".repeat(1000), 10).len() <= 10);
        assert_eq!(one_line("", 10), "");
    }
}
