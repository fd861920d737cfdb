//! What `expect.toml` says, held against what was decided.
//!
//! A key that a case does not name is not looked at. A text may hold `*`, which stands for anything. An array must match
//! element by element, except `fields`, of which each pattern must match some header field, `lacks`, of which none may be the
//! name of one, and `says` and `never_says`, whose texts must all or never stand in the message's text; there, white space counts as one space.

use serde::Deserialize;
use toml::{Table, Value};

/// `expect.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    #[serde(default)]
    disposition: Vec<Table>,
    /// There may be others: before, between and behind these.
    #[serde(default)]
    others: bool,
}

impl Expected {
    /// What is wrong with all that was decided.
    pub(crate) fn faults(&self, found: &[Table]) -> Vec<String> {
        if self.others { self.missing(found) } else { self.unlike(found) }
    }

    fn unlike(&self, found: &[Table]) -> Vec<String> {
        let (want, is) = (self.disposition.len(), found.len());
        let count = (want != is).then(|| format!("there are {is} dispositions, expected {want}"));
        let each = (1..).zip(self.disposition.iter().zip(found)).flat_map(|(number, (want, is))| {
            let named = move |fault| format!("disposition {number}: {fault}");
            differences(want, is).into_iter().map(named)
        });
        count.into_iter().chain(each).collect()
    }

    fn missing(&self, found: &[Table]) -> Vec<String> {
        let mut rest = found.iter();
        let missing = (1..).zip(&self.disposition).find(|(_, want)| !rest.any(|is| differences(want, is).is_empty()));
        missing
            .map(|(number, want)| format!("no disposition is, in this order, number {number}:\n{want}"))
            .into_iter()
            .collect()
    }
}

/// What is wrong; nothing when it is as expected.
fn differences(expected: &Table, found: &Table) -> Vec<String> {
    expected.iter().filter_map(|(key, want)| difference(key, want, found)).collect()
}

fn difference(key: &str, want: &Value, found: &Table) -> Option<String> {
    if key == "lacks" {
        let names = want.as_array()?.iter().filter_map(Value::as_str);
        let there: Vec<_> = names.filter(|name| fields(found).any(|field| is_named(field, name))).collect();
        return (!there.is_empty()).then(|| format!("the message has {there:?}"));
    }
    if let "says" | "never_says" = key {
        let Some(texts) = want.as_array() else { return Some(format!("{key} is a list of texts")) };
        let text = one_spaced(found.get("text").and_then(Value::as_str).unwrap_or_default());
        let stands = |part: &&str| glob(&format!("*{}*", one_spaced(part)), &text);
        let wrong: Vec<_> =
            texts.iter().filter_map(Value::as_str).filter(|part| stands(part) != (key == "says")).collect();
        return (!wrong.is_empty())
            .then(|| format!("the text {} {wrong:?}", if key == "says" { "lacks" } else { "has" }));
    }
    let Some(is) = found.get(key) else {
        // A fact that is not known to every entry, as `banned`: absent is expected as the empty text.
        return (want.as_str() != Some("")).then(|| format!("there is no {key:?}"));
    };
    match (key, want, is) {
        ("fields", Value::Array(patterns), _) => {
            let missing: Vec<_> = patterns.iter().filter_map(Value::as_str).filter(|one| !has(found, one)).collect();
            (!missing.is_empty()).then(|| format!("no header field is {missing:?}"))
        }
        (_, Value::Table(want), Value::Table(is)) => {
            let inner = differences(want, is);
            (!inner.is_empty()).then(|| format!("{key}: {}", inner.join("; ")))
        }
        _ => (!matches(want, is)).then(|| format!("{key} is {is}, expected {want}")),
    }
}

fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn fields(found: &Table) -> impl Iterator<Item = &str> {
    found.get("fields").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn has(found: &Table, pattern: &str) -> bool {
    fields(found).any(|field| glob(pattern, field))
}

fn is_named(field: &str, name: &str) -> bool {
    field.split(':').next().is_some_and(|is| is.eq_ignore_ascii_case(name))
}

fn matches(want: &Value, is: &Value) -> bool {
    match (want, is) {
        (Value::String(want), Value::String(is)) => glob(want, is),
        (Value::Array(want), Value::Array(is)) => {
            want.len() == is.len() && want.iter().zip(is).all(|(want, is)| matches(want, is))
        }
        (Value::Table(want), Value::Table(is)) => differences(want, is).is_empty(),
        _ => want == is,
    }
}

/// `*` stands for anything, line ends included.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    true
}

#[test]
fn a_star_stands_for_anything() {
    assert!(glob("a", "a") && !glob("a", "ab"));
    assert!(glob("a*", "a") && glob("a*", "ab") && !glob("a*", "ba"));
    assert!(glob("*b*d", "abcd") && glob("a*c*", "abcd") && !glob("a*x*", "abcd"));
    assert!(!glob("a*a", "a"), "no part is used twice");
}

#[test]
fn a_text_says_what_it_says_however_it_is_folded() {
    let found: Table = toml::from_str("text = \"You are\\n  on the list.\\nBye\"").unwrap();
    let wrong = |expected: &str| differences(&toml::from_str(expected).unwrap(), &found).len();
    assert_eq!(wrong("says = ['are on the list.', 'You*Bye']"), 0);
    assert_eq!(wrong("says = ['Bye', 'Hello']"), 1);
    assert_eq!(wrong("never_says = ['Hello', 'bye']"), 0);
    assert_eq!(wrong("never_says = ['Hello', 'on the']"), 1);
}

#[test]
fn dispositions_are_counted_unless_others_may_be_there() {
    let found: Vec<Table> = ["a", "b", "c"].map(|kind| toml::from_str(&format!("kind = '{kind}'")).unwrap()).into();
    let faults = |text: &str| toml::from_str::<Expected>(text).unwrap().faults(&found).len();
    let of =
        |kinds: &[&str]| kinds.iter().map(|kind| format!("[[disposition]]\nkind = '{kind}'\n")).collect::<String>();
    assert_eq!(faults(&of(&["a", "b", "c"])), 0);
    assert_eq!(faults(&of(&["a", "b"])), 1);
    assert_eq!(faults(&of(&["a", "c"])), 2);
    assert_eq!(faults(&format!("others = true\n{}", of(&["a", "c"]))), 0);
    assert_eq!(faults(&format!("others = true\n{}", of(&["c", "a"]))), 1);
}
