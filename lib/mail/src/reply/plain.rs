//! The lines of a text/plain part.

use super::line::Line;
use super::rest::Rests;

/// How the lines of a text are to be joined (RFC 3676 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// As they stand.
    Fixed,
    /// format=flowed: a line that ends with a space goes on in the next one; `delsp`: that space is not part of it.
    Flowed { delsp: bool },
}

/// The lines of this text.
pub(super) fn lines(text: &str, flow: Flow) -> Vec<Line> {
    let raw = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    match flow {
        Flow::Fixed => rejoined(raw),
        Flow::Flowed { delsp } => unflowed(raw, delsp),
    }
}

fn rejoined<'a>(raw: impl Iterator<Item = &'a str>) -> Vec<Line> {
    let mut rests = Rests::fixed();
    let line = |raw| {
        let line = Line::new(0, raw);
        Line { depth: rests.depth(raw, line.depth), ..line }
    };
    raw.map(line).collect()
}

fn unflowed<'a>(raw: impl Iterator<Item = &'a str>, delsp: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    // A paragraph that is not ended yet: its quote depth, and its text.
    let mut open: Option<(usize, String)> = None;
    let mut rests = Rests::flowed();
    for line in raw {
        let inner = line.trim_start_matches('>');
        // Not every program that says so does so.
        let depth = rests.depth(line, line.len() - inner.len());
        // RFC 3676 §4.4: space-stuffing.
        let text = inner.strip_prefix(' ').unwrap_or(inner);
        // RFC 3676 §4.3: the signature separator ends with a space and is not flowed.
        let goes_on = text.ends_with(' ') && text != "-- ";
        let kept = if goes_on && delsp { &text[..text.len() - 1] } else { text };
        // RFC 3676 §4.5: another quote depth ends a paragraph.
        if open.as_ref().is_some_and(|(open, _)| *open != depth || text == "-- ") {
            lines.extend(open.take().map(|(depth, text)| Line::new(depth, &text)));
        }
        let (depth, mut paragraph) = open.take().unwrap_or((depth, String::new()));
        paragraph.push_str(kept);
        if goes_on {
            open = Some((depth, paragraph));
        } else {
            lines.push(Line::new(depth, &paragraph));
        }
    }
    lines.extend(open.map(|(depth, text)| Line::new(depth, &text)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, flow: Flow) -> Vec<(usize, String)> {
        lines(text, flow).into_iter().map(|line| (line.depth, line.text)).collect()
    }

    #[test]
    fn fixed_lines_stay() {
        let expected = [(0, "a 1"), (1, "b"), (0, "")].map(|(depth, text)| (depth, text.to_owned()));
        assert_eq!(shown("a 1 \r\n> b\r\n", Flow::Fixed), expected);
    }

    #[test]
    fn the_rest_of_a_quoted_line_is_quoted() {
        let long = "x".repeat(67);
        let depths = |text: &str| lines(text, Flow::Fixed).iter().map(|line| line.depth).collect::<Vec<_>>();
        assert_eq!(depths(&format!("> {long}\na 1\n> y\na 2")), [1, 1, 1, 0]);
        assert_eq!(depths(&format!("> x\na 1\n> {long}\n\na 2")), [1, 0, 1, 0, 0]);
        assert_eq!(depths(&format!(">> x\n{long}\n{long}\ny")), [2, 2, 2, 2]);
    }

    #[test]
    fn flowed_lines_are_joined_within_their_depth() {
        let text = "r 2 off \r\ntopic\r\n>> deep \r\n>> er \r\n> less\r\nopen \r\n-- \r\n bob\r\n >x";
        let expected =
            [(0, "r 2 off topic"), (2, "deep er"), (1, "less"), (0, "open"), (0, "--"), (0, "bob"), (1, "x")];
        let expected = expected.map(|(depth, text)| (depth, text.to_owned()));
        assert_eq!(shown(text, Flow::Flowed { delsp: false }), expected);
        assert_eq!(shown("日本 \r\n語", Flow::Flowed { delsp: true }), [(0, "日本語".to_owned())]);
    }
}
