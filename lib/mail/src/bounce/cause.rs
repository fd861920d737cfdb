//! Whose fault a failure is, from reply code, enhanced status code and text.
//!
//! Hosts disagree about codes, and their texts are for people: `550 5.1.1` is said of a mailbox that does not exist, and of a
//! message that a filter did not like. So a text that says plainly what is wrong (`data/bounces/causes.txt`) goes before the
//! code, the code before a text that hints, and what neither tells is unknown, which counts against nobody.

use std::sync::LazyLock;

use listmill_core::Cause;
use regex::{RegexSet, RegexSetBuilder};

use super::StatusCode;
use super::forms::ASCII_BOUNDARY;

const DATA: &str = include_str!("../../data/bounces/causes.txt");

/// Octets of a text that are looked at.
const MAX_TEXT: usize = 1024;

/// What [`classify`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whose fault it is.
    pub cause: Cause,
    /// Trying again later would not help. A full mailbox is never hard.
    pub hard: bool,
}

/// The cause of a failure.
///
/// `status` is the enhanced status code (RFC 3463), `reply` the reply code (RFC 5321 §4.2), 0 where there is none, `text` what the
/// host said; codes that stand only in the text are found there.
pub fn classify(status: Option<StatusCode>, reply: u16, text: &str) -> Verdict {
    let text = plain(text);
    // A code of the text says more than X.0.0, which gateways put in its place.
    let inner = StatusCode::find(&text).filter(|code| code.class != 2);
    let status = match status {
        Some(code) if (code.subject, code.detail) != (0, 0) => Some(code),
        generic => inner.or(generic),
    };
    let reply = if reply == 0 { reply_in(&text) } else { reply };
    let temporary = status.map_or((400..500).contains(&reply), StatusCode::is_temporary);
    let said = said(&text);
    let coded = status.and_then(by_status).or_else(|| by_reply(reply));
    let (cause, hard) = match (said, coded) {
        (Some(row), _) if row.sure => (row.cause, row.hard),
        (_, Some(coded)) => coded,
        (Some(row), None) => (row.cause, row.hard),
        (None, None) => (Cause::Unknown, true),
    };
    Verdict { cause, hard: hard && !temporary }
}

/// The text says plainly what is wrong.
pub(crate) fn names_cause(text: &str) -> bool {
    said(&plain(text)).is_some_and(|row| row.sure)
}

/// The first reply code in `text`; 0 where there is none.
pub(crate) fn reply_in(text: &str) -> u16 {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '@');
    let codes = words.filter(|word| word.len() == 3).filter_map(|word| word.parse().ok());
    codes.into_iter().find(|code| (400..=599).contains(code)).unwrap_or(0)
}

