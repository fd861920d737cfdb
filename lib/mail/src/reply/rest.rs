//! The rest of a quoted line that a program broke.
//!
//! Some programs break a long line that they quoted, and what comes behind the break has no mark. It must not pass for the
//! author's: who posts to a list could put words there. Where a program breaks is not known: it counts characters, columns
//! or octets, with the marks or without. So whatever one of them could have broken counts as broken.

/// Columns that a program fills at least before it breaks a line.
const COLUMNS: usize = 50;

/// Columns that a program fills which makes flowed text (RFC 3676 §4.2): it knows what it breaks, or breaks at 72 and more.
const FLOWED: usize = 66;

/// The same where the ends of lines are no longer as they were, and a program may have broken at what was a space there.
const CLEANED: usize = 40;

/// Octets that a program fills more which counts those, or which counts two columns for every letter that is not ASCII, as
/// some in East Asia do.
const MORE_OCTETS: usize = 16;

/// Columns from one tab stop to the next, at most.
const TAB: usize = 8;

/// Quote depths, line by line: the rest of a quoted line has that of the line.
#[derive(Debug)]
pub(super) struct Rests<'a> {
    above: &'a str,
    depth: usize,
    columns: usize,
}

impl<'a> Rests<'a> {
    /// Of a text the lines of which stand as they are to be read.
    pub(super) fn fixed() -> Self {
        Rests { above: "", depth: 0, columns: COLUMNS }
    }

    /// Of a text of format=flowed.
    pub(super) fn flowed() -> Self {
        Rests { columns: FLOWED, ..Self::fixed() }
    }

    /// Of lines without the white space behind them.
    pub(super) fn cleaned() -> Self {
        Rests { columns: CLEANED, ..Self::fixed() }
    }

    /// How deep the next line is quoted; `depth` is how many marks it has.
    pub(super) fn depth(&mut self, line: &'a str, depth: usize) -> usize {
        let rest = self.depth > 0 && depth == 0 && is_rest(self.above, line, self.columns);
        self.above = line;
        self.depth = if rest { self.depth } else { depth };
        self.depth
    }
}

/// Whether `line` may be what a program broke off from the line `above`, marks included: its first word had no place there.
///
/// A word ends at a space and nowhere else: who breaks at other characters too breaks earlier.
fn is_rest(above: &str, line: &str, filled: usize) -> bool {
    if line.is_empty() {
        return false;
    }
    let word = line.trim_start_matches(' ').split(' ').next().unwrap_or_default();
    let (columns, octets) = measured(above);
    let (more_columns, more_octets) = measured(word);
    columns + 1 + more_columns >= filled || octets + 1 + more_octets >= filled + MORE_OCTETS
}

/// Columns, and octets or columns where all that is not ASCII takes two: neither less than any program counts.
fn measured(text: &str) -> (usize, usize) {
    let sum = |(columns, octets): (usize, usize), c: char| match c {
        '\t' => (columns + TAB, octets + TAB),
        // Hangul Jamo are the first wide letters (UAX 11). What has no width is counted too, as not all leave it out.
        _ => (columns + 1 + usize::from(c >= '\u{1100}'), octets + c.len_utf8()),
    };
    text.chars().fold((0, 0), sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a program counts what stands in a line.
    type Count = fn(&str) -> usize;

    /// What a program does that breaks lines at spaces, and counts so.
    fn broken(line: &str, width: usize, count: Count) -> Vec<String> {
        let mut out = vec![String::new()];
        for word in line.split(' ') {
            let last = out.last_mut().unwrap();
            if !last.is_empty() && count(last) + 1 + count(word) > width {
                out.push(word.to_owned());
            } else {
                last.push_str(if last.is_empty() { "" } else { " " });
                last.push_str(word);
            }
        }
        out
    }

    fn wide(text: &str) -> usize {
        text.chars().map(|c| 1 + usize::from(c >= '\u{1100}')).sum()
    }

    fn depths(lines: &[&str]) -> Vec<usize> {
        let mut rests = Rests::fixed();
        let marks = |line: &str| usize::from(line.starts_with('>'));
        lines.iter().map(|line| rests.depth(line, marks(line))).collect()
    }

    #[test]
    fn the_rest_of_a_line_is_quoted_wherever_a_program_breaks_it() {
        let words = ["y", "日", "é", "e\u{301}", "👩\u{200d}🚀", "y日", "日 ", "\t", "y\u{a0}"];
        let ends = ["a", "a 1-400", "approve", "a\u{a0}1-400\u{a0}zzzzzzzzzzzzzzzzzzzzzzzz", "a\t1", "\u{3000}a 1"];
        let counts: [(Count, usize); 3] = [(|text| text.chars().count(), 50), (wide, 50), (str::len, 66)];
        for (count, least) in counts {
            for (word, end) in words.iter().flat_map(|word| ends.map(|end| (word, end))) {
                for width in [least, 60, 66, 72, 80, 100].into_iter().filter(|width| *width >= least) {
                    for number in (1..=width).rev().take(40) {
                        let line = format!("Subject: {} {end}", word.repeat(number));
                        let with = broken(&format!("> {line}"), width, count);
                        let mut without = broken(&line, width, count);
                        without[0].insert_str(0, "> ");
                        for lines in [with, without] {
                            let depths = depths(&lines.iter().map(String::as_str).collect::<Vec<_>>());
                            assert!(depths.iter().all(|depth| *depth > 0), "{lines:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_answer_behind_a_short_line_is_an_answer() {
        for above in [
            "> Four posts wait on dev@lists.example.org.",
            "> 1  bob@example.net: Hello …",
            "> 投稿が待っています。",
            ">",
        ] {
            for answer in ["a 1 3-5", "d 4", ""] {
                assert_eq!(depths(&[above, answer]), [1, 0], "{above} {answer}");
            }
        }
        let long = format!("> {}", "x".repeat(60));
        assert_eq!(depths(&[&long, "a 1", "d 2", "", "r 3"]), [1, 1, 0, 0, 0]);
        assert_eq!(depths(&[&long, "", "a 1"]), [1, 0, 0]);
        // Only spaces stood there.
        assert_eq!(depths(&[&long, "   ", "a 1"]), [1, 1, 0]);
    }
}
