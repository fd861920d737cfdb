//! How the posts of somebody are treated from now on: `trust`, `moderate`, `ban`, `unban`, by address or by the number of a held post.

use listmill_core::{
    Action, Address, Ban, BanPattern, BanScope, HeldId, Moderation, Role, Unavailable, Verdict, settings,
};
use listmill_templates::Status;

use super::decide::{Decree, decide_one, said, together};
use super::others::Deed;
use super::post::{Found, find};
use crate::ask::Whom;
use crate::session::{Said, Session};

const ALLOWED: &str = "allowed_nonmembers";

/// Nonmembers who can be allowed by mail: every post of a nonmember is held against each of them.
const MOST_ALLOWED: usize = 1000;

/// `trust 7`: it is approved, and so is whatever its author writes from now on. `trust bob@example.net`: the latter.
pub(crate) fn trust(s: &mut Session<'_>, whom: &[Whom]) -> Result<Said, Unavailable> {
    each(s, whom, |s, whom| {
        let (address, first) = match author_and(s, whom, Some(Verdict::Accept))? {
            Ok(found) => found,
            Err(said) => return Ok(said),
        };
        let then = let_pass(s, &address)?;
        Ok(both(first, then))
    })
}

/// `moderate bob@example.net`: what they write is held from now on.
pub(crate) fn moderate(s: &mut Session<'_>, whom: &[Whom]) -> Result<Said, Unavailable> {
    each(s, whom, |s, whom| {
        let (address, _) = match author_and(s, whom, None)? {
            Ok(found) => found,
            Err(said) => return Ok(said),
        };
        hold_back(s, &address)
    })
}

/// `ban 4`: it is discarded, and its author may do nothing here any more. `ban bob@example.net`, `ban @example.net`: the latter.
pub(crate) fn ban(s: &mut Session<'_>, whom: &[Whom]) -> Result<Said, Unavailable> {
    each(s, whom, |s, whom| {
        let pattern = match whom {
            Whom::Named(text) => {
                text.parse::<BanPattern>().map_err(|_| s.refused("ban-no-pattern", &[("pattern", text)]))
            }
            Whom::AuthorOf(id) => match author_of(s, *id)? {
                Ok(address) => Ok(BanPattern::Address(address)),
                Err(said) => Err(said),
            },
        };
        let pattern = match pattern {
            Ok(pattern) => pattern,
            Err(said) => return Ok(said),
        };
        if in_charge(s, &pattern)? {
            return Ok(s.refused("ban-in-charge", &[("pattern", &pattern.to_string())]));
        }
        let first = match whom {
            Whom::AuthorOf(id) => Some(decided(s, *id, Verdict::Discard)?),
            Whom::Named(_) => None,
        };
        if first.as_ref().is_some_and(|first| first.status == Status::Ok) {
            s.deeds.last_mut().into_iter().for_each(Deed::with_ban);
        }
        let by = s.who.address.to_string();
        let then = s.done("banned", &[("pattern", &pattern.to_string())]);
        let scope = BanScope::List(s.list.address.clone());
        s.draft.ban(Ban { scope, pattern, reason: format!("by {by}"), since: s.cx.now });
        Ok(both(first, then))
    })
}

/// `unban bob@example.net`.
pub(crate) fn unban(s: &mut Session<'_>, patterns: &[String]) -> Result<Said, Unavailable> {
    let scope = BanScope::List(s.list.address.clone());
    let mut all = Vec::new();
    for text in patterns {
        let gone = match text.parse() {
            Ok(pattern) => s.draft.unban(&scope, &pattern)?,
            Err(_) => false,
        };
        let values = [("pattern", text.as_str())];
        all.push(if gone { s.done("unbanned", &values) } else { s.refused("unban-not-banned", &values) });
    }
    Ok(together(all))
}

