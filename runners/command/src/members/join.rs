//! Joining: at once, after a confirmation, or when a moderator approves.

use listmill_core::settings::Policy;
use listmill_core::{Address, By, Delivery, Member, RequestKind, Role, Trust, Unavailable, Word, leads_back};
use listmill_letters::{Letter, language_of};
use listmill_templates::Welcome;

use super::{Outcome, own};
use crate::ask::{Choice, Joining};
use crate::held;
use crate::requests::Opening;
use crate::session::{Said, Session};

/// No display name that anybody has is longer.
const MAX_NAME: usize = 100;

/// By policy: joins, opens a request, or holds the wish for a moderator.
pub(crate) fn join(s: &mut Session<'_>, joining: &Joining) -> Outcome {
    if joining.digest.as_deref().is_some_and(|kind| kind != "no") {
        return Ok(s.refused("no-digests", &[]));
    }
    let mine = Joining { address: None, digest: None, ..joining.clone() };
    if let Some(other) = joining.address.as_ref().filter(|other| **other != s.who.address) {
        return confirm(s, other, &mine);
    }
    // What is known of an address is told to whoever has it, and to nobody else.
    if leads_back(s.draft.view, &s.who.address, &s.list.address)? {
        return Ok(s.refused("is-no-person", &[("address", s.who.address.as_str())]));
    }
    if s.who.is_proven() && s.has_role(Role::Member)? {
        return already_there(s, &mine);
    }
    let address = s.who.address.clone();
    match s.list.settings.subscribe_policy {
        Policy::Open if s.who.is_proven() || s.who.disowned.is_none() => {
            let trust = s.who.trust();
            if !s.would_hear(&address, Some(trust))? {
                return Ok(s.refused("untold-budget", &[]));
            }
            enter(s, &address, &mine, Some(trust))
        }
        Policy::Moderate if s.who.is_proven() => held::hold_request(s, &mine.to_string()),
        _ => confirm(s, &address, &mine),
    }
}

fn already_there(s: &mut Session<'_>, joining: &Joining) -> Outcome {
    if joining.nomail { own::set(s, &Choice::Delivery { on: false, until: None }) } else { Ok(already(s)) }
}

fn already(s: &Session<'_>) -> Said {
    s.done("already-member", &[("address", s.who.address.as_str()), ("list", s.list.address.as_str())])
}

fn confirm(s: &mut Session<'_>, address: &Address, joining: &Joining) -> Outcome {
    let by = (*address != s.who.address).then(|| s.who.address.clone());
    let commands = vec![joining.to_string()];
    s.ask_to_confirm(Opening { kind: RequestKind::Join, address, commands, by, text: "confirm-join" })
}

/// `s.who` has confirmed. Whom an owner has invited needs no moderator.
pub(crate) fn join_confirmed(s: &mut Session<'_>, joining: &Joining, invited: bool) -> Outcome {
    let moderated = matches!(s.list.settings.subscribe_policy, Policy::Moderate | Policy::ConfirmAndModerate);
    if s.has_role(Role::Member)? {
        return Ok(already(s));
    }
    if s.draft.is_banned(&s.list.address, &s.who.address)? {
        return Ok(s.refused("may-not-join", &[("list", s.list.address.as_str())]));
    }
    if moderated && !invited {
        return held::hold_request(s, &joining.to_string());
    }
    let address = s.who.address.clone();
    enter(s, &address, joining, None)
}

/// A moderator has approved that `address` joins.
pub(crate) fn join_approved(s: &mut Session<'_>, address: &Address, joining: &Joining) -> Outcome {
    let known = s.draft.member(&s.list.address, address)?;
    if known.is_some_and(|known| known.roles.has(Role::Member)) {
        return Ok(s.done("already-member", &[("address", address.as_str()), ("list", s.list.address.as_str())]));
    }
    Ok(Said { told: false, ..enter(s, address, joining, None)? })
}

/// Puts somebody on the list, and welcomes them; `trust` as in [`Session::write`]. Who is on it already gets the same answer: it
/// may be somebody else who asks.
pub(crate) fn enter(s: &mut Session<'_>, address: &Address, joining: &Joining, trust: Option<Trust>) -> Outcome {
    let list = s.list;
    let known = s.draft.member(&list.address, address)?;
    if s.draft.is_banned(&list.address, address)? {
        return Ok(s.refused("may-not-join", &[("list", list.address.as_str())]));
    }
    let member = match known {
        Some(known) if known.roles.has(Role::Member) => known,
        known => {
            let mut member = known.unwrap_or_else(|| new(s, address));
            member.roles = member.roles.with(Role::Member);
            if joining.nomail {
                member.delivery = Delivery::Off(By::Member);
            }
            s.draft.put_member(&list.address, member.clone())?;
            member
        }
    };
    let told = welcome(s, &member, trust)? && *address == s.who.address;
    let done = s.done("joined", &[("address", address.as_str()), ("list", list.address.as_str())]);
    Ok(Said { told, ..done })
}

/// Without any role yet.
fn new(s: &Session<'_>, address: &Address) -> Member {
    let mut member = Member::new(address.clone(), s.cx.now.as_second());
    member.roles = listmill_core::Roles::NONE;
    if *address == s.who.address {
        member.name = s.who.name.chars().filter(|letter| !letter.is_control()).take(MAX_NAME).collect();
    }
    member
}

/// Tells a new member; false where the list tells nothing.
fn welcome(s: &mut Session<'_>, member: &Member, trust: Option<Trust>) -> Result<bool, Unavailable> {
    let list = s.list;
    if !list.settings.welcome {
        return Ok(false);
    }
    let (leave, request, owner) = (s.address(Word::Leave), s.address(Word::Request), s.address(Word::Owner));
    let values = Welcome {
        list: list.address.as_str(),
        description: &list.settings.description,
        address: member.address.as_str(),
        post: list.address.as_str(),
        leave: &leave,
        request: &request,
        owner: &owner,
    };
    let language = language_of(Some(member), list).to_owned();
    let answers = s.message.filter(|_| member.address == s.who.address);
    let letter = Letter { answers, ..Letter::from_owners("welcome", list, &member.address, &language) };
    s.write(&letter, &values, trust)?;
    Ok(true)
}
