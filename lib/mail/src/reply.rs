//! What a person wrote in a message to a command address.
//!
//! People answer our mail with whatever program they have: it quotes ours with marks, without marks, below or above what
//! they wrote, in text or in HTML. [`written`] gives their own lines and nothing of ours, the same for every program; and
//! where it is not sure, a line is rather lost than taken from what somebody else wrote, for the lines are commands.
//!
//! The steps: `part` finds the first text and decodes it, `plain` or `html` makes lines of it, each with the number of its
//! quote marks (`rest`: those that a program forgot), `quoted` leaves out what the author did not write. What programs write, in many languages, is data
//! (`words`, and the folder `data`).

mod html;
mod line;
mod part;
mod plain;
mod quoted;
mod rest;
mod tags;
mod words;

use line::Line;

use crate::message::Message;

/// A line that begins so stands on top of each of our mails that is to be answered: nothing from there on was written by
/// the person who answers.
///
/// An answer right below a line that is quoted and fills some 40 columns or more may pass for its rest, and is lost; one
/// below an empty line never is.
pub const MARK: &str = "=~=~=";

/// Lines that are looked at, at most.
const MAX_READ: usize = 10_000;

/// Lines that are given, at most.
const MAX_LINES: usize = 200;

/// Octets of a line that is given, at most.
const MAX_OCTETS: usize = 8192;

/// Characters of a longer one that are shown.
const SHOWN_CHARS: usize = 60;

/// What [`written`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The lines that the author wrote, in order: decoded, without white space behind them and control characters other than
    /// tabs. None at the beginning or end is empty, and no two in a row are. At most 200, of at most 8 KiB each: of a
    /// longer one there is only its beginning, between `…` and `…`, which is a command in nobody's eyes.
    pub lines: Vec<String>,
    /// It is an answer: it has In-Reply-To or References (RFC 5322 §3.6.4).
    pub answers: bool,
}

/// What the author of this message wrote, without what is quoted and without a signature.
///
/// Takes time in proportion to the message; of its first text some 256 KiB are looked at.
pub fn written(message: &Message<'_>) -> Written {
    let answers = message.has("In-Reply-To") || message.has("References");
    let lines = quoted::prepared(part::first(message).map(|text| lines(&text)).unwrap_or_default());
    let lines = quoted::without_foreign_end(&lines);
    let mut own = quoted::own(lines);
    if !answers && own.iter().all(|line| line.trim().is_empty()) {
        // Somebody forwards to us what was meant for us, in quote marks.
        let raised = line::raised(lines);
        own = quoted::own(quoted::without_foreign_end(&raised));
    }
    Written { lines: tidied(&own), answers }
}

fn lines(text: &part::Text) -> Vec<Line> {
    let mut lines = match &text.kind {
        part::Kind::Html => html::lines(&text.text),
        part::Kind::Plain(flow) => plain::lines(&text.text, *flow),
    };
    if text.cut {
        // Half a line can say something else than the whole.
        lines.pop();
    }
    lines.truncate(MAX_READ);
    lines
}