fn each(
    s: &mut Session<'_>,
    whom: &[Whom],
    one: impl Fn(&mut Session<'_>, &Whom) -> Result<Said, Unavailable>,
) -> Result<Said, Unavailable> {
    let all = whom.iter().map(|whom| one(s, whom)).collect::<Result<Vec<_>, _>>()?;
    Ok(together(all))
}

fn both(first: Option<Said>, then: Said) -> Said {
    match first {
        Some(first) => together(vec![first, then]),
        None => then,
    }
}

/// Who is meant, and what came of the decision about their post, where there is one.
fn author_and(
    s: &mut Session<'_>,
    whom: &Whom,
    verdict: Option<Verdict>,
) -> Result<Result<(Address, Option<Said>), Said>, Unavailable> {
    match whom {
        Whom::Named(text) => Ok(match text.parse() {
            Ok(address) => Ok((address, None)),
            Err(_) => Err(s.refused("no-address", &[("address", text)])),
        }),
        Whom::AuthorOf(id) => {
            let author = author_of(s, *id)?;
            let first = match verdict {
                Some(verdict) => Some(decided(s, *id, verdict)?),
                None => None,
            };
            Ok(match (author, first) {
                (Err(_), Some(first)) if first.status == Status::Refused => Err(first),
                (Err(said), first) => Err(both(first, said)),
                (Ok(_), Some(first)) if first.status == Status::Refused => Err(first),
                (Ok(address), first) => Ok((address, first)),
            })
        }
    }
}

/// The author of a held post; what to say where none can be named, or no post waits.
fn author_of(s: &Session<'_>, id: HeldId) -> Result<Result<Address, Said>, Unavailable> {
    let number = id.to_string();
    let values = [("id", number.as_str())];
    Ok(match find(s, id)? {
        Found::Held(post) => post.author.parse().map_err(|_| s.refused("held-no-author", &values)),
        Found::Decided(decision) => Err(super::decide::before(s, &decision)),
        Found::Above => Err(s.refused("held-decided-above", &values)),
        Found::Nothing => Err(s.refused("held-nothing", &values)),
    })
}

fn decided(s: &mut Session<'_>, id: HeldId, verdict: Verdict) -> Result<Said, Unavailable> {
    let by = s.who.address.to_string();
    let came = decide_one(s, id, Decree { verdict, by: &by, reason: "" })?;
    Ok(said(s, id, verdict, came))
}

/// A member's posts pass, and so do those of a nonmember who is allowed.
fn let_pass(s: &mut Session<'_>, address: &Address) -> Result<Said, Unavailable> {
    let list = s.list.address.clone();
    let values = [("address", address.as_str())];
    if let Some(mut member) = s.draft.member(&list, address)? {
        member.moderation = Moderation::Always(Action::Accept);
        s.draft.put_member(&list, member)?;
    } else {
        let mut allowed = allowed(s);
        if !allowed.contains(address) {
            allowed.push(address.clone());
            if allowed.len() > MOST_ALLOWED || !allow(s, &allowed) {
                return Ok(s.refused("trust-too-many", &values));
            }
        }
    }
    Ok(s.done("trusted", &values))
}

/// A member's posts are held; a nonmember is treated as all are.
fn hold_back(s: &mut Session<'_>, address: &Address) -> Result<Said, Unavailable> {
    let list = s.list.address.clone();
    let values = [("address", address.as_str())];
    if let Some(mut member) = s.draft.member(&list, address)? {
        member.moderation = Moderation::Always(Action::Hold);
        s.draft.put_member(&list, member)?;
        return Ok(s.done("moderated", &values));
    }
    let before = allowed(s);
    let after: Vec<_> = before.iter().filter(|one| *one != address).cloned().collect();
    if after.len() < before.len() {
        allow(s, &after);
    }
    let action = s.list.settings.nonmember_action.to_string();
    Ok(s.done("moderated-nonmember", &[("address", address.as_str()), ("action", &action)]))
}

/// The nonmembers whose posts pass, the lines above counted.
fn allowed(s: &Session<'_>) -> Vec<Address> {
    match s.draft.own_setting(s.list, ALLOWED) {
        Some(own) => own.split_ascii_whitespace().filter_map(|one| one.parse().ok()).collect(),
        None => s.list.settings.allowed_nonmembers.clone(),
    }
}

fn allow(s: &mut Session<'_>, allowed: &[Address]) -> bool {
    let value = allowed.iter().map(Address::as_str).collect::<Vec<_>>().join(" ");
    let good = settings::check(ALLOWED, &value).is_ok();
    if good {
        s.draft.set(&s.list.address, ALLOWED, Some(value));
    }
    good
}

/// The pattern hits somebody who runs the list: nobody takes it from them by one line.
fn in_charge(s: &Session<'_>, pattern: &BanPattern) -> Result<bool, Unavailable> {
    for role in [Role::Owner, Role::Moderator] {
        if s.draft.view.staff(&s.list.address, role)?.iter().any(|person| pattern.hits(&person.address)) {
            return Ok(true);
        }
    }
    Ok(false)
}
