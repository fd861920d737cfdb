//! Addresses as reports write them: with a type, in angle brackets, as xtext, with comments.

/// Octets of the longest address that is kept (RFC 5321 §4.5.3.1.3, and something for what is not ASCII).
const MAX_OCTETS: usize = 320;

/// The address in the value of Original-Recipient or Final-Recipient (RFC 3464 §2.3.1, RFC 6533 §3): `rfc822; <bob@example.net>`.
pub(crate) fn typed(value: &str) -> Option<Typed> {
    let (kind, address) = match value.split_once(';') {
        Some((kind, address)) if !kind.contains('@') => (kind.trim().to_ascii_lowercase(), address),
        // Some programs write the address alone.
        _ => (String::new(), value.split(';').next().unwrap_or_default()),
    };
    let address = bare(address)?;
    Some(Typed { address: if kind == "utf-8" { embedded(&address) } else { address } })
}

/// An address of a report, without its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) address: String,
}

impl Typed {
    /// Read as xtext (RFC 3461 §4), which is what an ORCPT parameter was before a host wrote it into a report; hosts that
    /// forget to decode it are many. Xtext holds no `+` of its own, and writes only `+` and `=` among what is printable; an
    /// address in which anything else would be decoded is none.
    pub(crate) fn decoded(&self) -> String {
        let mut out = String::with_capacity(self.address.len());
        let mut pieces = self.address.split('+');
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            match (piece.strip_prefix("2B"), piece.strip_prefix("3D")) {
                (Some(rest), _) => out.extend(["+", rest]),
                (_, Some(rest)) => out.extend(["=", rest]),
                _ => return self.address.clone(),
            }
        }
        out
    }
}

/// The address alone, from `<bob@example.net>`, `bob@example.net (Bob)` or `"bob"@example.net`; none where there is none.
pub(crate) fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = match text.rsplit_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
        None => text.split(" (").next().unwrap_or_default(),
    };
    let inner = inner.trim().trim_start_matches(['\'', '`', '[', '=', '\\']);
    let inner = inner.strip_prefix("mailto:").or_else(|| inner.strip_prefix("SMTP:")).unwrap_or(inner);
    let inner = inner.trim_end_matches(['\'', ']', ',', ';', ':', '.', '>']);
    if inner.is_empty() || inner.len() > MAX_OCTETS || inner.chars().any(|c| c.is_control()) {
        return None;
    }
    let quoted = inner.starts_with('"');
    if !quoted && inner.contains(char::is_whitespace) {
        return None;
    }
    // RFC 5321 §4.1.1.3: a route in front of the mailbox means nothing.
    let inner = if inner.starts_with('@') { inner.split_once(':')?.1 } else { inner };
    let unquoted = inner.strip_prefix('"').and_then(|rest| rest.rsplit_once("\"@"));
    Some(match unquoted {
        Some((local, domain)) if is_dot_atom(local) => format!("{local}@{domain}"),
        _ => inner.to_owned(),
    })
}

/// It needs no quotes.
fn is_dot_atom(local: &str) -> bool {
    !local.is_empty()
        && local.split('.').all(|atom| {
            !atom.is_empty() && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        })
}

/// RFC 6533 §3: `\x{e4}` is the character of that number.
fn embedded(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    let mut pieces = address.split("\\x{");
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let character = piece.split_once('}').and_then(|(digits, rest)| {
            let number = u32::from_str_radix(digits, 16).ok()?;
            Some((char::from_u32(number).filter(|c| !c.is_control())?, rest))
        });
        match character {
            Some((c, rest)) => {
                out.push(c);
                out.push_str(rest);
            }
            None => out.extend(["\\x{", piece]),
        }
    }
    out
}

/// It has a local part and a domain.
pub(crate) fn is_whole(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_reports_write_them() {
        for (value, address) in [
            ("rfc822; bob@example.net", Some("bob@example.net")),
            ("RFC822;<bob@example.net>", Some("bob@example.net")),
            ("rfc822;bob@example.net (Bob)", Some("bob@example.net")),
            ("bob@example.net", Some("bob@example.net")),
            ("<bob@example.net>; rubbish", Some("bob@example.net")),
            ("rfc822; @relay.example.com:bob@example.net", Some("bob@example.net")),
            ("rfc822; \"bob.b\"@example.net", Some("bob.b@example.net")),
            ("rfc822; \"b b\"@example.net", Some("\"b b\"@example.net")),
            ("rfc822; bob", Some("bob")),
            ("LOCAL; \\bob", Some("bob")),
            ("utf-8; b\\x{f6}b@example.net", Some("b\u{f6}b@example.net")),
            ("utf-8; b\u{f6}b@example.net", Some("b\u{f6}b@example.net")),
            ("utf-8; b\\x{110000}\\x{0}\\x{", Some("b\\x{110000}\\x{0}\\x{")),
            ("rfc822;", None),
            ("rfc822; ", None),
            ("rfc822; no such user here", None),
            ("", None),
            (";", None),
        ] {
            assert_eq!(typed(value).map(|typed| typed.address).as_deref(), address, "{value:?}");
        }
    }

    #[test]
    fn xtext_is_decoded_where_it_is_xtext() {
        for (address, decoded) in [
            ("bob+2Btag@example.net", "bob+tag@example.net"),
            ("bob+3Dx+2By@example.net", "bob=x+y@example.net"),
            ("bob+tag@example.net", "bob+tag@example.net"),
            ("bob+2Btag+x@example.net", "bob+2Btag+x@example.net"),
            ("bob+41@example.net", "bob+41@example.net"),
        ] {
            assert_eq!(Typed { address: address.to_owned() }.decoded(), decoded);
        }
    }
}
