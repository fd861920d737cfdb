//! What stands behind each keyword. None: it says nothing to us.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use listmill_core::{Address, HeldId, Verdict};

use super::numbers::{numbers, word_of_numbers};
use super::table::Arguments;
use super::words;
use crate::ask::{Ask, Choice, Joining, Whom};

/// No token of ours is longer.
const MAX_TOKEN: usize = 100;

/// A command without arguments.
pub(super) fn alone(a: &Arguments<'_>, ask: Ask) -> Option<Ask> {
    a.words().is_empty().then_some(ask)
}

pub(super) fn help(a: &Arguments<'_>) -> Option<Ask> {
    let topic = a.words().first().map(|word| word.to_ascii_lowercase());
    Some(Ask::Help(topic.filter(|topic| is_plain(topic))))
}

pub(super) fn join(a: &Arguments<'_>) -> Option<Ask> {
    let mut joining = Joining::default();
    for word in a.words() {
        let (key, value) = pair(&word);
        match (key.as_str(), value) {
            ("nomail", "") => joining.nomail = true,
            ("digest", "") => joining.digest = Some("mime".to_owned()),
            ("nodigest", "") => joining.digest = Some("no".to_owned()),
            ("digest", _) => joining.digest = Some(digest(value)?),
            ("address", _) => joining.address = Some(value.parse().ok()?),
            _ if word.contains('@') => joining.address = Some(word.parse().ok()?),
            _ if a.behind_list => (),
            _ => return None,
        }
    }
    Some(Ask::Join(joining))
}

pub(super) fn leave(a: &Arguments<'_>) -> Option<Ask> {
    let (mut address, mut everywhere) = (None, false);
    for word in a.words() {
        let (key, value) = pair(&word);
        match (key.as_str(), value) {
            ("*", "") => everywhere = true,
            ("address", _) => address = Some(value.parse().ok()?),
            _ if word.contains('@') => address = Some(word.parse().ok()?),
            _ if a.behind_list => (),
            _ => return None,
        }
    }
    Some(Ask::Leave { address, everywhere })
}

/// A kind of digest, as anybody calls it.
fn digest(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "no" | "off" => Some("no".to_owned()),
        "on" | "yes" => Some("mime".to_owned()),
        "mime" | "plain" | "index" | "summary" => Some(word),
        _ => None,
    }
}

/// A token; what is no token is not passed on.
pub(super) fn token(a: &Arguments<'_>) -> Option<String> {
    let token = a.words().into_iter().next()?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte);
    (token.len() <= MAX_TOKEN && token.bytes().all(good)).then_some(token)
}

pub(super) fn cancel(a: &Arguments<'_>) -> Option<Ask> {
    if a.words().is_empty() { Some(Ask::Cancel(None)) } else { token(a).map(|token| Ask::Cancel(Some(token))) }
}

pub(super) fn set(a: &Arguments<'_>) -> Option<Ask> {
    let words = a.words();
    let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let preference = |name: &str, on| Some(Choice::Preference { name: name.to_owned(), on });
    let choice = match words.as_slice() {
        ["mail"] | ["delivery", "on"] => Some(Choice::Delivery { on: true, until: None }),
        ["delivery", "off", rest @ ..] | ["nomail" | "vacation", rest @ ..] => away(rest),
        ["digest"] => Some(Choice::Digest("mime".to_owned())),
        ["nodigest"] => Some(Choice::Digest("no".to_owned())),
        ["digest", kind] => Some(Choice::Digest(digest(kind)?)),
        ["lang" | "language", language] if is_plain(language) => Some(Choice::Language((*language).to_owned())),
        [name @ ("ack" | "myposts" | "duplicates" | "hide"), word] => preference(name, switch(word)?),
        // As LISTSERV and Sympa say it.
        ["ack"] => preference("ack", true),
        ["noack"] => preference("ack", false),
        ["repro"] => preference("myposts", true),
        ["norepro"] => preference("myposts", false),
        ["conceal"] => preference("hide", true),
        ["noconceal"] => preference("hide", false),
        _ => None,
    };
    choice.map(Ask::Set)
}

pub(super) fn mail(a: &Arguments<'_>) -> Option<Ask> {
    alone(a, Ask::Set(Choice::Delivery { on: true, until: None }))
}

