//! Leaving: this list, or every list of the domain.

use listmill_core::settings::Policy;
use listmill_core::{Address, List, Member, RequestKind, Role, Trust, Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_templates::Farewell;

use super::Outcome;
use super::own::lists_of;
use crate::held;
use crate::requests::Opening;
use crate::session::{Said, Session};

/// By policy: leaves, opens a request, or holds the wish for a moderator.
pub(crate) fn leave(s: &mut Session<'_>, address: Option<&Address>, everywhere: bool) -> Outcome {
    let own = s.who.address.clone();
    if let Some(other) = address.filter(|other| **other != own) {
        return confirm(s, other, everywhere);
    }
    if everywhere {
        return confirm(s, &own, true);
    }
    let proven = s.who.is_proven();
    if proven && !s.has_role(Role::Member)? {
        return Ok(not_a_member(s));
    }
    match s.list.settings.unsubscribe_policy {
        Policy::Open if proven || s.who.disowned.is_none() => {
            let trust = s.who.trust();
            depart(s, &own, Some(trust))
        }
        Policy::Confirm if proven => depart(s, &own, Some(Trust::Known)),
        Policy::Moderate if proven => held::hold_request(s, "leave"),
        _ => confirm(s, &own, false),
    }
}

fn not_a_member(s: &Session<'_>) -> Said {
    s.refused("not-a-member", &[("address", s.who.address.as_str()), ("list", s.list.address.as_str())])
}

fn confirm(s: &mut Session<'_>, address: &Address, everywhere: bool) -> Outcome {
    let by = (*address != s.who.address).then(|| s.who.address.clone());
    let (kind, command, text) = if everywhere {
        (RequestKind::LeaveAll, "leave *", "confirm-leave-all")
    } else {
        (RequestKind::Leave, "leave", "confirm-leave")
    };
    s.ask_to_confirm(Opening { kind, address, commands: vec![command.to_owned()], by, text })
}

/// `s.who` has confirmed.
pub(crate) fn leave_confirmed(s: &mut Session<'_>, everywhere: bool) -> Outcome {
    if everywhere {
        return leave_everywhere(s);
    }
    if !s.has_role(Role::Member)? {
        return Ok(not_a_member(s));
    }
    if is_moderated(s.list) {
        return held::hold_request(s, "leave");
    }
    let own = s.who.address.clone();
    depart(s, &own, None)
}

/// A moderator has approved that `address` leaves.
pub(crate) fn leave_approved(s: &mut Session<'_>, address: &Address) -> Outcome {
    let known = s.draft.member(&s.list.address, address)?;
    if !known.is_some_and(|known| known.roles.has(Role::Member)) {
        return Ok(s.refused("not-a-member", &[("address", address.as_str()), ("list", s.list.address.as_str())]));
    }
    Ok(Said { told: false, ..depart(s, address, None)? })
}

fn is_moderated(list: &List) -> bool {
    matches!(list.settings.unsubscribe_policy, Policy::Moderate | Policy::ConfirmAndModerate)
}

fn leave_everywhere(s: &mut Session<'_>) -> Outcome {
    let domain = s.list.address.domain();
    let mut lines = Vec::new();
    for (list, member) in lists_of(s, &s.who.address)? {
        if list.address.domain() != domain || !member.roles.has(Role::Member) {
            continue;
        }
        let leave = list.address.with_word(Word::Leave, "");
        let values = [("list", list.address.as_str()), ("leave", leave.as_str())];
        if is_moderated(&list) {
            lines.push(s.phrase("leave-moderated", &values));
        } else {
            lines.push(s.phrase("left-one", &values));
            take_off(s, &list, member)?;
        }
    }
    if lines.is_empty() {
        return Ok(s.refused("on-no-list", &[("address", s.who.address.as_str())]));
    }
    Ok(Said { text: lines.join("\n"), ..s.done("left-one", &[]) })
}

/// What is left of somebody who leaves: who also runs the list keeps running it.
pub(super) fn without_membership(mut member: Member) -> Option<Member> {
    member.roles = member.roles.without(Role::Member);
    member.roles.is_staff().then_some(member)
}

fn take_off(s: &mut Session<'_>, list: &List, member: Member) -> Result<(), Unavailable> {
    let address = member.address.clone();
    // An older wish to join must not bring them back when its letter is answered one day.
    if let Some(request) = s.draft.request(&list.address, RequestKind::Join, &address)? {
        s.draft.close(&request, "cancelled by leaving");
    }
    match without_membership(member) {
        Some(left) => s.draft.put_member(&list.address, left),
        None => {
            s.draft.drop_member(&list.address, &address);
            Ok(())
        }
    }
}

/// Takes somebody off the list, and tells them. Who is not on it gets the same answer: it may be somebody else who asks.
/// On the word of a mail that may be forged nobody leaves without hearing of it.
fn depart(s: &mut Session<'_>, address: &Address, trust: Option<Trust>) -> Outcome {
    let list = s.list;
    if !s.would_hear(address, trust)? {
        return Ok(s.refused("untold-budget", &[]));
    }
    let member = s.draft.member(&list.address, address)?;
    let language = language_of(member.as_ref(), list).to_owned();
    if let Some(member) = member.filter(|member| member.roles.has(Role::Member)) {
        take_off(s, list, member)?;
    }
    let told = farewell(s, address, &language, trust)? && *address == s.who.address;
    let done = s.done("left", &[("address", address.as_str()), ("list", list.address.as_str())]);
    Ok(Said { told, ..done })
}

/// Tells somebody that they are no longer a member; false where the list tells nothing.
pub(crate) fn farewell(
    s: &mut Session<'_>,
    address: &Address,
    language: &str,
    trust: Option<Trust>,
) -> Result<bool, Unavailable> {
    let list = s.list;
    if !list.settings.welcome {
        return Ok(false);
    }
    let (join, owner) = (s.address(Word::Join), s.address(Word::Owner));
    let values = Farewell {
        list: list.address.as_str(),
        description: &list.settings.description,
        address: address.as_str(),
        join: &join,
        owner: &owner,
    };
    let answers = s.message.filter(|_| *address == s.who.address);
    let letter = Letter { answers, ..Letter::from_owners("farewell", list, address, language) };
    s.write(&letter, &values, trust)?;
    Ok(true)
}
