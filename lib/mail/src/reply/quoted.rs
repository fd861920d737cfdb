//! Which lines of a message its author wrote: not what is quoted, nor what programs write around it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::MARK;
use super::line::Line;
use super::rest::Rests;
use super::words::{begins_forwarded, header, is_device};

/// Lines over which an attribution is broken, at most.
const MAX_ATTRIBUTION: usize = 3;

/// Empty lines between an attribution and what it attributes, at most.
const MAX_GAP: usize = 2;

/// Columns that a program fills before it breaks a line.
const COLUMNS: usize = 60;

/// Lines within which a block of header fields is recognised.
const HEADER_LINES: usize = 6;

/// Characters of a program's own quote mark.
const MAX_OWN_MARK: usize = 16;

/// What stands above a text that is signed in clear (RFC 9580 §7).
const SIGNED: &str = "-----BEGIN PGP SIGNED MESSAGE-----";

/// The lines with the quote marks counted that only this program uses, and without the armour of a signature.
pub(super) fn prepared(mut lines: Vec<Line>) -> Vec<Line> {
    if let Some(mark) = own_mark(&lines) {
        lines = remarked(&lines, &mark);
    }
    let Some(begin) = lines.iter().position(|line| line.depth == 0 && line.text == SIGNED) else { return lines };
    let behind = lines[begin..].iter().position(Line::is_blank).map_or(lines.len(), |blank| begin + blank + 1);
    lines.drain(begin..behind);
    for line in lines[begin..].iter_mut() {
        // RFC 9580 §7.2: lines that begin with a dash are escaped.
        if let Some(text) = line.text.strip_prefix("- ") {
            line.text = text.to_owned();
        }
    }
    lines
}

/// The lines with this mark counted, and what a program broke off from them.
fn remarked(lines: &[Line], mark: &str) -> Vec<Line> {
    let mut rests = Rests::cleaned();
    let mut counted = Vec::with_capacity(lines.len());
    for line in lines {
        let inner = line.text.trim_start().strip_prefix(mark).filter(|_| line.depth == 0);
        let depth = rests.depth(&line.text, line.depth + usize::from(inner.is_some()));
        counted.push(Line { depth, text: inner.map_or(line.text.as_str(), str::trim_start).to_owned() });
    }
    counted
}

/// Some programs quote with the initials of whom they quote (`LM> `): what stands in front of our mark is theirs, when the
/// next line has it as well.
fn own_mark(lines: &[Line]) -> Option<String> {
    let (at, found) = lines.iter().enumerate().find(|(_, line)| line.depth == 0 && line.text.contains(MARK))?;
    let mark = found.text.split(MARK).next()?.trim();
    let next = lines[at + 1..].iter().find(|line| !line.is_blank())?;
    let is_mark = mark.ends_with(['>', '|', '»', '%', '#']) && mark.chars().count() <= MAX_OWN_MARK;
    (is_mark && next.text.trim_start().starts_with(mark)).then(|| mark.to_owned())
}

/// The lines up to the first from which on nothing was written by the author: our mark, a line of dashes with words in
/// it, a block of header fields, the beginning of something forwarded, a signature.
pub(super) fn without_foreign_end(lines: &[Line]) -> &[Line] {
    let Some(end) = (0..lines.len()).find(|at| begins_foreign(&lines[*at..])) else { return lines };
    let drawn = |line: &&Line| line.is_blank() || is_drawn(line);
    let end = match lines[end].text.contains(MARK) {
        // What is quoted without marks has an attribution as well.
        true => attribution(lines, end, true).start,
        // Outlook draws a line above its block of header fields.
        false => end - lines[..end].iter().rev().take_while(drawn).count(),
    };
    &lines[..end]
}

fn begins_foreign(lines: &[Line]) -> bool {
    let [Line { depth: 0, text }, ..] = lines else { return false };
    let text = text.trim_start();
    // RFC 3676 §4.3; the space behind the dashes gets lost.
    text == "--" || text.contains(MARK) || is_dashed(text) || begins_forwarded(text) || is_header_block(lines)
}

/// Words with dashes on both sides: `-----Original Message-----` in whatever language.
fn is_dashed(text: &str) -> bool {
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '－');
    let inner = text.trim_matches(is_dash);
    let dashes = |side: &str| side.chars().take(3).filter(|c| is_dash(*c)).count() == 3;
    let reversed: String = text.chars().rev().take(3).collect();
    dashes(text) && dashes(&reversed) && inner.contains(char::is_alphabetic)
}

