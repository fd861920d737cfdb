//! The recognisers: forms in which programs report failures without the standard, as data (`data/bounces/forms.toml`).
//!
//! A form is known by patterns on the author, the subject, the fields and the text; where it is known, it says between which
//! lines the recipients stand and how such a line looks. `CONTRIBUTING.md` says how to add one.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::StatusCode;
use super::address::bare;
use super::cause::names_cause;
use super::letter::Letter;
use super::report::Kind;

const DATA: &str = include_str!("../../data/bounces/forms.toml");

/// The most lines in which what a host said of one recipient is looked for.
const MAX_REASON: usize = 16;

/// An address, as a pattern.
const ADDRESS: &str = r#"(?P<address>(?:"[^"\s]+"|[^\s<>()\[\],;:"`\\|*]+)@[\w.-]*[\w])"#;

/// Where a word ends, told by its ASCII letters: the engine is many times slower with the boundaries of Unicode.
pub(crate) const ASCII_BOUNDARY: &str = r"(?-u:\b)";

/// The word before an `@`, where a form gives no more.
const NAME: &str = r#"(?P<address>[^\s<>()\[\],;:"`\\|@]+)"#;

pub(crate) static ADDRESSES: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::try_from(ADDRESS.to_owned()).expect("it is a pattern"));

/// One form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    /// Its name, which is that of its samples as well.
    pub(crate) name: String,
    /// Who writes it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers of the data, and its test"))]
    of: String,
    /// What a message in this form is.
    #[serde(default)]
    pub(crate) kind: FormKind,
    /// The author matches; where several such patterns are given, all must.
    from: Option<Pattern>,
    /// The subject matches.
    subject: Option<Pattern>,
    /// One of the fields matches; as `Name: value`.
    field: Option<Pattern>,
    /// The text matches.
    text: Option<Pattern>,
    /// Recipients stand behind the first line that matches; without it, anywhere.
    begin: Option<Pattern>,
    /// They stand before the next line that matches.
    end: Option<Pattern>,
    /// What a line looks like that names one.
    #[serde(default)]
    recipient: Vec<Pattern>,
    /// A field that names them.
    in_field: Option<String>,
    /// The domain of those who are named without one.
    domain: Option<String>,
    /// Where nobody is named: the recipient of the message that came back, if it has one alone.
    #[serde(default)]
    original_to: bool,
    /// What the samples must give: address, status (or `-`), cause; one row a sample.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the data"))]
    samples: Vec<Vec<String>>,
}

/// What a message in a form is.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FormKind {
    #[default]
    Bounce,
    Delayed,
    AutoReply,
    Other,
}

impl From<FormKind> for Kind {
    fn from(kind: FormKind) -> Kind {
        match kind {
            FormKind::Bounce => Kind::Bounce,
            FormKind::Delayed => Kind::Delayed,
            FormKind::AutoReply => Kind::AutoReply,
            FormKind::Other => Kind::Other,
        }
    }
}

/// A regular expression: letters in either case, `^` and `$` at lines, `{address}` for an address and `{name}` for a local part.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, regex::Error> {
        let text = text.replace("{address}", ADDRESS).replace("{name}", NAME).replace(r"\b", ASCII_BOUNDARY);
        Regex::new(&format!("(?im){text}")).map(Pattern)
    }
}

impl Pattern {
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// What stands for the address, and behind the match.
    pub(crate) fn addresses<'t>(&self, line: &'t str) -> Vec<(&'t str, &'t str)> {
        let found = self.0.captures_iter(line);
        let pair = |captures: regex::Captures<'t>| {
            let (whole, address) = (captures.get(0)?, captures.name("address")?);
            Some((address.as_str(), &line[whole.end()..]))
        };
        found.filter_map(pair).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    form: Vec<Form>,
}

/// The forms in the order in which they are tried.
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let data: Data = toml::from_str(DATA).expect("a test reads the data");
    data.form
});

/// A recipient that a text names, and what is said near it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) address: String,
    /// Behind the address, up to the next one.
    pub(crate) behind: String,
    /// In front of it, with its own line.
    pub(crate) before: String,
}

