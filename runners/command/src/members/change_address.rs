//! One address in the place of another, on every list of the domain. Both addresses must be the requester's: one asks with
//! a proof, the other confirms.

use listmill_core::{Address, RequestKind, Unavailable};

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
    let command = Ask::ChangeAddress { old: Some(old.clone()), new: new.clone() }.to_string();
    s.ask_to_confirm(Opening {
        kind: RequestKind::Address,
        address: other,
        commands: vec![command],
        by: Some(own.clone()),
        text,
    })
}

/// Both have proven themselves.
pub(crate) fn change_address_confirmed(s: &mut Session<'_>, old: &Address, new: &Address) -> Outcome {
    let mut lines = Vec::new();
    for (list, member) in lists_of(s, old)? {
        if list.address.domain() != s.list.address.domain() {
            continue;
        }
        let values = [("list", list.address.as_str()), ("old", old.as_str()), ("new", new.as_str())];
        let key = match obstacle(s, &list.address, new)? {
            Some(key) => key,
            None => {
                s.draft.drop_member(&list.address, &member.address);
                s.draft.put_member(&list.address, listmill_core::Member { address: new.clone(), ..member })?;
                "changed-address"
            }
        };
        lines.push(s.phrase(key, &values));
    }
    if lines.is_empty() {
        return Ok(s.refused("on-no-list", &[("address", old.as_str())]));
    }
    Ok(Said { text: lines.join("\n"), ..s.done("changed-address", &[]) })
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
