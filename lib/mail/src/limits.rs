//! How large a header section may be, counted before anything keeps its fields.
//!
//! [`Message::parse`](crate::message::Message::parse) holds a record of each field, some fifty octets for one of four, so a message made of nothing but
//! fields would take many times its size in memory at every stage. The scan here keeps nothing.

use std::ops::Range;

use crate::message::{envelope_line, field_name, id_in, line_end, trim_ending};

/// Octets of the largest header section. What mail has in practice stays below a tenth of it; Postfix cuts at 100 KiB.
pub const MAX_HEADER_OCTETS: usize = 1 << 20;

/// The most header fields. What mail has in practice stays below some hundreds, and a hundred Received fields are a loop.
pub const MAX_FIELDS: usize = 10_000;

/// Why the header section of this message is too large, for a log and a reply; none when it is not.
///
/// Sees the same fields as [`Message::parse`](crate::message::Message::parse), in one pass that stops where a limit is passed, without allocation.
pub fn excess(bytes: &[u8]) -> Option<String> {
    walk(bytes, |_, _| {})
}

/// The Message-ID for a log, as [`Message::message_id`](crate::message::Message::message_id) gives it; empty where the header section is
/// too large to be read.
///
/// In the same one pass: it is asked for at every step of an entry.
pub fn message_id(bytes: &[u8]) -> String {
    let (mut value, mut is_open) = (None::<Range<usize>>, false);
    let excess = walk(bytes, |name, line| match (name, &mut value) {
        (Some((name, colon)), None) if name.eq_ignore_ascii_case("Message-ID") => {
            value = Some(line.start + colon + 1..line.end);
            is_open = true;
        }
        (None, Some(value)) if is_open => value.end = line.end,
        _ => is_open = false,
    });
    value.filter(|_| excess.is_none()).map(|value| id_in(&bytes[value])).unwrap_or_default()
}

/// Goes through the lines of the header section. `see` gets each without its ending: of the first line of a field its name and
/// where its colon stands.
fn walk(bytes: &[u8], mut see: impl FnMut(Option<(&str, usize)>, Range<usize>)) -> Option<String> {
    let start = envelope_line(bytes);
    let (mut at, mut fields) = (start, 0_usize);
    loop {
        let next = line_end(bytes, at);
        let line = trim_ending(&bytes[at..next]);
        let name = match line.first() {
            None => return None,
            Some(b' ' | b'\t') if fields > 0 => None,
            _ => Some(field_name(line)?),
        };
        fields += usize::from(name.is_some());
        if next - start > MAX_HEADER_OCTETS {
            return Some(format!("its header section has more than {MAX_HEADER_OCTETS} octets"));
        }
        if fields > MAX_FIELDS {
            return Some(format!("it has more than {MAX_FIELDS} header fields"));
        }
        see(name, at..at + line.len());
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Message;

    #[test]
    fn ten_thousand_fields_are_taken_and_one_more_is_not() {
        let fields = |number: usize| format!("{}\r\nA: body\r\n", "A:\r\n".repeat(number));
        assert_eq!(excess(fields(MAX_FIELDS).as_bytes()), None);
        let why = excess(fields(MAX_FIELDS + 1).as_bytes()).unwrap();
        assert!(why.contains("10000"), "{why}");
        // The body is not looked at, whatever it looks like.
        assert_eq!(excess(format!("A: 1\r\n\r\n{}", "A:\r\n".repeat(MAX_FIELDS + 1)).as_bytes()), None);
    }

    #[test]
    fn a_mebibyte_of_header_is_taken_and_one_octet_more_is_not() {
        let one = |octets: usize| format!("A:{}\r\n\r\nbody", "x".repeat(octets - "A:\r\n".len()));
        assert_eq!(excess(one(MAX_HEADER_OCTETS).as_bytes()), None);
        assert!(excess(one(MAX_HEADER_OCTETS + 1).as_bytes()).is_some());
        let folded = format!("A: 1\r\n{}\r\nbody", " x\r\n".repeat(MAX_HEADER_OCTETS / 4));
        assert!(excess(folded.as_bytes()).is_some(), "continuations count");
        assert_eq!(excess(&vec![b'x'; 2 * MAX_HEADER_OCTETS]), None, "a body without header fields");
    }

    #[test]
    fn the_id_is_read_only_where_the_header_section_may_be() {
        assert_eq!(message_id(b"Message-ID: <1@example.net>\r\n\r\n"), "1@example.net");
        let bomb = format!("Message-ID: <1@example.net>\r\n{}\r\n", "A:\r\n".repeat(MAX_FIELDS));
        assert_eq!(message_id(bomb.as_bytes()), "");
    }

    #[test]
    fn it_is_the_id_that_is_parsed() {
        for message in [
            "",
            "\r\n",
            "Subject: 1\r\n\r\nMessage-ID: <body@example.net>\r\n",
            "Message-ID:\r\n <1@example.net>\r\nSubject: x\r\n y\r\n\r\n",
            "MESSAGE-id : <1@example.net>\nMessage-ID: <2@example.net>\n\t<3@example.net>\n\n",
            "Message-ID:\n\n",
            "Message-ID: <1@exam\r\n ple.net>",
            "Message-ID: \r\nA: 1\r\n <2@example.net>\r\n",
            "From x\nMessage-ID: 1@example.net",
        ] {
            assert_eq!(message_id(message.as_bytes()), Message::parse(message.as_bytes()).message_id(), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn it_counts_the_fields_that_are_parsed(lines in proptest::collection::vec(prop_oneof![
            Just("A: 1\r\n"), Just(" x\r\n"), Just("\r\n"), Just("no field\r\n"), Just("From x\n"), Just("B:\n"), Just(" : x\r\n"),
        ], 0..8), front in any::<bool>()) {
            // As many fields in front, or behind, as make the parsed ones decide.
            let many = "A:\r\n".repeat(MAX_FIELDS - 3);
            let text = if front { lines.concat() + &many } else { many + &lines.concat() };
            let parsed = Message::parse(text.as_bytes()).fields().len();
            prop_assert_eq!(excess(text.as_bytes()).is_some(), parsed > MAX_FIELDS);
        }
    }
}
