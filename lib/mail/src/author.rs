//! Who wrote a message: exactly one mailbox in exactly one From field, or a doubt.
//!
//! Membership, moderation and bans rest on this answer, so a message is never attributed to an address that another
//! reader of the same bytes (the mail server that evaluated DMARC, a member's mail program) would not see as its author.
//! Hence two parsers read the field, a strict one of ours and mail-parser, and must agree; and a header section that
//! different readers cut up differently names nobody.

use listmill_core::Address;
use listmill_queue_format::Author;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use crate::mailbox::{Mailbox, mailbox};
use crate::message::{Field, Message, unfold};

/// A From field with one mailbox is never longer.
const MAX_OCTETS: usize = 4096;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorship {
    /// This is the author. The address is one that [`listmill_core::Address`] takes.
    Known(Author),
    /// Nobody can be named; why, for a moderator.
    Doubt(String),
}

/// Who wrote this message.
pub fn author(message: &Message<'_>) -> Authorship {
    match known(message) {
        Ok(author) => Authorship::Known(author),
        Err(reason) => Authorship::Doubt(reason),
    }
}

fn known(message: &Message<'_>) -> Result<Author, String> {
    let fields: Vec<&Field<'_>> = message.named("From").collect();
    let field = match fields.as_slice() {
        [] => return Err("there is no From field".to_owned()),
        [field] => *field,
        // RFC 5322 §3.6: exactly one.
        several => return Err(format!("there are {} From fields", several.len())),
    };
    check_header_section(message, field)?;
    let value = message.value(field);
    if value.len() > MAX_OCTETS {
        return Err(format!("the From field is longer than {MAX_OCTETS} octets"));
    }
    let wrong = |reason: String| format!("the From field cannot be relied upon: {reason}");
    let text = std::str::from_utf8(value).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let Mailbox { name, address } = mailbox(&unfold(text.as_bytes())).map_err(wrong)?;
    if second_opinion(text).as_ref() != Some(&address) {
        return Err(wrong("it is read in two ways".to_owned()));
    }
    let address: Address = address.parse().map_err(|error: listmill_core::AddressError| wrong(error.to_string()))?;
    Ok(Author { address: address.to_string(), name, other: Default::default() })
}

/// The one address that mail-parser sees.
fn second_opinion(value: &str) -> Option<String> {
    let line = format!("{value}\n");
    let HeaderValue::Address(mail_parser::Address::List(list)) = MessageStream::new(line.as_bytes()).parse_address()
    else {
        return None;
    };
    match list.as_slice() {
        [one] => one.address().map(str::to_owned),
        _ => None,
    }
}