/// A line that is nothing but a line.
fn is_drawn(line: &Line) -> bool {
    let text = line.text.trim();
    line.depth == 0 && text.len() >= 5 && text.chars().all(|c| matches!(c, '_' | '-' | '='))
}

/// Header fields, the author's among them, as Outlook and Apple Mail write them above what they do not mark.
fn is_header_block(lines: &[Line]) -> bool {
    if header(&lines[0].text).is_none() {
        return false;
    }
    let block = lines.iter().filter(|line| !line.is_blank()).take(HEADER_LINES);
    let fields: BTreeSet<&str> = block.filter_map(|line| header(&line.text)).collect();
    fields.contains("from") && fields.len() > 1
}

/// The author's lines of those that [`without_foreign_end`] gave.
pub(super) fn own(lines: &[Line]) -> Vec<String> {
    let mut foreign: Vec<bool> = lines.iter().map(|line| line.depth > 0 || is_added(&line.text)).collect();
    let mut first = true;
    for at in 0..lines.len() {
        let before = at.checked_sub(1).and_then(|before| lines.get(before));
        if lines[at].depth > 0 && before.is_none_or(|line| line.depth == 0) {
            foreign[attribution(lines, at, first)].fill(true);
            first = false;
        }
    }
    let own = lines.iter().zip(foreign).filter(|(_, foreign)| !foreign);
    own.map(|(line, _)| line.text.clone()).collect()
}

/// Programs add such lines wherever they think fit.
fn is_added(text: &str) -> bool {
    let attributes = ends_in_colon(text) && text.contains('<') && text.contains('@') && is_dated(text);
    attributes || is_device(text)
}

/// The lines above `at` that say who wrote what begins there, with the empty ones behind them: a paragraph that ends in a
/// colon, in any language. Above what is quoted `first` it needs neither date nor address.
fn attribution(lines: &[Line], at: usize, first: bool) -> Range<usize> {
    let gap = lines[..at].iter().rev().take_while(|line| line.is_blank()).count();
    let Some(last) = at.checked_sub(gap + 1).filter(|_| gap <= MAX_GAP) else { return at..at };
    if lines[last].depth > 0 || !ends_in_colon(&lines[last].text) {
        return at..at;
    }
    let mut start = last;
    while start > 0 && !is_dated(&lines[start].text) && last - start + 1 < MAX_ATTRIBUTION {
        if !goes_on(&lines[start - 1], &lines[start]) {
            break;
        }
        start -= 1;
    }
    match is_dated(&lines[start].text) {
        true => start..at,
        false if first || lines[last].text.contains('@') => last..at,
        false => at..at,
    }
}

fn ends_in_colon(text: &str) -> bool {
    text.trim_end_matches([' ', '*', '_']).ends_with([':', '：'])
}

/// A program broke a line here: the next word had no place in it, or the date stands there alone.
fn goes_on(line: &Line, next: &Line) -> bool {
    let word = next.text.split_whitespace().next().unwrap_or_default();
    let columns = line.text.chars().count() + 1 + word.chars().count();
    line.depth == 0 && !line.is_blank() && (columns > COLUMNS || is_dated(&line.text) && is_timed(&line.text))
}

/// There is a time of day.
fn is_timed(text: &str) -> bool {
    let digit = |c: Option<char>| c.is_some_and(char::is_numeric);
    let around = |(before, after): (&str, &str)| digit(before.chars().next_back()) && digit(after.chars().next());
    text.split_whitespace().any(|word| word.split_once(':').is_some_and(around))
}