/// The lines within the limits, without empty ones at the ends and in rows.
fn tidied(own: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in own {
        if line.is_empty() && lines.last().is_none_or(String::is_empty) {
            continue;
        }
        if lines.len() == MAX_LINES {
            break;
        }
        lines.push(shortened(line));
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The line, whole or so that it is seen to be no command: half a command is another command.
fn shortened(line: &str) -> String {
    if line.len() <= MAX_OCTETS {
        return line.to_owned();
    }
    let shown: String = line.trim_start().chars().take(SHOWN_CHARS).collect();
    format!("… {} …", shown.trim_end())
}

#[cfg(test)]
mod tests {
    mod letters;
    mod samples;
    mod styles;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const KINDS: &[&str] = &[
        "text/plain",
        "text/html",
        "text/plain; format=flowed",
        "text/plain; format=flowed; delsp=yes",
        "multipart/alternative; boundary=b",
    ];
    const CHARSETS: &[&str] = &[
        "",
        "; charset=utf-8",
        "; charset=utf-7",
        "; charset=utf-16",
        "; charset=utf-16le",
        "; charset=iso-2022-jp",
        "; charset=gb18030",
        "; charset=koi8-r",
        "; charset=x",
    ];
    const PIECES: &[&str] = &[
        "<",
        ">",
        "</",
        "div",
        "blockquote",
        " class=",
        "\"",
        "'",
        "&",
        "lt;",
        "=",
        "=3",
        "\r",
        "\n",
        "\r\n",
        " ",
        "--",
        "--b\r\n",
        "--b--",
        "\r\n\r\n",
        "Content-Type: ",
        "text/html",
        "text/plain",
        "-- \r\n",
        ":",
        "2026",
        "@",
        "On ",
        "From: ",
        "Sent: ",
        "日",
        "\u{feff}",
        "\u{a0}",
        "-----",
        "_____",
        "=~=~=",
        "YSAx",
        "<hr>",
        "<pre>",
        "<!--",
        "-->",
        "<style>",
    ];

    fn of(message: &str) -> Vec<String> {
        written(&Message::parse(message.replace('\n', "\r\n").as_bytes())).lines
    }

    fn body(body: &str) -> Vec<String> {
        of(&format!("In-Reply-To: <1@example.org>\n\n{body}"))
    }

    #[test]
    fn an_answer_is_known_by_its_fields() {
        let answers = |fields: &str| written(&Message::parse(format!("{fields}\r\nhelp\r\n").as_bytes())).answers;
        assert!(!answers("Subject: Re: x\r\n"));
        assert!(answers("in-reply-to: <1@example.org>\r\n"));
        assert!(answers("References: <1@example.org>\r\n"));
    }

    #[test]
    fn what_is_forwarded_in_quote_marks_loses_them() {
        let quoted = "On Sun, 22 Nov 2026, bob@example.net wrote:\n> join\n> > old\n> help\n";
        assert_eq!(of(&format!("Subject: x\n\n{quoted}")), ["join", "help"]);
        assert_eq!(body(quoted), [""; 0], "an answer that says nothing says nothing");
        assert_eq!(of(&format!("Subject: x\n\nlists\n{quoted}")), ["lists"]);
        assert_eq!(of("Subject: x\n\n> > join\n> > -- \n> > bob\n"), ["join"]);
        assert_eq!(of(&format!("Subject: x\n\n> {MARK} Write above this line\n> a 1\n")), [""; 0]);
        assert_eq!(of("Content-Type: text/html\n\n<blockquote>join<br>help</blockquote>\n"), ["join", "help"]);
    }

    #[test]
    fn the_limits() {
        let many: String = (0..300).map(|number| format!("d {number}\n\n\n\n")).collect();
        let lines = body(&many);
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (199, Some("d 99")));
        let addresses: String = (0..600).map(|number| format!(" a{number}@example.org")).collect();
        let long = format!("add{}", &addresses[..MAX_OCTETS - 3]);
        assert_eq!(body(&long), [long.as_str()], "a whole line is given whole");
        let given = body(&format!("{long}x"));
        assert_eq!(given, [format!("… {} …", &long[..SHOWN_CHARS].trim_end())]);
        assert_eq!(body(&format!("  {}", "ä".repeat(5000))), [format!("… {} …", "ä".repeat(SHOWN_CHARS))]);
        assert_eq!(body("a 1 \t \nset\u{7}  lang\tde\u{1b}[0m\n"), ["a 1", "set  lang\tde[0m"]);
    }

    #[test]
    fn half_a_line_at_the_end_of_what_is_looked_at_is_not_given() {
        let start = "d 1\n\n\n\n\n\n\n\n".repeat(40_000);
        let lines = body(&start);
        assert!(lines.iter().all(|line| line.is_empty() || line == "d 1"));
        for at in 0..8 {
            let text = format!("{}d 1234 5678\n", "\n".repeat((256 << 10) - at));
            assert!(body(&text).is_empty(), "{at}");
        }
    }

    #[test]
    fn bombs_take_linear_time() {
        const NUMBER: usize = 100_000;
        let read = |kind: &str, text: &str| {
            let message = format!("In-Reply-To: <1@example.org>\r\nContent-Type: {kind}\r\n\r\n{text}");
            assert!(written(&Message::parse(message.as_bytes())).lines.len() <= MAX_LINES);
        };
        for piece in ["<div>", "<blockquote>", "<b", "<a \"", "<!--", "&", "</div>", "<hr>", "<pre>", "<style>", "<br>"]
        {
            read("text/html", &piece.repeat(NUMBER));
        }
        for piece in
            [">", "> ", ">\n", "> a\nOn 2026:\n", "From: x\n", "*", "\n", "--", "a:\n", "x ", "On 2026 <a@b>:\n"]
        {
            for flow in ["fixed", "flowed; delsp=yes"] {
                read(&format!("text/plain; format={flow}"), &piece.repeat(NUMBER));
            }
        }
        read("text/plain", &"d 4\n".repeat(25_000_000 / 4));
        read("text/html", &"<p>d 4</p>\n".repeat(25_000_000 / 11));
    }

    #[test]
    fn bombs_of_parts_take_linear_time() {
        let nested = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
        let parts = "--b\r\nContent-Type: text/html\r\n\r\nx\r\n";
        for piece in [nested, parts, "--b\r\n", "--b\r\nA: 1\r\n", "A: b\r\n", "\r\n--", "--b--\r\n"] {
            let _ = written(&Message::parse(format!("{nested}{}", piece.repeat(50_000)).as_bytes()));
        }
        for encoding in ["base64", "quoted-printable", "8bit"] {
            for piece in ["YSAx\r\n", "=", "=3D", "=\r\n", "a"] {
                let message = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{}", piece.repeat(300_000));
                let _ = written(&Message::parse(message.as_bytes()));
            }
        }
        // The text stands behind an attachment of 25 MB.
        let attachment = format!("Content-Type: image/png\r\n\r\n{}", "iVBORw0KGgo\r\n".repeat(25_000_000 / 13));
        let message = format!("{nested}{attachment}--b\r\n\r\nd 4\r\n--b--\r\n");
        assert_eq!(written(&Message::parse(message.as_bytes())).lines, ["d 4"]);
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let found = written(&Message::parse(&bytes));
            prop_assert!(found.lines.first().is_none_or(|line| !line.is_empty()));
        }

        #[test]
        fn whatever_pieces_arrive_are_read(
            kind in select(KINDS), charset in select(CHARSETS), encoding in select(&["7bit", "base64", "quoted-printable"][..]),
            pieces in proptest::collection::vec(select(PIECES), 0..60),
        ) {
            let body = pieces.concat();
            let message = format!("Content-Type: {kind}{charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}");
            for line in written(&Message::parse(message.as_bytes())).lines {
                prop_assert_eq!(line.trim_end(), &line);
                prop_assert!(!line.contains(|c: char| c.is_control() && c != '\t'));
                prop_assert!(!line.starts_with(MARK));
            }
        }
    }
}