/// In lower case and one line, without the addresses: they hold words that mean nothing.
fn plain(text: &str) -> String {
    let text = super::lines::one_line(text, MAX_TEXT).to_lowercase().replace(['\u{2019}', '\u{2018}'], "'");
    let words = text.split(' ').map(|word| if word.contains('@') && !word.contains("//") { "<>" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// RFC 3463 §3, RFC 5248, RFC 7372, RFC 7505, RFC 7293 and what Microsoft adds: the cause that a code names, and whether it is hard
/// where its class is 5; none where it names none.
fn by_status(code: StatusCode) -> Option<(Cause, bool)> {
    let found = match (code.subject, code.detail) {
        (1, 1 | 3 | 6) | (2, 1) | (7, 13 | 17) => (Cause::Gone, true),
        (1, 2 | 10) | (4, 4) | (7, 18) => (Cause::DomainDead, true),
        (4, 1..=3) => (Cause::DomainDead, false),
        (2, 2) => (Cause::Full, false),
        (2, 3) | (3, 3 | 4) | (6, _) => (Cause::Message, false),
        (1, 7 | 8) | (7, 20..=29) => (Cause::Reputation, false),
        (3, 5) | (4, 6) | (5, 1..) | (7, 3..=12 | 14..=16 | 19 | 30) => (Cause::Ours, false),
        (7, 500..) => (Cause::Reputation, false),
        (7, _) => (Cause::Message, false),
        _ => return None,
    };
    Some(found)
}

/// Only these say by themselves what is wrong (RFC 5321 §4.2.3, RFC 7504).
fn by_reply(code: u16) -> Option<(Cause, bool)> {
    match code {
        551 => Some((Cause::Gone, true)),
        521 | 556 => Some((Cause::DomainDead, true)),
        _ => None,
    }
}

/// One line of the data.
#[derive(Debug, Clone, Copy)]
struct Row {
    cause: Cause,
    hard: bool,
    sure: bool,
}

struct Patterns {
    rows: Vec<Row>,
    set: RegexSet,
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let read: Vec<_> = rows().collect();
    let patterns = read.iter().map(|(_, pattern)| pattern.replace(r"\b", ASCII_BOUNDARY));
    let mut builder = RegexSetBuilder::new(patterns);
    let set = builder.size_limit(64 << 20).dfa_size_limit(16 << 20).build();
    let set = set.expect("a test compiles each pattern of the data");
    Patterns { rows: read.into_iter().map(|(row, _)| row).collect(), set }
});

fn rows() -> impl Iterator<Item = (Row, &'static str)> {
    let lines = DATA.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut columns = line.splitn(4, ' ');
        let cause = columns.next()?.parse().ok()?;
        let hard = columns.next()? == "hard";
        let sure = columns.next()? == "sure";
        Some((Row { cause, hard, sure }, columns.next()?))
    })
}

/// The first line of the data that matches.
fn said(text: &str) -> Option<Row> {
    if text.is_empty() {
        return None;
    }
    let first = PATTERNS.set.matches(text).iter().next()?;
    PATTERNS.rows.get(first).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_as_its_head_says() {
        let lines: Vec<_> = DATA.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows().count(), lines.len(), "every line has four columns, the first a cause");
        for line in lines {
            let columns: Vec<_> = line.splitn(4, ' ').collect();
            assert!(["hard", "soft"].contains(&columns[1]) && ["sure", "weak"].contains(&columns[2]), "{line}");
            assert_eq!(columns[3].replace("\\S", ""), columns[3].replace("\\S", "").to_lowercase(), "in lower case");
            let pattern = regex::Regex::new(columns[3]).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(!pattern.is_match("hello, thank you for your message"), "{line}");
        }
    }

    /// `5.1.1 550 text`: cause, and whether it is hard.
    fn verdict(told: &str) -> String {
        let (status, text) = match told.split_once(' ') {
            Some((first, rest)) if first.parse::<StatusCode>().is_ok() => (first.parse().ok(), rest),
            _ => (None, told),
        };
        let verdict = classify(status, 0, text);
        format!("{} {}", verdict.cause, if verdict.hard { "hard" } else { "soft" })
    }

    #[test]
    fn codes_and_texts() {
        let lines = include_str!("../../data/bounces/verdicts.txt").lines().filter(|line| !line.starts_with('#'));
        let wrong = lines.filter_map(|line| {
            let (expected, told) = line.split_once(": ").unwrap();
            let found = verdict(told);
            (found != expected).then(|| format!("{found}, not {expected}: {told}"))
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_reply_without_text() {
        let cause = |status: Option<&str>, reply| classify(status.map(|code| code.parse().unwrap()), reply, "").cause;
        assert_eq!(cause(None, 550), Cause::Unknown);
        assert_eq!(cause(None, 556), Cause::DomainDead);
        assert_eq!(cause(Some("5.1.10"), 556), Cause::DomainDead);
        assert_eq!(cause(Some("5.0.0"), 0), Cause::Unknown);
        assert!(!classify(None, 451, "").hard && classify(None, 550, "").hard);
        assert!(!classify("4.1.1".parse().ok(), 550, "").hard, "the enhanced status code decides");
    }

    #[test]
    fn long_texts_take_bounded_time() {
        for piece in ["a ", "is not ", "user ", "\u{e4} ", "550 5.1.1 "] {
            let _ = classify(None, 0, &piece.repeat(100_000));
        }
    }
}
