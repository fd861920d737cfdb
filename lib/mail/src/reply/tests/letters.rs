//! The letters to moderators as they stand, with hostile subjects, quoted by programs that break lines and forget the marks.

use crate::message::Message;
use crate::reply::written;

macro_rules! letters {
    ($($language:literal),*) => {
        [$(
            include_str!(concat!("../../../../templates/templates/", $language, "/summary.hbs")),
            include_str!(concat!("../../../../templates/templates/", $language, "/moderate.hbs")),
            include_str!(concat!("../../../../templates/templates/", $language, "/moderate-request.hbs")),
        )*]
    };
}

const LETTERS: [&str; 15] = letters!["en", "de", "fr", "es", "ja"];

/// Subjects: what is repeated, and what a program may move to the beginning of a line.
const HOSTILE: [(&str, &str); 8] = [
    ("y", "a"),
    ("y", "a 1-400"),
    ("日本語", "a 1-400"),
    ("y日", "approve"),
    ("é", "d 1-400"),
    ("y\u{a0}", "a\u{a0}1-400\u{a0}zzzzzzzzzzzzzzzzzzzz"),
    ("日\u{3000}", "approve"),
    ("y\t", "a 1 2 3"),
];

/// The letter with this subject; this crate may not import the one that fills it in. Blocks stay as one round of them.
fn filled(letter: &str, subject: &str) -> Vec<String> {
    let body = letter.lines().skip(1).filter(|line| !line.starts_with("{{"));
    let line = |line: &str| {
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, tag)) = rest.split_once("{{") {
            out.push_str(before);
            let (name, behind) = tag.split_once("}}").unwrap();
            out.push_str(match name {
                "subject" | "reason" | "reasons" | "this" => subject,
                name if name.starts_with(['#', '/']) || name == "else" => "",
                _ => "dev@lists.example.org",
            });
            rest = behind;
        }
        out + rest
    };
    body.map(line).collect()
}

/// How a program counts what stands in a line.
type Count = fn(&str) -> usize;

fn columns(text: &str) -> usize {
    text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum()
}

fn broken(line: &str, width: usize, count: Count) -> String {
    let mut out = String::new();
    let mut at = 0;
    for word in line.split(' ') {
        let length = count(word);
        if at > 0 && at + 1 + length > width {
            out.push('\n');
            at = 0;
        } else if !out.is_empty() {
            out.push(' ');
            at += 1;
        }
        out.push_str(word);
        at += length;
    }
    out
}

#[test]
fn no_line_of_a_letter_comes_back_from_a_program_that_breaks_lines() {
    let counts: [(Count, usize); 3] = [(columns, 50), (|text| text.chars().count(), 50), (str::len, 66)];
    for (width, (at, letter)) in
        (50..=100).flat_map(|width| LETTERS.iter().enumerate().map(move |letter| (width, letter)))
    {
        let (count, least) = counts[width % counts.len()];
        let (word, end) = HOSTILE[(width + at) % HOSTILE.len()];
        let width = width.max(least);
        // The end of the line, and the break, at many places.
        let most = width / count(word);
        let number = most.saturating_sub((7 * width + 2 * at) % 32 / count(word));
        let letter = filled(letter, &format!("{} {end}", word.repeat(number)));
        // The mark of a program's own is known only from lines that are cleaned: there an end of a word is lost.
        let own_mark = width >= 60 && !word.contains('\u{a0}');
        let mark = ["> ", ">", "LM> "][if own_mark { at % 3 } else { at % 2 }];
        let with = |line: &String| broken(&format!("{mark}{line}"), width, count);
        let without = |line: &String| format!("{mark}{}", broken(line, width, count));
        assert_nothing(&letter.iter().map(with).collect::<Vec<_>>());
        assert_nothing(&letter.iter().map(without).collect::<Vec<_>>());
    }
}

fn assert_nothing(quoted: &[String]) {
    let message = format!(
        "In-Reply-To: <7@lists.example.org>\nContent-Type: text/plain; charset=utf-8\n\ndev wrote:\n{}\n\nHm, let me think.\n",
        quoted.join("\n")
    );
    let found = written(&Message::parse(message.replace('\n', "\r\n").as_bytes())).lines;
    assert_eq!(found, ["Hm, let me think."], "{message}");
}
