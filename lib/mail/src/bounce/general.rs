//! Bounces in no form that is known: general rules, and more caution.
//!
//! Two things must come together: a program sent the message, and it says that something was not delivered. Then an
//! address counts where the words around it say that it is the one that failed, and where nothing speaks against it: not the
//! program's own, nor that of whoever sent the message which came back, nor one to write to with questions.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::message::Message;
use crate::mime::content_type;
use crate::prefixes::without_prefixes;

use super::StatusCode;
use super::address::bare;
use super::cause::{names_cause, reply_in};
use super::forms::{ADDRESSES, Named, Pattern, alone, letters, original_to, others, paragraph, said_at};
use super::letter::{self, Letter};
use super::parts::Part;

const DATA: &str = include_str!("../../data/bounces/general.toml");

/// The lines below an address in which words of failure are looked for.
const NEAR: usize = 4;

/// The most recipients that are read from a text.
const MAX_RECIPIENTS: usize = 100;

/// `data/bounces/general.toml`, which says what each is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    senders: Pattern,
    subjects: Pattern,
    failures: Pattern,
    delays: Pattern,
    introductions: Vec<Pattern>,
    sentences: Vec<Pattern>,
    labels: Pattern,
    others: Pattern,
    roles: Pattern,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the data"))]
    samples: Vec<Vec<String>>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| toml::from_str(DATA).expect("a test reads the data"));

/// What speaks for it that a program sent this about mail that it handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs {
    /// The author is one that delivers mail, or the reverse-path was empty.
    pub(crate) daemon: bool,
    /// The subject is one of bounces.
    pub(crate) subject: bool,
    /// It says so by a field.
    pub(crate) fields: bool,
    /// It looks like a bounce all over, where only its subject says that it is one: people write about bounces, too.
    pub(crate) evident: bool,
}

impl Signs {
    pub(crate) fn of(message: &Message<'_>, parts: &[Part<'_>]) -> Self {
        let from = message.text("From").unwrap_or_default();
        let subject = WORDS.subjects.is_match(&message.subject());
        let empty = message.raw("Return-Path").any(|value| matches!(value.as_str(), "<>" | "< >" | "<#@[]>"));
        let report = content_type(message).is_some_and(|found| found.kind == "multipart/report");
        let submitted = message.raw("Auto-Submitted").any(|value| !value.to_ascii_lowercase().starts_with("no"));
        // Automatic replies have the null reverse-path as well (RFC 3834 §3.3).
        let null = empty && (subject || !submitted);
        let daemon = null || from.trim().is_empty() || WORDS.senders.is_match(&from);
        let fields = report || submitted || message.has("X-Failed-Recipients");
        Signs { daemon, subject, fields, evident: subject && !daemon && evident(message, parts) }
    }

    /// A form may be looked for.
    pub(crate) fn program(self) -> bool {
        self.daemon || self.fields || self.evident
    }
}

/// It answers nothing, and a message came back with it, or it begins with an address to which nothing could be delivered.
fn evident(message: &Message<'_>, parts: &[Part<'_>]) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| message.has(name));
    let subject = message.subject();
    let bare = without_prefixes(&subject) == subject.trim();
    let own = bare && !has(&["List-Id", "List-Post", "List-Unsubscribe"]);
    let begins = || parts.iter().find(|part| part.is_text()).is_some_and(begins_with_failure);
    !has(&["In-Reply-To", "References"]) && ((own && parts.iter().any(returns)) || begins())
}

/// A message came back in this part, or at its end.
fn returns(part: &Part<'_>) -> bool {
    part.is_original() || (part.is_text() && letter::returns(&part.text()))
}

/// The first lines say that something was not delivered, and one of the next is an address alone.
fn begins_with_failure(part: &Part<'_>) -> bool {
    let text = part.text();
    let mut lines = text.lines().filter(|line| letters(line) > 0);
    let said = lines.by_ref().take(3).any(|line| WORDS.failures.is_match(line));
    said && text.lines().take(20).any(|line| line.contains('@') && others(line) <= 12 && !WORDS.others.is_match(line))
}

/// What the general rules find: a bounce, or a delay notice, and whom it names.
pub(crate) struct Found {
    pub(crate) delayed: bool,
    pub(crate) named: Vec<Named>,
}

/// Reads a message that has no known form; none where it is no bounce as far as can be told.
pub(crate) fn read(letter: &Letter<'_>, signs: Signs) -> Option<Found> {
    // What is quoted somebody else said.
    let text: Vec<&str> = letter.text.lines().filter(|line| !line.starts_with("> ")).collect();
    let letter = &Letter { text: text.join("\n"), ..letter.clone() };
    let failed = WORDS.failures.is_match(&letter.text);
    let delayed = WORDS.delays.is_match(&letter.text) || WORDS.delays.is_match(&letter.subject);
    let sure = (signs.daemon && (signs.subject || failed))
        || (signs.fields && signs.subject && failed)
        || (signs.evident && failed);
    if !sure || (!failed && !signs.subject) {
        return None;
    }
    let never = excluded(letter);
    // A summary that names one recipient, and nothing that names another in so many words.
    let agrees = |one: &Named| named(letter, &never, false).iter().all(|other| other.address == one.address);
    let summary = || labelled(letter, &never).filter(|one| failed && agrees(one));
    let mut named = summary().map_or_else(|| named(letter, &never, true), |one| vec![one]);
    if named.is_empty() {
        let behind = letter.text.clone();
        named.extend(original_to(letter).map(|address| Named { address, behind, before: String::new() }));
    }
    Some(Found { delayed, named })
}

