//! Reverse-paths and forward-paths (RFC 5321 §4.1.2), as MAIL and RCPT carry them.
//!
//! A path keeps the spelling that it came in: a quoted local part stays quoted, so `"a@b"@example.net` cannot turn
//! into an address at another host. Dots may stand anywhere in a local part; senders with `a..b@` exist, and whether
//! such a recipient exists is for the reception to say.

/// RFC 5321 §4.5.3.1.3: the longest path that must be taken, with its brackets.
const MAX_PATH: usize = 256;

/// What stood between the brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// `<>`
    Null,
    /// `<postmaster>` in any case, and no other word without a domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// `<local@domain>`, without a source route.
    Mailbox(String),
}

/// Reads a path from the start of `text`; returns it with what stands behind it.
///
/// # Errors
/// What is wrong with it, for the client.
pub(crate) fn path(text: &str) -> Result<(Path, &str), &'static str> {
    let inner = text.strip_prefix('<').ok_or("the address must stand in angle brackets")?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Ok((Path::Null, rest));
    }
    let inner = without_route(inner)?;
    if let Some((word, rest)) = inner.split_once('>')
        && word.eq_ignore_ascii_case("postmaster")
    {
        return Ok((Path::Postmaster, rest));
    }
    let at = local_part(inner)?;
    let domain = inner[at..].strip_prefix('@').ok_or("the address has no domain")?;
    let length = domain_part(domain)?;
    let end = at + 1 + length;
    let rest = inner[end..].strip_prefix('>').ok_or("the domain of the address is malformed")?;
    if end + 2 > MAX_PATH {
        return Err("the address is longer than 254 octets");
    }
    Ok((Path::Mailbox(inner[..end].to_owned()), rest))
}

/// RFC 5321 §3.6.1 and appendix C: a source route is taken and not followed.
fn without_route(text: &str) -> Result<&str, &'static str> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    let malformed = "the source route of the address is malformed";
    let (route, rest) = text.split_once(':').ok_or(malformed)?;
    let mut hosts = route.split(',');
    let is_host = |host: &str| host.strip_prefix('@').is_some_and(|host| domain_part(host) == Ok(host.len()));
    if hosts.all(is_host) { Ok(rest) } else { Err(malformed) }
}

/// The length of the local part that `text` starts with.
fn local_part(text: &str) -> Result<usize, &'static str> {
    if text.starts_with('"') {
        return quoted(text).ok_or("the quoted local part of the address is malformed");
    }
    let length = text.find(|char| !is_local(char)).unwrap_or(text.len());
    if length == 0 { Err("the address has no local part, or one that must be quoted") } else { Ok(length) }
}

/// The length of the quoted string that `text` starts with (RFC 5321 §4.1.2), with its quotes.
fn quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some(at + 1),
            '\\' => _ = chars.next()?,
            char if char.is_control() => return None,
            _ => {}
        }
    }
    None
}

/// The length of the domain or address literal that `text` starts with (RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3).
fn domain_part(text: &str) -> Result<usize, &'static str> {
    let malformed = "the domain of the address is malformed";
    if let Some(literal) = text.strip_prefix('[') {
        let end = literal.find(']').ok_or(malformed)?;
        let fine = literal[..end].chars().all(|char| matches!(char, '!'..='~') && !matches!(char, '[' | '\\'));
        return if fine && end > 0 { Ok(end + 2) } else { Err(malformed) };
    }
    let length = text.find(|char| !is_domain(char)).unwrap_or(text.len());
    let labels_are_fine = text[..length].split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
    if labels_are_fine && length <= 255 { Ok(length) } else { Err(malformed) }
}

/// RFC 5322 §3.2.3 atext, RFC 6532 §3.2, and the dot.
fn is_local(char: char) -> bool {
    char.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(char) || (!char.is_ascii() && !char.is_control())
}

fn is_domain(char: char) -> bool {
    // Underscores are in no host name, and in names of hosts.
    char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_') || (!char.is_ascii() && !char.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Path {
        Path::Mailbox(text.to_owned())
    }

    #[test]
    fn paths_are_read_in_their_own_spelling() {
        for (text, expected) in [
            ("<>", Path::Null),
            ("<Postmaster>", Path::Postmaster),
            ("<Dev@Lists.example.org>", mailbox("Dev@Lists.example.org")),
            (
                "<dev-bounces+bob=example.net.k7@lists.example.org>",
                mailbox("dev-bounces+bob=example.net.k7@lists.example.org"),
            ),
            ("<@a.example,@b.example:bob@example.net>", mailbox("bob@example.net")),
            ("<\"a b\"@example.net>", mailbox("\"a b\"@example.net")),
            ("<\"a@b>c\\\"\"@example.net>", mailbox("\"a@b>c\\\"\"@example.net")),
            ("<bob@[192.0.2.1]>", mailbox("bob@[192.0.2.1]")),
            ("<bob@[IPv6:2001:db8::1]>", mailbox("bob@[IPv6:2001:db8::1]")),
            ("<jürgen@bücher.example>", mailbox("jürgen@bücher.example")),
            ("<a..b.@example.net>", mailbox("a..b.@example.net")),
        ] {
            assert_eq!(path(text), Ok((expected, "")), "{text}");
        }
        assert_eq!(path("<a@b> SIZE=1"), Ok((mailbox("a@b"), " SIZE=1")));
    }

    #[test]
    fn what_is_no_path_is_refused_with_a_reason() {
        for text in [
            "",
            "bob@example.net",
            "<bob@example.net",
            "<bob>",
            "<@example.net>",
            "<bob@>",
            "<bob@.example>",
            "<bob@example.>",
            "<bob@exa mple.net>",
            "<a b@example.net>",
            "<a@b,c@d>",
            "<a@b@c>",
            "<\"a\\\"@example.net>",
            "<\"a@example.net>",
            "<\"a\"b@example.net>",
            "<bob@[192.0.2.1>",
            "<bob@[]>",
            "<@a.example:>",
            "<@a.example;b:bob@example.net>",
            "<bob@-example.net>",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
        // RFC 5321 §4.5.3.1.3: 256 octets with the brackets, not one more.
        let of = |length: usize| format!("<{}@example.net>", "a".repeat(length - "<@example.net>".len()));
        assert!(path(&of(256)).is_ok());
        assert!(path(&of(257)).is_err());
    }
}