pub(super) fn nomail(a: &Arguments<'_>) -> Option<Ask> {
    let words = a.words();
    away(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(Ask::Set)
}

/// Delivery off, `until 2026-12-24`, or for good.
fn away(words: &[&str]) -> Option<Choice> {
    let until = match words {
        [] => None,
        [until, day] if until.eq_ignore_ascii_case("until") => Some(day_of(day)?),
        _ => return None,
    };
    Some(Choice::Delivery { on: false, until })
}

/// The first second of a day, in seconds since 1970.
fn day_of(text: &str) -> Option<i64> {
    let good = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day: Date = good.then(|| text.parse().ok())??;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn switch(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "yes" => Some(true),
        "off" | "no" => Some(false),
        _ => None,
    }
}

pub(super) fn change_address(a: &Arguments<'_>) -> Option<Ask> {
    match addresses(a)?.as_slice() {
        [new] => Some(Ask::ChangeAddress { old: None, new: new.clone() }),
        [old, new] => Some(Ask::ChangeAddress { old: Some(old.clone()), new: new.clone() }),
        _ => None,
    }
}

pub(super) fn invite(a: &Arguments<'_>) -> Option<Ask> {
    match addresses(a)?.as_slice() {
        [one] => Some(Ask::Invite(one.clone())),
        _ => None,
    }
}

/// Addresses, at least one. `Bob Example <bob@example.net>` is one, too, and so is what Outlook makes of an address:
/// `bob@example.net <mailto:bob@example.net>`.
pub(super) fn addresses(a: &Arguments<'_>) -> Option<Vec<Address>> {
    let may_be_named = a.behind_list || a.text.contains('<');
    let mut addresses: Vec<Address> = Vec::new();
    for word in a.words().iter().flat_map(|word| word.split([',', ';'])).filter(|word| !word.is_empty()) {
        match words::clean(word).parse::<Address>() {
            Ok(address) if addresses.contains(&address) => (),
            Ok(address) => addresses.push(address),
            Err(_) if may_be_named && !word.contains('@') => (),
            Err(_) => return None,
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// Numbers alone, at least one.
pub(super) fn ids(a: &Arguments<'_>) -> Option<Vec<HeldId>> {
    let found = numbers(a.text)?;
    (!found.ids.is_empty() && found.rest.is_empty()).then_some(found.ids)
}

pub(super) fn decide(a: &Arguments<'_>, verdict: Verdict) -> Option<Ask> {
    let found = numbers(a.text).filter(|found| !found.ids.is_empty())?;
    let reason = if found.colon { found.rest } else { reason(found.rest) };
    (verdict == Verdict::Reject || reason.is_empty()).then(|| Ask::Decide {
        verdict,
        ids: found.ids,
        reason: reason.to_owned(),
    })
}

/// A reason without the mark that parts it from what is before it.
pub(super) fn reason(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace()).trim_start_matches([':', '-', '–', '—', ',']).trim()
}

pub(super) fn undo(a: &Arguments<'_>) -> Option<Ask> {
    if a.words().is_empty() { Some(Ask::Undo(Vec::new())) } else { ids(a).map(Ask::Undo) }
}

/// Numbers and addresses, at least one.
pub(super) fn whom(a: &Arguments<'_>) -> Option<Vec<Whom>> {
    let mut whom: Vec<Whom> = Vec::new();
    for word in a.words() {
        match word_of_numbers(&word)? {
            Some(ids) => whom.extend(ids.into_iter().map(Whom::AuthorOf)),
            None => whom.extend(named(&word)?.into_iter().map(Whom::Named)),
        }
    }
    (!whom.is_empty()).then_some(whom)
}

pub(super) fn unban(a: &Arguments<'_>) -> Option<Ask> {
    let words = a.words();
    let patterns: Vec<String> = words.iter().map(|word| named(word)).collect::<Option<Vec<_>>>()?.concat();
    (!patterns.is_empty()).then_some(Ask::Unban(patterns))
}

/// Addresses or `@domain`s with commas between them, by the look of them.
fn named(word: &str) -> Option<Vec<String>> {
    let parts = word.split([',', ';']).map(words::clean).filter(|part| !part.is_empty());
    let good = |part: &str| part.contains('@') && !part.contains(char::is_whitespace);
    parts.map(|part| good(part).then(|| part.to_owned())).collect()
}

pub(super) fn emergency(a: &Arguments<'_>) -> Option<Ask> {
    match a.words().as_slice() {
        [word] => switch(word).map(Ask::Emergency),
        _ => None,
    }
}

pub(super) fn config(a: &Arguments<'_>) -> Option<Ask> {
    let (verb, rest) = words::first(a.text)?;
    let (key, value) = words::first(rest).unwrap_or_default();
    let (key, value) = (words::clean(key).to_ascii_lowercase(), value.trim());
    match (words::clean(verb).to_ascii_lowercase().as_str(), is_plain(&key), value.is_empty()) {
        ("show", _, true) if key.is_empty() => Some(Ask::ConfigShow(None)),
        ("show", true, true) => Some(Ask::ConfigShow(Some(key))),
        ("unset", true, true) => Some(Ask::ConfigSet { key, value: None }),
        ("set", true, false) => Some(Ask::ConfigSet { key, value: Some(value_of(value)) }),
        _ => None,
    }
}

/// A value as it is written, or within quotes; `\n` in it begins a new line.
fn value_of(text: &str) -> String {
    let text = text.strip_prefix('=').unwrap_or(text).trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.replace("\\n", "\n")
}

/// A word that can be shown to anybody: letters, digits, `-` and `_`.
fn is_plain(word: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !word.is_empty() && word.len() <= 32 && word.bytes().all(good)
}

/// `key=value`, the key in lower case and the value without marks around it; a word alone is a key.
fn pair(word: &str) -> (String, &str) {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    (key.to_ascii_lowercase(), words::clean(value))
}