/// The recipients that the text names; `weak`: also where only the cause in the same line speaks for it, which may be of somebody else.
fn named(letter: &Letter<'_>, never: &HashSet<String>, weak: bool) -> Vec<Named> {
    let lines = letter.lines();
    let mut named: Vec<Named> = Vec::new();
    let mut introduced = false;
    for (at, line) in lines.iter().enumerate() {
        let taken = if line.contains('@') { line_names(&lines, at, introduced, weak) } else { Vec::new() };
        for address in taken {
            let known = named.iter().any(|known| known.address.eq_ignore_ascii_case(&address));
            if !known && !never.contains(&address.to_lowercase()) && !is_role(&address) && named.len() < MAX_RECIPIENTS
            {
                let before = lines[at.saturating_sub(NEAR)..=at].join(" ");
                named.push(Named { address, behind: said_at(&lines, at), before });
            }
        }
        if WORDS.others.is_match(line) {
            introduced = false;
        } else if !line.trim().is_empty() && !line.contains('@') {
            introduced = WORDS.introductions.iter().any(|pattern| pattern.is_match(line));
        }
    }
    named
}

/// The one recipient of the summary of a message: `To: bob@example.net`.
fn labelled(letter: &Letter<'_>, never: &HashSet<String>) -> Option<Named> {
    let found = letter.text.lines().flat_map(|line| WORDS.labels.addresses(line));
    let found = found.filter_map(|(address, _)| bare(address));
    let mut found: Vec<_> =
        found.filter(|address| !never.contains(&address.to_lowercase()) && !is_role(address)).collect();
    found.dedup_by(|next, before| next.eq_ignore_ascii_case(before));
    let [address] = &found[..] else { return None };
    Some(Named { address: address.clone(), behind: letter.text.clone(), before: String::new() })
}

/// The addresses of one line that failed, as far as the words in it, above and below say so.
fn line_names(lines: &[&str], at: usize, introduced: bool, weak: bool) -> Vec<String> {
    let line = lines[at];
    if WORDS.others.is_match(line) {
        return Vec::new();
    }
    let all: Vec<String> = ADDRESSES.addresses(line).into_iter().filter_map(|(address, _)| bare(address)).collect();
    let told = |text: &str| {
        names_cause(text) || StatusCode::find(text).is_some_and(|code| code.class != 2) || reply_in(text) >= 500
    };
    if alone(line) && (introduced || told(&paragraph("", &lines[at + 1..lines.len().min(at + 1 + NEAR)]))) {
        return all;
    }
    let sentence = WORDS.sentences.iter().find_map(|pattern| {
        let found: Vec<_> = pattern.addresses(line).into_iter().filter_map(|(address, _)| bare(address)).collect();
        (!found.is_empty()).then_some(found)
    });
    match sentence {
        Some(found) if introduced || told(line) || WORDS.failures.is_match(line) => found,
        _ if weak && told(line) && all.len() == 1 => all,
        // A sentence that goes on over the end of the line.
        _ if all.len() == 1 => {
            let above = at.checked_sub(1).map_or("", |above| lines[above]);
            let joined = format!("{above} {line} {}", lines.get(at + 1).unwrap_or(&""));
            let spans = WORDS.sentences[..3].iter().any(|pattern| {
                pattern.addresses(&joined).iter().any(|(address, _)| bare(address).as_ref() == all.first())
            });
            if spans && !WORDS.others.is_match(above) { all } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

/// Addresses that are never whom a bounce is about: the two ends of the bounce itself, and who sent what came back.
fn excluded(letter: &Letter<'_>) -> HashSet<String> {
    let of = |message: &Message<'_>, names: &[&str]| -> Vec<String> {
        let found = names.iter().flat_map(|name| message.addresses(name).into_iter().take(50).collect::<Vec<_>>());
        found.map(|(_, address)| address.to_lowercase()).collect()
    };
    let mut never = HashSet::new();
    let own = ["From", "To", "Cc", "Reply-To", "Sender", "Return-Path", "Delivered-To", "Errors-To"];
    never.extend(of(letter.message, &own));
    never.extend(never.iter().filter_map(|address| list_of(address)).collect::<Vec<_>>());
    if let Some(original) = &letter.original {
        let sender = ["From", "Sender", "Reply-To", "Return-Path", "Errors-To", "List-Post", "X-BeenThere"];
        never.extend(of(&original.message(), &sender));
    }
    never
}

/// The list whose bounce address this may be: `dev-bounces+tag@lists.example.org`.
fn list_of(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let local = local.split('+').next()?;
    let (list, word) = local.rsplit_once('-').unwrap_or((local, ""));
    let list = if ["bounces", "bounce", "owner", "request", "errors", "admin"].contains(&word) { list } else { local };
    Some(format!("{list}@{domain}"))
}

fn is_role(address: &str) -> bool {
    address.rsplit_once('@').is_none_or(|(local, _)| WORDS.roles.is_match(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_as_its_head_says() {
        assert!(!WORDS.samples.is_empty());
        let all = [&WORDS.senders, &WORDS.subjects, &WORDS.failures, &WORDS.delays, &WORDS.others, &WORDS.roles];
        for pattern in all.into_iter().chain(&WORDS.introductions).chain(&WORDS.sentences) {
            assert!(!pattern.is_match("") && !pattern.is_match("hello, thank you and good bye"));
        }
        for line in ["deliver to bob@example.net failed", "unknown user: bob@example.net"] {
            let names =
                |pattern: &Pattern| pattern.addresses(line).iter().any(|(address, _)| *address == "bob@example.net");
            assert!(WORDS.sentences.iter().any(names), "{line}");
        }
    }
}