/// The first form that `letter` has, and whom it names.
pub(crate) fn recognise(letter: &Letter<'_>) -> Option<(&'static Form, Vec<Named>)> {
    FORMS.iter().filter(|form| form.is_of(letter)).find_map(|form| {
        let named = form.named(letter);
        let complete = !named.is_empty() || form.kind != FormKind::Bounce;
        complete.then_some((form, named))
    })
}

impl Form {
    fn is_of(&self, letter: &Letter<'_>) -> bool {
        let matches = |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|p| p.is_match(text));
        matches(&self.from, &letter.from)
            && matches(&self.subject, &letter.subject)
            && self.field.as_ref().is_none_or(|pattern| has_field(letter, pattern))
            && matches(&self.text, &letter.text)
    }

    fn named(&self, letter: &Letter<'_>) -> Vec<Named> {
        let lines = letter.lines();
        let mut named = self.in_lines(self.section(&lines));
        if let Some(field) = &self.in_field {
            let listed = letter
                .message
                .raw(field)
                .flat_map(|value| value.split([',', ';', ' ', '\t']).filter_map(bare).take(100).collect::<Vec<_>>());
            for address in listed.filter(|address| address.contains('@')) {
                if !named.iter().any(|known| known.address.eq_ignore_ascii_case(&address)) {
                    let near = near(&lines, &address);
                    named.push(Named { address, behind: near, before: String::new() });
                }
            }
        }
        if named.is_empty() && self.original_to {
            named.extend(original_to(letter).map(|address| Named {
                address,
                behind: letter.text.clone(),
                before: String::new(),
            }));
        }
        named
    }

    /// The lines between which recipients stand.
    fn section<'l, 't>(&self, lines: &'l [&'t str]) -> &'l [&'t str] {
        let begin = match &self.begin {
            Some(pattern) => lines.iter().position(|line| pattern.is_match(line)).map_or(lines.len(), |at| at + 1),
            None => 0,
        };
        let rest = &lines[begin..];
        let end = self.end.as_ref().and_then(|pattern| rest.iter().position(|line| pattern.is_match(line)));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn in_lines(&self, lines: &[&str]) -> Vec<Named> {
        let found = |line: &str| -> Vec<(String, String)> {
            let of = |pattern: &Pattern| {
                let pairs = pattern.addresses(line).into_iter();
                pairs
                    .filter_map(|(address, rest)| Some((self.whole(bare(address)?), rest.to_owned())))
                    .collect::<Vec<_>>()
            };
            self.recipient.iter().map(of).find(|found| !found.is_empty()).unwrap_or_default()
        };
        let rows: Vec<Vec<(String, String)>> = lines.iter().map(|line| found(line)).collect();
        let mut named: Vec<Named> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let next = (at + 1..rows.len()).find(|next| !rows[*next].is_empty()).unwrap_or(rows.len());
            let before = (0..at).rev().find(|before| !rows[*before].is_empty()).map_or(0, |before| before + 1);
            for (address, rest) in row {
                if let Some(known) = named.iter_mut().find(|known| known.address.eq_ignore_ascii_case(address)) {
                    known.behind = format!("{} {}", known.behind, paragraph(lines[at], &lines[at + 1..next]));
                    continue;
                }
                named.push(Named {
                    address: address.clone(),
                    behind: paragraph(rest, &lines[at + 1..next]),
                    before: lines[before.max(at.saturating_sub(MAX_REASON))..=at].join(" "),
                });
            }
        }
        named
    }
}

impl Form {
    /// With the domain of the form, where it has none.
    fn whole(&self, address: String) -> String {
        match &self.domain {
            Some(domain) if !address.contains('@') => format!("{address}@{domain}"),
            _ => address,
        }
    }
}

fn has_field(letter: &Letter<'_>, pattern: &Pattern) -> bool {
    let fields = letter.message.fields().iter().take(500);
    let line = |field: &crate::message::Field<'_>| {
        let value = String::from_utf8_lossy(letter.message.value(field));
        format!("{}: {}", field.name, value.trim())
    };
    fields.map(line).any(|line| pattern.is_match(&line))
}