/// There is a year, or a date in figures, outside of addresses.
fn is_dated(text: &str) -> bool {
    text.split_whitespace().filter(|word| !word.contains('@')).any(|word| {
        let runs = word.split(|c: char| !c.is_numeric()).filter(|run| !run.is_empty());
        let lengths: Vec<usize> = runs.map(|run| run.chars().count()).collect();
        lengths.contains(&4) || lengths.len() >= 3
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The author's lines, with `/` between them.
    fn shown(text: &str) -> String {
        let lines = prepared(text.lines().map(|line| Line::new(0, line)).collect());
        own(without_foreign_end(&lines)).join("/")
    }

    #[test]
    fn attributions_in_any_language() {
        for attribution in [
            "On Sun, Nov 22, 2026 at 09:30:00AM +0100, Listmill wrote:",
            "Listmill wrote:",
            "Am 22.11.26 um 09:30 schrieb Listmill:",
            "Am So., 22. Nov. 2026 um 09:30 Uhr schrieb Listmill <\ndev-request@lists.example.org>:",
            "Le dim. 22 nov. 2026 à 09:30, Listmill <dev-request@lists.example.org> a\nécrit\u{a0}:",
            "On Sun, 22 Nov 2026 09:30:00 +0100\nListmill <dev-request@lists.example.org> wrote:",
            "2026年11月22日(日) 9:30 Listmill <dev-request@lists.example.org>:",
            "Listmill <dev-request@lists.example.org> 于2026年11月22日周日 09:30写道：",
            "On Sun, 22 Nov 2026 at 09:30, Listmill\n<dev-request+a-token-that-is-long-indeed@lists.example.org>\nwrote:",
            "> On 22 Nov 2026, at 09:30, Listmill wrote:\n>",
        ] {
            for gap in ["", "\n", "\n\n"] {
                let above = shown(&format!("a 1\n\n{attribution}\n{gap}> x\n> y\n"));
                assert_eq!(above.trim_end_matches('/'), "a 1", "{attribution}{gap:?}");
                for begin in ["> x", "=~=~= Write above this line"] {
                    let below = shown(&format!("a 1\n{attribution}\n{gap}{begin}\n"));
                    assert_eq!(below.trim_end_matches('/'), "a 1", "{attribution}{gap:?}");
                }
            }
        }
        assert_eq!(shown("On 22 Nov 2026, Listmill <a@example.org> wrote:\n\na 1\n"), "/a 1");
    }

    #[test]
    fn what_is_answered_in_between_is_kept() {
        assert_eq!(shown("Listmill wrote:\n> x\na 1\n> y\n\nr 2 as follows:\n> z\nd 4\n"), "a 1//r 2 as follows:/d 4");
        assert_eq!(shown("> x\n>> y\nOn 1.1.2026 bob wrote:\n> z\nd 4"), "d 4");
    }

    #[test]
    fn where_others_begin() {
        for below in [
            "-- \nbob",
            "--\nbob",
            "=~=~= Write above this line",
            "    =~=~= Write above this line",
            "-----Original Message-----",
            "-----Ursprüngliche Nachricht-----",
            "-------- 元のメッセージ --------",
            "---------- Forwarded message ---------",
            "\u{2010}\u{2010}\u{2010}\u{2010} Original Message \u{2010}\u{2010}\u{2010}\u{2010}",
            "________________________________\nFrom: Listmill\nSent: Sunday\nTo: bob",
            "From: Listmill\nSubject: x",
            "*Von:* Listmill\n*Gesendet:* Sonntag",
            "De : Listmill <dev-request@lists.example.org>\nEnvoyé : dimanche",
            "差出人: Listmill\n日付: 2026年",
            "发件人：Listmill\n发送时间：2026年",
            "Gesendet: Sonntag\nVon: Listmill\nAn: bob",
            "Begin forwarded message:",
            "-----BEGIN PGP SIGNATURE-----",
        ] {
            assert_eq!(shown(&format!("a 1\n{below}\nx\n")), "a 1", "{below}");
        }
        for own in ["-", "---", "--- x", "_____", "from: a\nb", "Subject: x\nTo: y", "----------"] {
            assert_eq!(shown(&format!("a 1\n{own}\nd 2")), format!("a 1/{}/d 2", own.replace('\n', "/")));
        }
    }

    #[test]
    fn programs_add_lines() {
        assert_eq!(
            shown("a 1\n\nSent from my iPhone\nVon meinem iPhone gesendet\niPhoneから送信\n\n> x\n> y\nd 2"),
            "a 1///d 2"
        );
    }

    #[test]
    fn a_signed_text_loses_its_armour() {
        let signed = format!("{SIGNED}\nHash: SHA256\n\na 1\n- --\nbob\n-----BEGIN PGP SIGNATURE-----\nx");
        assert_eq!(shown(&signed), "a 1");
        assert_eq!(shown(&format!("{SIGNED}\nHash: SHA256")), "");
    }

    #[test]
    fn marks_of_a_programs_own() {
        let quoted = "LM> =~=~= Write above this line =~=~=\nLM> Four posts wait.\n";
        assert_eq!(shown(&format!("a 1\n{quoted}r 2 off topic\nLM> x\n")), "a 1/r 2 off topic");
        // Where it may be none, all that follows is left out.
        for front in ["LM> ", "LM ", "* ", "On Sunday somebody wrote this: "] {
            assert_eq!(shown(&format!("a 1\n{front}=~=~= Write above\nFour posts wait.\nd 2\n")), "a 1", "{front}");
        }
    }
}
