//! The addresses with a token: a moderator approves, rejects or discards with one, the author takes the post back.

use listmill_core::{Decision, HeldId, Unavailable, Verdict};
use listmill_mail::message::Message;
use listmill_mail::reply::written;
use listmill_mail::token::{Act, decision_held, is_decision_token};

use super::decide::{Decree, before, decide_one, said};
use super::post::record;
use crate::ask::Ask;
use crate::grammar;
use crate::read::carry_out;
use crate::session::{Said, Session};

/// Characters of a reason that the author is told.
pub(super) const MAX_REASON: usize = 1000;

/// What a token turned out to be good for.
pub(super) enum Good {
    /// This post waits, and the token is for this person, this act and the bytes that were held.
    Held(HeldId),
    /// It was, before the post was decided.
    Decided(Box<Decision>),
    /// Nothing.
    Nothing,
}

/// What `token` lets the requester do: it is bound to the digest in the record. No bytes are read before it is known that the token is good.
pub(super) fn good_for(s: &Session<'_>, act: Act, token: &str) -> Result<Good, Unavailable> {
    let Some(id) = decision_held(token) else { return Ok(Good::Nothing) };
    let (keys, list, view) = (s.keys()?, &s.list.address, s.draft.view);
    let good =
        |sha256: &str| !sha256.is_empty() && is_decision_token(&keys, list, id, &s.who.address, act, sha256, token);
    if let Some(post) = record(view, list, id)? {
        let valid = post.expires > s.cx.now && good(&post.sha256);
        return Ok(if valid { Good::Held(id) } else { Good::Nothing });
    }
    let decision = view.decision(list, id)?.filter(|decision| good(&decision.post.sha256));
    Ok(decision.map(Box::new).map_or(Good::Nothing, Good::Decided))
}

/// The one answer to a token that is worth nothing here, whatever is wrong with it.
pub(super) fn worthless(s: &mut Session<'_>, command: &str) {
    let said = s.refused("decides-nothing", &[]);
    s.note(command, said);
}

/// A mail to `dev-approve+TOKEN@`, `dev-reject+TOKEN@`, `dev-discard+TOKEN@`.
pub(crate) fn by_token(s: &mut Session<'_>, act: Act, token: &str, message: &Message<'_>) -> Result<(), Unavailable> {
    let (verdict, name) = match act {
        Act::Approve => (Verdict::Accept, "approve"),
        Act::Reject => (Verdict::Reject, "reject"),
        _ => (Verdict::Discard, "discard"),
    };
    // Who is in charge no more has tokens that are worth nothing.
    let good = if s.may_moderate()? { good_for(s, act, token)? } else { Good::Nothing };
    match good {
        Good::Nothing => worthless(s, name),
        Good::Decided(decision) => {
            let said = before(s, &decision);
            s.note(&format!("{name} {}", decision.post.id), said);
        }
        Good::Held(id) => {
            s.has_token = true;
            let reason = if act == Act::Reject { reason(message, id) } else { String::new() };
            let ask = Ask::Decide { verdict, ids: vec![id], reason };
            let said = carry_out(s, &ask)?;
            s.note(&ask.to_string(), said);
        }
    }
    Ok(())
}

/// What the person wrote as the reason, in one line: without the word `reject` that the notice puts there for them.
fn reason(message: &Message<'_>, id: HeldId) -> String {
    let lines = written(message).lines;
    let mut lines = lines.iter().map(String::as_str).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let first = match grammar::decision(first, Some(id)) {
        Ok(Ask::Decide { verdict: Verdict::Reject, reason, .. }) => reason,
        _ => first.to_owned(),
    };
    let words = std::iter::once(first.as_str()).chain(lines).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    words.join(" ").chars().take(MAX_REASON).collect()
}

/// The author takes their own post back.
pub(crate) fn cancel(s: &mut Session<'_>, token: &str) -> Result<Said, Unavailable> {
    match good_for(s, Act::Cancel, token)? {
        Good::Held(id) => {
            let by = s.who.address.to_string();
            let verdict = Verdict::Cancel;
            let came = decide_one(s, id, Decree { verdict, by: &by, reason: "" })?;
            Ok(said(s, id, verdict, came))
        }
        Good::Decided(decision) => Ok(fate(s, &decision)),
        Good::Nothing => Ok(s.refused("token-unknown", &[])),
    }
}

/// What the author of a decided post is told: what became of it, and not who decided.
fn fate(s: &Session<'_>, decision: &Decision) -> Said {
    let what = s.phrase(&format!("verdict-{}", decision.verdict), &[]);
    s.refused("held-fate", &[("what", &what), ("at", &super::post::moment(decision.at))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_what_was_written_behind_the_word() {
        let of = |body: &str| {
            let message = format!("From: bob@example.net\r\nSubject: reject 12\r\n\r\n{}", body.replace('\n', "\r\n"));
            reason(&Message::parse(message.as_bytes()), 12)
        };
        assert_eq!(of("reject off topic\n"), "off topic");
        assert_eq!(of("reject \n\nThis is not about mills.\nSorry.\n-- \nAlice\n"), "This is not about mills. Sorry.");
        assert_eq!(of("Not here, please.\n"), "Not here, please.");
        assert_eq!(of("reject\n"), "");
        assert_eq!(of(""), "");
        assert!(of(&"x y ".repeat(1000)).chars().count() <= 1000);
    }
}
