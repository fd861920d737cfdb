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

    #[test]
    fn a_bomb_of_the_size_that_is_asked_about_is_survived() {
        // A test thread has as little stack as a worker has.
        for piece in [
            "Content-Type:message/rfc822\n\n",
            "Content-Type:multipart/mixed;boundary=b\n\n--b\n",
            "Content-Type:multipart/digest;boundary=b\n\n--b\n\n",
        ] {
            let _ = text(&piece.repeat(65_536 / piece.len()));
        }
        let _ = text(&format!("Content-Type:text/html\n\n{}", "<b>".repeat(20_000)));
        let _ = text(&format!("Content-Type:text/plain;{}\n\nx", "a*0*=b;".repeat(9_000)));
    }
}
