//! A line of text, with the number of quote marks in front of it.

/// What stands in front of quoted lines.
const MARKS: [char; 3] = ['>', '|', '＞'];

/// A line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// How often it was quoted; 0 is what the author of the message wrote.
    pub(super) depth: usize,
    /// The line without quote marks, control characters and white space at its end.
    pub(super) text: String,
}

impl Line {
    /// A line with its quote marks; `depth` is how often it is quoted besides.
    pub(super) fn new(depth: usize, line: &str) -> Self {
        let cleaned: String = line.chars().filter_map(visible).collect();
        let (marks, text) = split_marks(&cleaned);
        Line { depth: depth + marks, text: text.trim_end().to_owned() }
    }

    /// Nothing stands there but quote marks.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// The quoted lines, with as few quote marks less that one line at least has none.
pub(super) fn raised(lines: &[Line]) -> Vec<Line> {
    let quoted = || lines.iter().filter(|line| line.depth > 0);
    let least = quoted().filter(|line| !line.is_blank()).map(|line| line.depth).min().unwrap_or(1);
    quoted().map(|line| Line { depth: line.depth.saturating_sub(least), text: line.text.clone() }).collect()
}

/// None for a character that no reader sees; a space for one that looks like a space.
fn visible(c: char) -> Option<char> {
    match c {
        '\t' => Some(c),
        '\u{a0}' | '\u{202f}' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Apple Mail quotes with U+FEFF; marks of direction make a line look like another.
        '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{ad}' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// How many quote marks `line` begins with, and what stands behind them and one space.
fn split_marks(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, line);
    while let Some(after) = rest.trim_start().strip_prefix(MARKS) {
        depth += 1;
        rest = after;
    }
    if depth > 0 {
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    (depth, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quote_marks_are_counted() {
        for (line, depth, text) in [
            ("a 1", 0, "a 1"),
            ("  a 1 \t", 0, "  a 1"),
            ("> a 1", 1, "a 1"),
            (">a 1", 1, "a 1"),
            (">  a 1", 1, " a 1"),
            (">>> a", 3, "a"),
            ("> > >a", 3, "a"),
            (" > a", 1, "a"),
            ("| a", 1, "a"),
            ("＞a", 1, "a"),
            (">", 1, ""),
            ("> \u{feff}=~=~=", 1, "=~=~="),
            ("a > 1", 0, "a > 1"),
            ("\u{202e}a\u{a0}1\u{0}", 0, "a 1"),
        ] {
            assert_eq!(Line::new(0, line), Line { depth, text: text.to_owned() }, "{line:?}");
        }
        assert_eq!(Line::new(2, "> a").depth, 3);
    }
}
