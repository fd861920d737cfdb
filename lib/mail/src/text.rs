//! The text that a reader of a message sees first.

use mail_parser::MessageParser;

use crate::message::Message;

/// The first text of the message, decoded, its lines ended by LF; HTML without its tags. None when it has no text.
///
/// This decodes the whole message: ask only where it is short.
pub fn first_text(message: &Message<'_>) -> Option<String> {
    let parsed = MessageParser::default().parse(message.bytes())?;
    let text = parsed.body_text(0)?;
    Some(text.replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> Option<String> {
        first_text(&Message::parse(message.replace('\n', "\r\n").as_bytes()))
    }

    #[test]
    fn the_first_text_is_decoded() {
        assert_eq!(text("Subject: x\n\nhello\nworld\n").unwrap(), "hello\nworld\n");
        let encoded =
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\ndW5zdWJzY3JpYmU=\n";
        assert_eq!(text(encoded).unwrap().trim(), "unsubscribe");
        let html = "Content-Type: text/html\n\n<html><body><p>leave</p></body></html>\n";
        assert_eq!(text(html).unwrap().trim(), "leave");
    }

    #[test]
    fn a_message_without_text_has_none() {
        assert_eq!(text("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n"), None);
    }
}