/// Refuses a header section in which another reader could find another From field, or none.
fn check_header_section(message: &Message<'_>, from: &Field<'_>) -> Result<(), String> {
    let section = message.header_section();
    if message.bytes()[from.range.start..from.value_range.start].len() != "From:".len() {
        return Err("white space stands between From and its colon".to_owned());
    }
    if section.contains(&0) {
        return Err("the header section has a NUL".to_owned());
    }
    let mut endings = (false, false);
    for (at, byte) in section.iter().enumerate() {
        match byte {
            b'\r' if section.get(at + 1) != Some(&b'\n') => {
                return Err("the header section has a carriage return inside a line".to_owned());
            }
            b'\n' if at > 0 && section[at - 1] == b'\r' => endings.0 = true,
            b'\n' => endings.1 = true,
            _ => {}
        }
    }
    if endings == (true, true) {
        return Err("the header section has two kinds of line endings".to_owned());
    }
    // Some readers pass over a line that is no field and take what follows it for fields.
    if message.body_range().start == message.header_range().end && !message.body().is_empty() {
        return Err("the header section is broken off by a line that is no field".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok("name|address")` or `Err(a part of the doubt)`.
    type Row = (&'static [u8], Result<&'static str, &'static str>);

    fn check(message: &[u8], expected: Result<&str, &str>) {
        let shown = String::from_utf8_lossy(message);
        match (author(&Message::parse(message)), expected) {
            (Authorship::Known(author), Ok(expected)) => {
                assert_eq!(format!("{}|{}", author.name, author.address), expected, "{shown}");
            }
            (Authorship::Doubt(doubt), Err(part)) => assert!(doubt.contains(part), "{shown}: {doubt}"),
            (found, expected) => panic!("{shown}: {found:?} where {expected:?} was expected"),
        }
    }

    /// Values of one From field. The victim is alice@example.org, mallory@evil.example wants to pass for her.
    const VALUES: &[Row] = &[
        // People.
        (b"alice@example.org", Ok("|alice@example.org")),
        (b"<alice@example.org>", Ok("|alice@example.org")),
        (b"Alice <alice@example.org>", Ok("Alice|alice@example.org")),
        (b"Alice<alice@example.org>", Ok("Alice|alice@example.org")),
        (b"\"Alice B.\" <alice@example.org>", Ok("Alice B.|alice@example.org")),
        (b"Alice B. Example <alice@example.org>", Ok("Alice B. Example|alice@example.org")),
        (b"\"Example, Alice\" <alice@example.org>", Ok("Example, Alice|alice@example.org")),
        (b"alice@example.org (Alice Example)", Ok("Alice Example|alice@example.org")),
        (b"Alice (at home) <alice@example.org>", Ok("Alice|alice@example.org")),
        (b"=?utf-8?Q?Al=C3=AFce?= Example\r\n <alice@example.org>", Ok("Al\u{ef}ce Example|alice@example.org")),
        (b"=?utf-8?B?QWxp?=\r\n =?utf-8?B?Y2U=?= <alice@example.org>", Ok("Alice|alice@example.org")),
        ("Al\u{ef}ce <alice@example.org>".as_bytes(), Ok("Al\u{ef}ce|alice@example.org")),
        (b"Alice <ALICE@Example.ORG>", Ok("Alice|ALICE@example.org")),
        (b"Alice <alice+tag@example.org>", Ok("Alice|alice+tag@example.org")),
        (b"Alice\r\n\t<alice@example.org>", Ok("Alice|alice@example.org")),
        ("J <j\u{fc}rg@b\u{fc}cher.example>".as_bytes(), Ok("J|j\u{fc}rg@xn--bcher-kva.example")),
        (b"<alice%example.org@evil.example>", Ok("|alice%example.org@evil.example")),
        (b"O'Neil <o'neil@example.org>", Ok("O'Neil|o'neil@example.org")),
        // A name that looks like an address: the addr-spec counts.
        (b"\"alice@example.org\" <mallory@evil.example>", Ok("alice@example.org|mallory@evil.example")),
        (b"\"alice@example.org, \" <mallory@evil.example>", Ok("alice@example.org,|mallory@evil.example")),
        (b"\"<alice@example.org>\" <mallory@evil.example>", Ok("<alice@example.org>|mallory@evil.example")),
        (b"\"Alice <alice@example.org>\" <mallory@evil.example>", Ok("Alice <alice@example.org>|mallory@evil.example")),
        (b"=?utf-8?q?alice=40example=2Eorg?= <mallory@evil.example>", Ok("alice@example.org|mallory@evil.example")),
        (
            b"=?utf-8?q?=3Calice=40example=2Eorg=3E=2C?= <mallory@evil.example>",
            Ok("<alice@example.org>,|mallory@evil.example"),
        ),
        (b"mallory@evil.example (alice@example.org)", Ok("alice@example.org|mallory@evil.example")),
        (
            b"=?utf-8?q?a=0D=0AFrom=3A_alice=40example=2Eorg?= <m@evil.example>",
            Ok("a  From: alice@example.org|m@evil.example"),
        ),
        // Several, or none.
        (b"", Err("empty")),
        (b"   ", Err("empty")),
        (b"Alice", Err("no address")),
        (b"<>", Err("no address")),
        (b"alice@example.org, mallory@evil.example", Err("more than one")),
        (b"alice@example.org,", Err("more than one")),
        (b",alice@example.org", Err("more than one")),
        (b"Example, Alice <alice@example.org>", Err("more than one")),
        (b"<alice@example.org>, <mallory@evil.example>", Err("another address")),
        (b"<mallory@evil.example><alice@example.org>", Err("'<' stands behind")),
        (b"<mallory@evil.example> <alice@example.org>", Err("'<' stands behind")),
        (b"<mallory@evil.example> alice@example.org", Err("something else stands behind")),
        (b"alice@example.org mallory@evil.example", Err("white space")),
        // Groups and routes.
        (b"friends: alice@example.org;", Err("group")),
        (b"friends:;", Err("group")),
        (b"alice@example.org: mallory@evil.example;", Err("group")),
        (b"alice@example.org;", Err("group")),
        (b"<@example.org:mallory@evil.example>", Err("route")),
        (b"<@example.org,@example.net:mallory@evil.example>", Err("more than one")),
        // Addresses in the wrong place.
        (b"alice@example.org <mallory@evil.example>", Err("display name")),
        (b"alice@example.org<mallory@evil.example>", Err("display name")),
        (b"<alice@example.org@evil.example>", Err("two @")),
        (b"alice@example.org@evil.example", Err("two @")),
        (b"\"alice@example.org\"@evil.example", Err("")),
        (b"\"<alice@example.org>\"@evil.example", Err("")),
        (b"=?utf-8?q?alice=40example.org?=", Err("no address")),
        (b"=?utf-8?q?alice?=@example.org", Err("encoded word")),
        (b"<=?utf-8?q?alice=40example.org=3E?=@evil.example>", Err("encoded word")),
        (b"alice@=?utf-8?q?example.org?=", Err("encoded word")),
        (b"alice (c) @example.org", Err("")),
        (b"alice(c)@example.org", Err("comment")),
        (b"alice@(evil.example)example.org", Err("comment")),
        (b"<alice@example.org(>mallory@evil.example)>", Err("comment")),
        (b"alice @ example.org", Err("white space")),
        (b"<alice@example.org >x>", Err("")),
        // What is not closed, not there, or cannot be.
        (b"\"alice@example.org <mallory@evil.example>", Err("quotation is not closed")),
        (b"(alice@example.org <mallory@evil.example>", Err("comment is not closed")),
        (b"((a) <mallory@evil.example>", Err("comment is not closed")),
        (b"Alice <alice@example.org", Err("not closed")),
        (b"Alice alice@example.org>", Err("white space")),
        (b"Alice >alice@example.org<", Err("not closed")),
        (b"<<alice@example.org>>", Err("'>' stands behind")),
        (b"\"a\\\" <mallory@evil.example>", Err("quotation is not closed")),
        (b"alice", Err("no address")),
        (b"alice@", Err("domain")),
        (b"@example.org", Err("local part")),
        (b"alice..b@example.org", Err("local part")),
        (b".alice@example.org", Err("local part")),
        (b"alice@example.org.", Err("domain")),
        (b"alice@.example.org", Err("domain")),
        (b"alice@[192.0.2.1]", Err("square brackets")),
        (b"Alice [x] <alice@example.org>", Err("square brackets")),
        (b"alice\\@example.org", Err("")),
        (b"alice@exa\x00mple.org", Err("NUL")),
        (b"alice@example.org\x00mallory", Err("NUL")),
        (b"alice@example.org\x0b", Err("control")),
        (b"Al\x07ice <alice@example.org>", Err("control")),
        (b"Al\xefce <alice@example.org>", Err("not UTF-8")),
        ("Alice\u{85}<alice@example.org>".as_bytes(), Err("control")),
        ("<alice@\u{ff45}xample.org>".as_bytes(), Err("two ways")),
        ("<alice@example\u{3002}org>".as_bytes(), Err("two ways")),
        ("<alice@example.or\u{24d6}>".as_bytes(), Err("two ways")),
        ("<alice@exam\u{ad}ple.org>".as_bytes(), Err("two ways")),
        (b"alice@example.org\r <mallory@evil.example>", Err("carriage return")),
        (b"alice@example.org\n <mallory@evil.example>", Err("line endings")),
        (b"alice@exa_mple.org", Err("domain")),
    ];

    #[test]
    fn one_from_field_in_its_many_forms() {
        for (value, expected) in VALUES {
            check(
                &[b"Subject: x\r\nFrom: ", *value, b"\r\nTo: dev@lists.example.org\r\n\r\nbody\r\n"].concat(),
                *expected,
            );
        }
    }

    #[test]
    fn a_homoglyph_is_another_address() {
        check("From: <\u{430}lice@example.org>\r\n\r\n".as_bytes(), Ok("|\u{430}lice@example.org"));
        let cyrillic: Address = "\u{430}lice@example.org".parse().unwrap();
        assert_ne!(cyrillic, "alice@example.org".parse().unwrap());
    }

    #[test]
    fn header_sections_that_readers_cut_up_differently() {
        let rows: &[Row] = &[
            (b"To: a@example.org\r\n\r\n", Err("no From")),
            (b"", Err("no From")),
            (b"From: alice@example.org\r\nFrom: mallory@evil.example\r\n\r\n", Err("2 From fields")),
            (b"From: alice@example.org\r\nfrom: alice@example.org\r\n\r\n", Err("2 From fields")),
            (b"From: alice@example.org\r\nFROM : mallory@evil.example\r\n\r\n", Err("2 From fields")),
            (b"From : alice@example.org\r\n\r\n", Err("white space")),
            (b" From: alice@example.org\r\n\r\n", Err("no From")),
            (b"X: y\nFrom: alice@example.org\r\n\r\n", Err("line endings")),
            (b"X: y\rFrom: mallory@evil.example\r\nFrom: alice@example.org\r\n\r\n", Err("carriage return")),
            (b"X: y\x00\r\nFrom: alice@example.org\r\n\r\n", Err("NUL")),
            (b"From: alice@example.org\r\nnot a field\r\nFrom: mallory@evil.example\r\n\r\n", Err("broken off")),
            (b"From: alice@example.org\r\n\r\nFrom: mallory@evil.example\r\n", Ok("|alice@example.org")),
            (b"From: alice@example.org\n\nbody\n", Ok("|alice@example.org")),
            (b"From: alice@example.org", Ok("|alice@example.org")),
            (b"From mallory Mon Jan  1 00:00:00 2024\r\nFrom: alice@example.org\r\n\r\n", Ok("|alice@example.org")),
            (b"Subject: x\r\n From: mallory@evil.example\r\nFrom: alice@example.org\r\n\r\n", Ok("|alice@example.org")),
            (b"Sender: mallory@evil.example\r\nFrom: alice@example.org\r\n\r\n", Ok("|alice@example.org")),
        ];
        for (message, expected) in rows {
            check(message, *expected);
        }
    }

    #[test]
    fn a_bomb_is_a_doubt() {
        for piece in ["(", "\"", "<", "=?utf-8?q?", "a@example.org,", "a.", ",", "\\"] {
            let message = format!("From: {}\r\n\r\n", piece.repeat(1_000_000));
            check(message.as_bytes(), Err("longer than"));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_known_author_is_written_in_the_field(value in "([a-z]{1,3}|[<>@,;:.()\\[\\]\\\\\" ]|=\\?utf-8\\?q\\?[a-z=4029,<>]{1,6}\\?=|a@b\\.example|<c@d\\.example>|ä){0,9}") {
            let message = format!("From: {value}\r\n\r\n");
            if let Authorship::Known(author) = author(&Message::parse(message.as_bytes())) {
                proptest::prop_assert!(value.contains(&author.address) || !value.is_ascii(), "{}: {:?}", value, author);
                // Of two addresses outside quotations and comments, neither is the author.
                let mut outside = value.clone();
                for (open, close) in [('"', '"'), ('(', ')')] {
                    while let Some((before, rest)) = outside.split_once(open) {
                        outside = format!("{before}{}", rest.split_once(close).map_or("", |(_, after)| after));
                    }
                }
                proptest::prop_assert!(outside.matches('@').count() <= 1 || value.contains('\\'), "{}: {:?}", value, author);
            }
        }
    }
}
