//! Owners put people on the list, take them off, and invite them.

use listmill_core::{Address, Member, RequestKind, Role, Trust, Unavailable, leads_back};
use listmill_letters::language_of;
use listmill_templates::Status;

use super::Outcome;
use crate::ask::{Ask, Joining};
use crate::members::{enter, farewell};
use crate::requests::Opening;
use crate::session::{Said, Session};

/// Asks somebody to join; they confirm, and need no moderator.
pub(crate) fn invite(s: &mut Session<'_>, address: &Address) -> Outcome {
    if let Some(key) = obstacle(s, address)? {
        return Ok(s.refused(key, &[("address", address.as_str())]));
    }
    let by = Some(s.who.address.clone());
    let commands = vec![Ask::Invite(address.clone()).to_string()];
    s.ask_to_confirm(Opening { kind: RequestKind::Join, address, commands, by, text: "invitation" })
}

/// Why somebody cannot come on the list.
fn obstacle(s: &Session<'_>, address: &Address) -> Result<Option<&'static str>, Unavailable> {
    if leads_back(s.draft.view, address, &s.list.address)? {
        return Ok(Some("is-no-person"));
    }
    let member = s.draft.member(&s.list.address, address)?;
    if member.is_some_and(|member| member.roles.has(Role::Member)) {
        return Ok(Some("is-member"));
    }
    Ok(s.draft.is_banned(&s.list.address, address)?.then_some("is-banned"))
}

/// New members; each is said what became of it, and is welcomed.
pub(crate) fn add(s: &mut Session<'_>, addresses: &[Address]) -> Outcome {
    each(s, addresses, |s, address| {
        if let Some(key) = obstacle(s, address)? {
            return Ok(Err(key));
        }
        // Nobody asked for this letter but the owner.
        enter(s, address, &Joining::default(), Some(Trust::Stranger))?;
        Ok(Ok("was-added"))
    })
}

/// Members who go, with every role; but a list keeps its last owner.
pub(crate) fn del(s: &mut Session<'_>, addresses: &[Address]) -> Outcome {
    each(s, addresses, |s, address| {
        let list = s.list;
        let Some(member) = s.draft.member(&list.address, address)? else { return Ok(Err("is-no-member")) };
        if is_last_owner(s, &member)? {
            return Ok(Err("is-last-owner"));
        }
        let language = language_of(Some(&member), list).to_owned();
        s.draft.drop_member(&list.address, address);
        farewell(s, address, &language, Some(Trust::Stranger))?;
        Ok(Ok("was-removed"))
    })
}

fn is_last_owner(s: &Session<'_>, member: &Member) -> Result<bool, Unavailable> {
    if !member.roles.has(Role::Owner) {
        return Ok(false);
    }
    for owner in s.draft.view.staff(&s.list.address, Role::Owner)? {
        let now = s.draft.member(&s.list.address, &owner.address)?;
        if owner.address != member.address && now.is_some_and(|now| now.roles.has(Role::Owner)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A line for each address; done, if anything was.
fn each<'a>(
    s: &mut Session<'a>,
    addresses: &[Address],
    mut act: impl FnMut(&mut Session<'a>, &Address) -> Result<Result<&'static str, &'static str>, Unavailable>,
) -> Outcome {
    let mut status = Status::Refused;
    let mut lines = Vec::new();
    for address in addresses {
        let key = match act(s, address)? {
            Ok(key) => {
                status = Status::Ok;
                key
            }
            Err(key) => key,
        };
        lines.push(s.phrase(key, &[("address", address.as_str())]));
    }
    Ok(Said { status, text: lines.join("\n"), told: false })
}
