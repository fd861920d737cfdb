//! An answer to a notice or to a summary: `dev-request+TOKEN@`. Its lines decide; an answer without such a line decides nothing.

use listmill_core::{HeldId, Unavailable};
use listmill_mail::message::Message;
use listmill_mail::reply::written;
use listmill_mail::token::{Act, SummaryClaim, decision_held, is_summary_token, summary_claim};
use listmill_queue_format::{Digest, decode};

use super::decide::before;
use super::post::numbers;
use super::token::{Good, good_for, worthless};
use crate::ask::{Ask, Whom};
use crate::grammar::{self, Fault, Line};
use crate::read::{carry_out, lines as carry_out_lines};
use crate::session::Session;

/// How long a summary can be answered.
const SUMMARY_DAYS: i64 = 14;

/// Posts that a page has, where a summary is looked at again.
const PAGE: usize = 500;

/// An answer to a notice or a summary.
pub(crate) fn answer(s: &mut Session<'_>, token: &str, message: &Message<'_>) -> Result<(), Unavailable> {
    let lines = written(message).lines;
    match (s.may_moderate()?, summary_claim(token)) {
        (true, Some(claim)) => to_summary(s, token, claim, &lines),
        (true, None) => to_notice(s, token, &lines),
        // Who is not in charge, or no more: a sign of life, to who asks for something, and nothing to who only answers.
        (false, _) if decisions(&lines, decision_held(token)).iter().any(is_ask) => {
            worthless(s, "…");
            Ok(())
        }
        (false, _) => Ok(()),
    }
}

fn to_notice(s: &mut Session<'_>, token: &str, lines: &[String]) -> Result<(), Unavailable> {
    match good_for(s, Act::Answer, token)? {
        Good::Nothing => worthless(s, "…"),
        Good::Decided(decision) => {
            let said = before(s, &decision);
            s.note("…", said);
        }
        Good::Held(id) => {
            s.has_token = true;
            let decisions = decisions(lines, Some(id));
            carry_out_all(s, decisions, None)?;
        }
    }
    Ok(())
}

fn to_summary(s: &mut Session<'_>, token: &str, claim: SummaryClaim, lines: &[String]) -> Result<(), Unavailable> {
    let age = s.cx.now.duration_since(claim.issued);
    let items = if age.as_hours() < 24 * SUMMARY_DAYS { shown(s, token, claim)? } else { None };
    match items {
        None => worthless(s, "…"),
        Some(items) => {
            s.has_token = true;
            carry_out_all(s, decisions(lines, None), Some(&items))?;
        }
    }
    Ok(())
}

/// The numbers that the summary showed, when the token is good.
///
/// What it showed is what was held then: what still is, and what was decided since. A decision in the very second of the summary may
/// have come before it or after it, so both are tried.
fn shown(s: &Session<'_>, token: &str, claim: SummaryClaim) -> Result<Option<Vec<HeldId>>, Unavailable> {
    let issued = claim.issued.as_second();
    let (mut items, mut doubtful) = (Vec::new(), Vec::new());
    let (list, view) = (&s.list.address, s.draft.view);
    let mut after = claim.first.checked_sub(1);
    while let Some(page) = page(|| view.held(list, after, PAGE))? {
        after = page.last().map(|post| post.id);
        for post in page.into_iter().filter(|post| post.id <= claim.last && post.since.as_second() <= issued) {
            let Some((_, file)) = view.held_entry(list, post.id)? else { continue };
            // The bytes as they are now: an answer is about what was shown.
            let Ok(entry) = decode(&file.0) else { return Ok(None) };
            items.push((post.id, Digest::of(&entry.message).to_string()));
        }
        if after.is_some_and(|last| last >= claim.last) {
            break;
        }
    }
    let mut after = claim.first.checked_sub(1);
    while let Some(page) = page(|| view.decisions(list, after, PAGE))? {
        after = page.last().map(|decision| decision.post.id);
        for decision in page.into_iter().filter(|one| one.post.id <= claim.last) {
            let (at, post) = (decision.at.as_second(), decision.post);
            if at >= issued && post.since.as_second() <= issued {
                let place = if at == issued { &mut doubtful } else { &mut items };
                place.push((post.id, post.sha256));
            }
        }
        if after.is_some_and(|last| last >= claim.last) {
            break;
        }
    }
    let keys = s.keys()?;
    let good = |items: &[(HeldId, String)]| {
        let items: Vec<_> = items.iter().map(|(id, sha256)| (*id, sha256.as_str())).collect();
        is_summary_token(&keys, list, &s.who.address, claim, &items, token)
    };
    if !good(&items) {
        items.append(&mut doubtful);
        if !good(&items) {
            return Ok(None);
        }
    }
    Ok(Some(items.into_iter().map(|(id, _)| id).collect()))
}

