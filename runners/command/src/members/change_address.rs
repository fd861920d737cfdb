//! One address in the place of another, on every list of the domain. Both addresses must be the requester's: one asks with
//! a proof, the other confirms. Where the old one runs a list that wants people in charge to confirm (`moderator_proof`), it is the
//! old one that confirms last.

use listmill_core::settings::Proof;
use listmill_core::{Address, List, Member, RequestKind, Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_mail::compose::Room;
use listmill_templates::{ResultLine, Results, Status};

use super::Outcome;
use super::own::lists_of;
use crate::ask::Ask;
use crate::requests::Opening;
use crate::session::{Said, Session};

/// Asks the other address.
pub(crate) fn change_address(s: &mut Session<'_>, old: Option<&Address>, new: &Address) -> Outcome {
    let own = s.who.address.clone();
    let old = old.unwrap_or(&own);
    if old == new {
        return Ok(s.refused("same-address", &[]));
    }
    let (other, text) = match (*old == own, *new == own) {
        (true, _) => (new, "confirm-address"),
        // Whoever has lost the old address cannot confirm; then an owner must help.
        (_, true) => (old, "confirm-commands"),
        _ => return Ok(s.refused("not-your-address", &[("old", old.as_str()), ("new", new.as_str())])),
    };
    ask(s, other, text, old, new)
}

/// Asks one of the two; the other one is who asks.
fn ask(s: &mut Session<'_>, whom: &Address, text: &'static str, old: &Address, new: &Address) -> Outcome {
    let by = Some(s.who.address.clone());
    s.ask_to_confirm(Opening { kind: RequestKind::Address, address: whom, commands: vec![command(old, new)], by, text })
}

fn command(old: &Address, new: &Address) -> String {
    Ask::ChangeAddress { old: Some(old.clone()), new: new.clone() }.to_string()
}

/// Both have proven themselves: `s.who` has confirmed, the other one has asked.
pub(crate) fn change_address_confirmed(s: &mut Session<'_>, old: &Address, new: &Address) -> Outcome {
    let (mut lines, mut moved, mut reader, mut must_ask) = (Vec::new(), Vec::new(), None, false);
    for (list, member) in lists_of(s, old)? {
        if list.address.domain() != s.list.address.domain() {
            continue;
        }
        let values = [("list", list.address.as_str()), ("old", old.as_str()), ("new", new.as_str())];
        let key = obstacle(s, &list.address, new)?.unwrap_or_else(|| {
            if waits_for_old(s, &list, &member) { "old-address-confirms" } else { "changed-address" }
        });
        lines.push(s.phrase(key, &values));
        must_ask |= key == "old-address-confirms";
        if key == "changed-address" {
            s.draft.drop_member(&list.address, &member.address);
            let there = Member { address: new.clone(), ..member.clone() };
            s.draft.put_member(&list.address, there)?;
            moved.push(list.address.to_string());
            reader.get_or_insert(member);
        }
    }
    if lines.is_empty() {
        return Ok(s.refused("on-no-list", &[("address", old.as_str())]));
    }
    if must_ask {
        ask(s, old, "confirm-commands", old, new)?;
    }
    if let Some(reader) = reader {
        tell_other(s, old, new, &moved, &reader)?;
    }
    Ok(Said { text: lines.join("\n"), ..s.done("changed-address", &[]) })
}

/// Whoever runs a list is known as it asks: where that takes an answer from the old address, no other mail moves its roles.
fn waits_for_old(s: &Session<'_>, list: &List, member: &Member) -> bool {
    member.roles.is_staff() && list.settings.moderator_proof == Proof::Confirm && s.who.address != member.address
}

/// Tells the one of the two addresses that has not confirmed just now. It is told whatever the day allows: nobody takes the place of
/// somebody else in silence, and it happens once.
fn tell_other(
    s: &mut Session<'_>,
    old: &Address,
    new: &Address,
    moved: &[String],
    reader: &Member,
) -> Result<(), Unavailable> {
    let other = if s.who.address == *old { new } else { old };
    let language = language_of(Some(reader), s.list).to_owned();
    let line = |list: &String| {
        let values = [("list", list.as_str()), ("old", old.as_str()), ("new", new.as_str())];
        s.phrase_in(&language, "changed-address", &values)
    };
    let text = moved.iter().map(line).collect::<Vec<_>>().join("\n");
    let (list, request) = (s.list, s.address(Word::Request));
    let lines = vec![ResultLine { command: command(old, new), status: Status::Ok, text }];
    let values = Results { list: list.address.as_str(), request: &request, lines };
    let letter =
        Letter { from: Word::Request, room: Room::Known, ..Letter::from_owners("results", list, other, &language) };
    s.write(&letter, &values, None)?;
    Ok(())
}

/// Why an address cannot come on a list.
fn obstacle(
    s: &Session<'_>,
    list: &listmill_core::ListAddress,
    new: &Address,
) -> Result<Option<&'static str>, Unavailable> {
    if s.draft.member(list, new)?.is_some() {
        return Ok(Some("new-address-is-there"));
    }
    Ok(s.draft.is_banned(list, new)?.then_some("new-address-may-not"))
}