/// The rest of a line and the paragraph below it; the next ones too, while none says what is wrong.
pub(crate) fn paragraph(rest: &str, below: &[&str]) -> String {
    let mut text = rest.trim().to_owned();
    for line in below.iter().take(MAX_REASON) {
        if is_address(line) {
            // What is said behind the next address is of that one; addresses in a row have one reason.
            if letters(&text) > 0 {
                break;
            }
        } else if begins_with_address(line) && names_cause(&text) {
            break;
        } else if !line.trim().is_empty() {
            text.push(' ');
            text.push_str(line.trim());
        } else if letters(&text) > 0 && (names_cause(&text) || StatusCode::find(&text).is_some()) {
            break;
        }
    }
    text.trim().to_owned()
}

/// What is said at the address, or below, where the address stands alone.
pub(crate) fn said_at(lines: &[&str], at: usize) -> String {
    let rest = if is_address(lines[at]) { "" } else { lines[at] };
    paragraph(rest, &lines[at + 1..])
}

/// Besides addresses the line has hardly anything.
pub(crate) fn alone(line: &str) -> bool {
    others(line) <= 24
}

/// The letters and digits of a line that are in no address.
pub(crate) fn others(line: &str) -> usize {
    let addresses: usize = ADDRESSES.addresses(line).iter().map(|(address, _)| letters(address)).sum();
    letters(line).saturating_sub(addresses)
}

/// An address stands in this line, and nothing is said of it.
fn is_address(line: &str) -> bool {
    line.contains('@') && others(line) <= 12 && !ADDRESSES.addresses(line).is_empty() && !names_cause(line)
}

/// An entry of a list: `- bob@example.net: mailbox full`.
fn begins_with_address(line: &str) -> bool {
    let mut words = line.split_whitespace().filter(|word| letters(word) > 0);
    words.next().is_some_and(|word| word.contains('@'))
}

pub(crate) fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

/// What is said behind the first place where the address stands.
pub(crate) fn near(lines: &[&str], address: &str) -> String {
    let wanted = address.to_lowercase();
    let at = lines.iter().position(|line| line.to_lowercase().contains(&wanted));
    at.map(|at| said_at(lines, at)).unwrap_or_default()
}

/// The one recipient of the message that came back.
pub(crate) fn original_to(letter: &Letter<'_>) -> Option<String> {
    let original = letter.original.as_ref()?;
    let message = original.message();
    let mut to = message.addresses("To").into_iter().chain(message.addresses("Cc")).map(|(_, address)| address);
    let (first, None) = (to.next()?, to.next()) else { return None };
    let own = |name: &str| message.addresses(name).iter().any(|(_, address)| address.eq_ignore_ascii_case(&first));
    // A post names its list there, and no member.
    let list = message.raw("List-Post").any(|value| value.to_lowercase().contains(&first.to_lowercase()))
        || message.has("List-Id")
        || message.has("List-Unsubscribe");
    (!list && !["From", "Sender", "Reply-To", "Return-Path"].iter().any(|name| own(name))).then_some(first)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_data_is_as_its_head_says() {
        let mut known = HashSet::new();
        for form in FORMS.iter() {
            assert!(known.insert(form.name.as_str()), "{} stands there twice", form.name);
            assert!(
                form.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                form.name
            );
            assert!(!form.of.is_empty() && !form.samples.is_empty(), "{}: who writes it, and a sample", form.name);
            let tells = form.text.is_some() || form.field.is_some() || form.subject.is_some();
            assert!(tells, "{}: an author alone tells nothing", form.name);
            let names = !form.recipient.is_empty() || form.in_field.is_some();
            assert!(names || form.kind != FormKind::Bounce, "{} names nobody", form.name);
            for pattern in [&form.from, &form.subject, &form.field, &form.text].into_iter().flatten() {
                assert!(!pattern.is_match(""), "{} has a pattern that fits anything", form.name);
            }
        }
    }
}