/// A page with something on it.
fn page<T>(read: impl Fn() -> Result<Vec<T>, Unavailable>) -> Result<Option<Vec<T>>, Unavailable> {
    Ok(Some(read()?).filter(|page| !page.is_empty()))
}

/// The lines that decide, and those that were meant to. What people write around them is theirs.
fn decisions(lines: &[String], about: Option<HeldId>) -> Vec<Line> {
    let mut decisions = Vec::new();
    for line in lines {
        match grammar::decision(line, about) {
            Ok(Ask::End) => break,
            Ok(ask) => decisions.push(Line::Ask(ask)),
            Err(Fault::Usage(command)) => decisions.push(Line::Usage(line.clone(), command)),
            Err(Fault::Unknown) => {}
        }
    }
    decisions
}

fn is_ask(line: &Line) -> bool {
    matches!(line, Line::Ask(_))
}

/// Carries out the lines; of a summary, what it has shown.
fn carry_out_all(s: &mut Session<'_>, lines: Vec<Line>, shown: Option<&[HeldId]>) -> Result<(), Unavailable> {
    if !lines.iter().any(is_ask) {
        // Nobody whose word would count has said anything: a forged answer is not answered.
        if s.is_sure_of_who_is_in_charge() {
            let said = s.refused("held-nothing-decided", &[]);
            s.note("…", said);
        }
        return Ok(());
    }
    for line in lines {
        match (line, shown) {
            (Line::Ask(mut ask), Some(shown)) => {
                let others = keep(&mut ask, shown);
                if !others.is_empty() {
                    let said = s.refused("held-not-in-summary", &[("ids", &numbers(&others))]);
                    s.note(&ask.to_string(), said);
                }
                if others.is_empty() || names_any(&ask) {
                    let said = carry_out(s, &ask)?;
                    s.note(&ask.to_string(), said);
                }
            }
            (line, _) => carry_out_lines(s, vec![line])?,
        }
    }
    Ok(())
}

/// Takes the numbers out that the summary has not shown; those.
fn keep(ask: &mut Ask, shown: &[HeldId]) -> Vec<HeldId> {
    let mut others = Vec::new();
    let mut is_shown = |id: &HeldId| {
        let here = shown.contains(id);
        if !here {
            others.push(*id);
        }
        here
    };
    match ask {
        Ask::Decide { ids, .. } | Ask::Defer(ids) | Ask::Undo(ids) => ids.retain(is_shown),
        Ask::Trust(whom) | Ask::Moderate(whom) | Ask::Ban(whom) => whom.retain(|one| match one {
            Whom::AuthorOf(id) => is_shown(id),
            Whom::Named(_) => true,
        }),
        _ => {}
    }
    others
}

fn names_any(ask: &Ask) -> bool {
    match ask {
        Ask::Decide { ids, .. } | Ask::Defer(ids) | Ask::Undo(ids) => !ids.is_empty(),
        Ask::Trust(whom) | Ask::Moderate(whom) | Ask::Ban(whom) => !whom.is_empty(),
        _ => true,
    }
}
