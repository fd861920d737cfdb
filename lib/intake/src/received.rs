//! The trace field that goes on top of a message (RFC 5321 §4.4).

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use listmill_queue_format::{EntryId, Envelope};

/// The Received field of a message that arrived with this envelope, with its final CRLF. It is the reception that puts
/// it on top of the message, because it knows the entry's id.
///
/// `host` is our name. What the client called itself stands there only if it is a domain or an address literal;
/// otherwise `unknown` does. The recipient is named only if it is the only one: the others are nobody's business.
pub fn received_field(envelope: &Envelope, host: &str, id: EntryId, now: Timestamp) -> String {
    let client = envelope.client.clone().unwrap_or_default();
    let helo = if is_host(&client.helo) { client.helo.as_str() } else { "unknown" };
    let address = match client.address.parse::<IpAddr>() {
        // RFC 5321 §4.1.3
        Ok(IpAddr::V4(address)) => format!("([{address}])"),
        Ok(IpAddr::V6(address)) => format!("([IPv6:{address}])"),
        Err(_) => "(local)".to_owned(),
    };
    let protocol = protocol(&client.protocol, envelope.smtputf8);
    let date = date(now);
    let recipient = match envelope.recipients.as_slice() {
        [one] if is_mailbox(one) => format!("for <{one}>"),
        _ => String::new(),
    };
    let last = if recipient.is_empty() { format!("id {id}") } else { format!("id {id}\r\n\t{recipient}") };
    format!("Received: from {helo} {address}\r\n\tby {host} with {protocol}\r\n\t{last};\r\n\t{date}\r\n")
}

/// RFC 3848 and, for the names with UTF8, RFC 6531 §4.3.
fn protocol(name: &str, smtputf8: bool) -> &str {
    match (name, smtputf8) {
        ("LMTP", true) => "UTF8LMTP",
        ("ESMTP", true) => "UTF8SMTP",
        ("LMTP" | "ESMTP" | "SMTP", _) => name,
        _ => "local",
    }
}

/// RFC 5322 §3.3, in UTC.
fn date(now: Timestamp) -> String {
    let now = now.to_zoned(TimeZone::UTC);
    jiff::fmt::rfc2822::to_string(&now).unwrap_or_else(|_| now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
}

/// A domain or an address literal: nothing that could end the clause, open a comment, or fold.
fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    (1..=255).contains(&inner.len())
        && inner.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':'))
}

/// An address that stands in a field as it is.
fn is_mailbox(text: &str) -> bool {
    text.len() <= 254
        && !text.chars().any(|char| char.is_control() || char.is_whitespace() || "<>()\\\"".contains(char))
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::Client;

    use super::*;

    fn field(helo: &str, address: &str, protocol: &str, recipients: &[&str], smtputf8: bool) -> String {
        let envelope = Envelope {
            recipients: recipients.iter().map(|&text| text.to_owned()).collect(),
            smtputf8,
            client: Some(Client {
                address: address.to_owned(),
                helo: helo.to_owned(),
                protocol: protocol.to_owned(),
                ..Client::default()
            }),
            ..Envelope::default()
        };
        let now: Timestamp = "2026-11-22T08:11:00Z".parse().unwrap();
        received_field(&envelope, "mx.example.org", EntryId::fresh(Timestamp::UNIX_EPOCH, [0; 10]), now)
    }

    const ID: &str = "00000000-0000-7000-8000-000000000000";

    #[test]
    fn it_has_the_form_of_the_standard() {
        assert_eq!(
            field("client.example.net", "192.0.2.1", "LMTP", &["dev@lists.example.org"], false),
            format!(
                "Received: from client.example.net ([192.0.2.1])\r\n\tby mx.example.org with LMTP\r\n\tid {ID}\r\n\t\
                 for <dev@lists.example.org>;\r\n\tSun, 22 Nov 2026 08:11:00 +0000\r\n"
            )
        );
    }

    #[test]
    fn it_names_the_protocol_and_the_address_in_their_registered_forms() {
        assert!(
            field("a", "2001:db8::1", "ESMTP", &[], false)
                .contains("([IPv6:2001:db8::1])\r\n\tby mx.example.org with ESMTP\r\n")
        );
        assert!(
            field("a", "/run/lmtp", "LMTP", &[], true).contains("(local)\r\n\tby mx.example.org with UTF8LMTP\r\n")
        );
        assert!(field("a", "", "ESMTP", &[], true).contains(" with UTF8SMTP\r\n"));
        assert!(field("a", "", "SMTP", &[], false).contains(" with SMTP\r\n"));
        assert!(field("a", "local", "local", &[], false).contains(" with local\r\n"));
        assert!(field("[192.0.2.1]", "", "SMTP", &[], false).starts_with("Received: from [192.0.2.1] (local)\r\n"));
    }

    #[test]
    fn several_recipients_are_not_named() {
        assert!(!field("a", "", "LMTP", &["dev@lists.example.org", "ops@lists.example.org"], false).contains("for"));
    }

    #[test]
    fn a_hostile_client_adds_nothing_of_its_own() {
        for helo in [
            "",
            "evil)\r\nBcc: x@example.net",
            "a b",
            "a(b",
            "a;b",
            "<a>",
            "\u{0}",
            "b\u{fc}cher.example",
            &"x".repeat(256),
        ] {
            let field = field(helo, "(x", "x\r\ny", &["a>\r\nX: y@example.net"], false);
            assert!(field.starts_with("Received: from unknown (local)\r\n\tby "), "{field}");
            assert!(!field.contains("for") && field.contains("with local"), "{field}");
            assert!(field.trim_end().lines().skip(1).all(|line| line.starts_with('\t')), "{field}");
        }
        let longest = field(&"x".repeat(255), "2001:db8::1", "LMTP", &[&"y".repeat(254)], false);
        assert!(longest.lines().all(|line| line.len() <= 998), "RFC 5322 §2.1.1");
    }
}
