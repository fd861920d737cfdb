//! Address lists (RFC 5322 §3.4) read with patience: whom To and Cc name.
//!
//! In one pass and one mailbox at a time, because a To field may name a million. Who *wrote* a message is read by a
//! stricter parser, in [`crate::author`].

use crate::rfc2047;

/// The mailboxes of one unfolded value: display name, decoded, and address; members of groups among them.
///
/// What names no address is passed over.
pub(crate) struct Mailboxes<'v> {
    rest: &'v str,
}

impl<'v> Mailboxes<'v> {
    pub(crate) fn new(value: &'v str) -> Self {
        Mailboxes { rest: value }
    }
}

impl Iterator for Mailboxes<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<(String, String)> {
        while !self.rest.is_empty() {
            let mut element = Element::default();
            self.rest = element.read(self.rest);
            if let Some(mailbox) = element.mailbox() {
                return Some(mailbox);
            }
        }
        None
    }
}

/// One element of the list, as far as it has been read.
#[derive(Default)]
struct Element {
    words: String,
    comment: String,
    angle: Option<String>,
}

impl Element {
    /// Reads up to the end of the element and gives back what stands behind it.
    fn read<'v>(&mut self, text: &'v str) -> &'v str {
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                ',' | ';' => return &text[at + 1..],
                // The name of a group.
                ':' => self.words.clear(),
                '"' => quoted(&mut chars, &mut self.words),
                '(' => comment(&mut chars, &mut self.comment),
                '<' => {
                    let address = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '>');
                    let address: String = address.filter(|c| !c.is_whitespace()).collect();
                    self.angle.get_or_insert(address);
                }
                _ => self.words.push(c),
            }
        }
        ""
    }

    fn mailbox(self) -> Option<(String, String)> {
        let (name, address) = match self.angle {
            Some(address) if self.words.trim().is_empty() => (self.comment, address),
            Some(address) => (self.words, address),
            None => (self.comment, self.words.chars().filter(|c| !c.is_whitespace()).collect()),
        };
        // RFC 5322 §4.4: a route in front of the address is passed over.
        let address = address.rsplit_once(':').map_or(address.as_str(), |(_, address)| address);
        address.contains('@').then(|| (rfc2047::decode(name.trim()), crate::field::clean(address).into_owned()))
    }
}

fn quoted(chars: &mut std::str::CharIndices<'_>, out: &mut String) {
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => return,
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            _ => out.push(c),
        }
    }
}

/// Reads to the end of a comment, however deeply others are nested in it.
fn comment(chars: &mut std::str::CharIndices<'_>, out: &mut String) {
    let mut depth = 1_usize;
    while let Some((_, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return,
            ')' => depth -= 1,
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mailboxes;

    fn read(value: &str) -> Vec<(String, String)> {
        Mailboxes::new(value).collect()
    }

    #[test]
    fn address_lists_as_people_write_them() {
        for (value, mailboxes) in [
            ("dev@lists.example.org", &[("", "dev@lists.example.org")][..]),
            (
                "Dev <dev@lists.example.org>, bob@example.net (Bob)",
                &[("Dev", "dev@lists.example.org"), ("Bob", "bob@example.net")],
            ),
            ("\"Liu, Bob\" <bob@example.net>", &[("Liu, Bob", "bob@example.net")]),
            ("=?utf-8?q?B=C3=B6b?= <bob@example.net>", &[("Böb", "bob@example.net")]),
            (
                "friends: a@example.org, B <b@example.org>;, c@example.org",
                &[("", "a@example.org"), ("B", "b@example.org"), ("", "c@example.org")],
            ),
            ("undisclosed-recipients:;", &[]),
            ("<@relay.example.com:bob@example.net>", &[("", "bob@example.net")]),
            ("(one (nested) comment) bob@example.net", &[("one nested comment", "bob@example.net")]),
            ("bob @ example.net", &[("", "bob@example.net")]),
            (",,;,", &[]),
            ("\"never closed <a@example.org>", &[("", "neverclosed<a@example.org>")]),
            ("(never closed <a@example.org>", &[]),
            ("Bob <bob@example.net", &[("Bob", "bob@example.net")]),
            ("", &[]),
        ] {
            let expected: Vec<_> = mailboxes.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect();
            assert_eq!(read(value), expected, "{value:?}");
        }
    }

    #[test]
    fn bombs_are_read_in_linear_time() {
        assert_eq!(read(&"(".repeat(1_000_000)), []);
        assert_eq!(read(&"a@example.org,".repeat(100_000)).len(), 100_000);
        assert_eq!(read(&"<".repeat(1_000_000)), []);
        assert_eq!(read(&";".repeat(1_000_000)), []);
        assert_eq!(read(&"a:".repeat(500_000)), []);
    }
}
