//! What `expect.toml` says, held against what was decided.
//!
//! A key that a case does not name is not looked at. A text may hold `*`, which stands for anything. An array must match
//! element by element, except `fields`, of which each pattern must match some header field, and `lacks`, of which none may be the
//! name of one.

use toml::{Table, Value};

/// What is wrong; nothing when it is as expected.
pub(crate) fn differences(expected: &Table, found: &Table) -> Vec<String> {
    expected.iter().filter_map(|(key, want)| difference(key, want, found)).collect()
}

fn difference(key: &str, want: &Value, found: &Table) -> Option<String> {
    if key == "lacks" {
        let names = want.as_array()?.iter().filter_map(Value::as_str);
        let there: Vec<_> = names.filter(|name| fields(found).any(|field| is_named(field, name))).collect();
        return (!there.is_empty()).then(|| format!("the message has {there:?}"));
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
