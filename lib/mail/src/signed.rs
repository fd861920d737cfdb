//! Which header fields the author's DKIM signatures cover.

use std::collections::BTreeSet;

use crate::message::{Message, unfold};

/// The names in the `h=` tags of all DKIM-Signature fields, in lower case (RFC 6376 §3.5). Nothing is verified.
pub(crate) fn signed_names(message: &Message<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for field in message.named("DKIM-Signature") {
        let value = unfold(message.value(field));
        // RFC 6376 §3.2: a tag that stands there twice makes the signature void; here both count.
        let tags = value.split(';').filter_map(|tag| tag.split_once('='));
        for (_, list) in tags.filter(|(name, _)| name.trim() == "h") {
            names.extend(list.split(':').map(|name| name.trim().to_ascii_lowercase()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_counts() {
        let message = b"DKIM-Signature: v=1; d=example.net; h=From : To:\r\n\tSubject; bh=h=x; b=y\r\n\
            dkim-signature: v=1; a=x;\r\n h=list-id:\r\n List-Unsubscribe\r\nX: h=Date\r\n\r\nDKIM-Signature: h=Cc\r\n";
        let names = signed_names(&Message::parse(message));
        assert_eq!(
            names.iter().map(String::as_str).collect::<Vec<_>>(),
            ["from", "list-id", "list-unsubscribe", "subject", "to"]
        );
        assert!(signed_names(&Message::parse(b"From: a@example.org\r\n\r\n")).is_empty());
    }
}
