//! What a person is and has chosen: the lists they are on, their settings here, and how these are changed.

use listmill_core::{Address, By, Delivery, List, Member, Timestamp, Unavailable};
use listmill_templates::LANGUAGES;

use super::Outcome;
use crate::ask::Choice;
use crate::requests::day;
use crate::session::{Said, Session};

/// Lists are read in pages of so many.
const PAGE: usize = 200;

/// Every list of the site that an address is on, with its record there.
pub(super) fn lists_of(s: &Session<'_>, address: &Address) -> Result<Vec<(List, Member)>, Unavailable> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = s.draft.view.lists(after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|list| list.address.clone());
        for list in page {
            if let Some(member) = s.draft.member(&list.address, address)? {
                found.push((list, member));
            }
        }
        if last {
            return Ok(found);
        }
    }
}

/// The lists that the requester is on.
pub(crate) fn which(s: &mut Session<'_>) -> Outcome {
    let mut lines = Vec::new();
    for (list, member) in lists_of(s, &s.who.address)? {
        let (roles, delivery) = (member.roles.to_string(), delivery(s, &member));
        let values = [("list", list.address.as_str()), ("roles", &roles), ("delivery", &delivery)];
        lines.push(s.phrase("which-one", &values));
    }
    if lines.is_empty() {
        return Ok(s.refused("on-no-list", &[("address", s.who.address.as_str())]));
    }
    Ok(Said { text: lines.join("\n"), ..s.done("which-one", &[]) })
}

/// How somebody receives, in words.
fn delivery(s: &Session<'_>, member: &Member) -> String {
    let until = member.resumes.filter(|at| *at > s.cx.now.as_second()).and_then(|at| Timestamp::from_second(at).ok());
    match (member.delivery, until) {
        (Delivery::Each, _) => s.phrase("delivery-on", &[]),
        (Delivery::Off(_), Some(until)) => s.phrase("delivery-until", &[("day", &day(until))]),
        (Delivery::Off(_), None) if member.resumes.is_some() => s.phrase("delivery-on", &[]),
        (Delivery::Off(By::Member), None) => s.phrase("delivery-off", &[]),
        (Delivery::Off(By::Owner), None) => s.phrase("delivery-off-owner", &[]),
        (Delivery::Off(By::Bounces), None) => s.phrase("delivery-off-bounces", &[]),
    }
}

/// The requester's record on this list; none is said so.
fn own(s: &Session<'_>) -> Result<Result<Member, Said>, Unavailable> {
    let values = [("address", s.who.address.as_str()), ("list", s.list.address.as_str())];
    let member = s.draft.member(&s.list.address, &s.who.address)?;
    Ok(member.ok_or_else(|| s.refused("not-a-member", &values)))
}

/// The requester's settings here.
pub(crate) fn show(s: &mut Session<'_>) -> Outcome {
    let member = match own(s)? {
        Ok(member) => member,
        Err(said) => return Ok(said),
    };
    let done = s.done("show", &[("address", member.address.as_str()), ("list", s.list.address.as_str())]);
    let language = listmill_letters::language_of(Some(&member), s.list);
    let mut lines = vec![
        done.text.clone(),
        format!("roles: {}", member.roles),
        format!("delivery: {}", delivery(s, &member)),
        format!("lang: {language}"),
    ];
    lines.extend(member.preferences.named().iter().map(|(name, on)| format!("{name}: {}", word(s, *on))));
    Ok(Said { text: lines.join("\n"), ..done })
}

/// Changes one of them.
pub(crate) fn set(s: &mut Session<'_>, choice: &Choice) -> Outcome {
    let mut member = match own(s)? {
        Ok(member) => member,
        Err(said) => return Ok(said),
    };
    let said = match choice {
        Choice::Delivery { on, until } => return set_delivery(s, member, *on, *until),
        Choice::Digest(kind) if kind == "no" => return Ok(s.done("set", &[("name", "digest"), ("value", "no")])),
        Choice::Digest(_) => return Ok(s.refused("no-digests", &[])),
        Choice::Language(language) => {
            let Some(language) = known_language(language) else {
                return Ok(s.refused("no-such-language", &[("languages", &LANGUAGES.join(", "))]));
            };
            member.language = Some(language.to_owned());
            s.done("set", &[("name", "lang"), ("value", language)])
        }
        Choice::Preference { name, on } => {
            member.preferences.set(name, *on);
            s.done("set", &[("name", name), ("value", &word(s, *on))])
        }
    };
    keep(s, member)?;
    Ok(said)
}

/// One of the languages that there are; of one with a region, the language alone.
fn known_language(wanted: &str) -> Option<&'static str> {
    let base = wanted.split(['-', '_']).next().unwrap_or_default();
    LANGUAGES.into_iter().find(|known| known.eq_ignore_ascii_case(base))
}

fn set_delivery(s: &mut Session<'_>, mut member: Member, on: bool, until: Option<i64>) -> Outcome {
    if member.delivery == Delivery::Off(By::Owner) {
        return Ok(s.refused("delivery-is-owners", &[]));
    }
    if until.is_some_and(|until| until <= s.cx.now.as_second()) {
        return Ok(s.refused("day-is-past", &[]));
    }
    member.delivery = if on { Delivery::Each } else { Delivery::Off(By::Member) };
    member.resumes = until;
    let value = delivery(s, &member);
    let said = s.done("set", &[("name", "delivery"), ("value", &value)]);
    keep(s, member)?;
    Ok(said)
}

/// Keeps the record, if anything in it has changed.
fn keep(s: &mut Session<'_>, member: Member) -> Result<(), Unavailable> {
    let list = s.list;
    if s.draft.member(&list.address, &member.address)?.as_ref() != Some(&member) {
        s.draft.put_member(&list.address, member)?;
    }
    Ok(())
}

/// What a switch stands at, in words.
fn word(s: &Session<'_>, on: bool) -> String {
    s.phrase(if on { "switch-on" } else { "switch-off" }, &[])
}
