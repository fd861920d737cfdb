//! An answer to a notice or to a summary: `dev-request+TOKEN@`. Its lines decide; an answer without such a line decides nothing.

use listmill_core::{HeldId, Unavailable, Verdict};
use listmill_mail::message::Message;
use listmill_mail::reply::written;
use listmill_mail::token::{Act, SummaryClaim, decision_held, summary_claim};

use super::decide::before;
use super::post::numbers;
use super::shown::shown;
use super::token::{Good, MAX_REASON, good_for, worthless};
use crate::ask::{Ask, Whom};
use crate::grammar::{self, Fault, Line, MAX_COMMANDS, MAX_LINES};
use crate::read::{carry_out, lines as carry_out_lines};
use crate::session::Session;

/// How long a summary can be answered.
const SUMMARY_DAYS: i64 = 14;

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

/// The lines that decide, and those that were meant to, of as many as a message of commands may have. What people write around them is theirs.
fn decisions(lines: &[String], about: Option<HeldId>) -> Vec<Line> {
    let (mut decisions, mut asks) = (Vec::new(), 0);
    for (at, line) in lines.iter().filter(|line| !line.trim().is_empty()).enumerate() {
        if at == MAX_LINES || asks == MAX_COMMANDS {
            decisions.push(Line::Rest);
            break;
        }
        match grammar::decision(line, about) {
            Ok(ask) => {
                asks += 1;
                decisions.push(Line::Ask(ask));
            }
            Err(Fault::Usage(command)) => decisions.push(Line::Usage(line.clone(), command)),
            Err(Fault::Unknown) => go_on(&mut decisions, line, about),
            Err(Fault::End) => break,
        }
    }
    decisions
}

/// A reason goes on until the next decision, as it does at the address that rejects.
fn go_on(decisions: &mut [Line], line: &str, about: Option<HeldId>) {
    if let (Some(_), Some(Line::Ask(Ask::Decide { verdict: Verdict::Reject, reason, .. }))) =
        (about, decisions.last_mut())
    {
        let longer = format!("{reason} {}", line.trim());
        *reason = longer.trim_start().chars().take(MAX_REASON).collect();
    }
}

fn is_ask(line: &Line) -> bool {
    matches!(line, Line::Ask(_))
}

/// Carries out the lines; of a summary, what it has shown.
fn carry_out_all(s: &mut Session<'_>, mut lines: Vec<Line>, shown: Option<&[HeldId]>) -> Result<(), Unavailable> {
    if !lines.iter().any(is_ask) {
        // Nobody whose word would count has said anything: a forged answer is not answered.
        if s.is_sure_of_who_is_in_charge() {
            let said = s.refused("held-nothing-decided", &[]);
            s.note("…", said);
        }
        return Ok(());
    }
    if !s.is_sure_of_who_is_in_charge() {
        // Whoever forges an answer makes one letter, which asks whether it is true.
        lines.retain(|line| !matches!(line, Line::Rest));
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
