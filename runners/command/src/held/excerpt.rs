//! How a post begins: what a moderator sees without opening it.

use listmill_mail::message::Message;
use listmill_mail::reply::written;
use listmill_mail::text::first_text;

use super::post::one_line;

/// Lines that are shown.
const LINES: usize = 25;

/// Characters of a line that are shown. Few enough that no mail program breaks the line when a moderator quotes it: what stood behind
/// the break would look like the moderator's own word.
const COLUMNS: usize = 58;

/// Octets of the message that are looked at: reading takes time in proportion.
const OCTETS: usize = 128 * 1024;

/// The first lines of the first text, without what leads the eye or a terminal astray.
pub(super) fn excerpt(message: &[u8]) -> Vec<String> {
    shown(first_text(&Message::parse(begin(message))).unwrap_or_default().lines())
}

/// The first lines that the author of an answer wrote: of our letter that is quoted there, with its token, nothing.
pub(super) fn own_words(message: &[u8]) -> Vec<String> {
    shown(written(&Message::parse(begin(message))).lines.iter().map(String::as_str))
}

fn begin(message: &[u8]) -> &[u8] {
    &message[..message.len().min(OCTETS)]
}

fn shown<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> =
        lines.map(|line| one_line(line, COLUMNS)).skip_while(|line| line.is_empty()).take(LINES).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_shown_and_nothing_that_leads_astray() {
        let message = "Content-Type: text/plain; charset=utf-8\r\n\r\n\r\nHello\tthere\u{1b}[2J\u{202e}.  \r\n\r\nBye.\r\n\r\n\r\n";
        assert_eq!(excerpt(message.as_bytes()), ["Hello there[2J.", "", "Bye."]);
        let long = format!("Subject: x\r\n\r\n{}\r\n{}", "ü".repeat(80), "line\r\n".repeat(100));
        let shown = excerpt(long.as_bytes());
        assert_eq!((shown.len(), shown[0].chars().count()), (25, 59));
        assert_eq!(excerpt(b""), [""; 0]);
    }

    #[test]
    fn of_an_answer_its_author_s_words_are_shown() {
        let answer = "In-Reply-To: <1@example.org>\r\n\r\nI mill since 1990.\r\n\r\nOn Sun, 22 Nov 2026, dev wrote:\r\n\
                      > =~=~= Write above this line =~=~=\r\n> confirm abc\r\n";
        assert_eq!(own_words(answer.as_bytes()), ["I mill since 1990."]);
    }

    #[test]
    fn a_large_message_is_read_in_part() {
        let large = [b"Subject: x\r\n\r\nhello\r\n".as_slice(), &b"x".repeat(10_000_000)].concat();
        assert_eq!(excerpt(&large)[0], "hello");
    }
}
