//! Leaving by the address in List-Unsubscribe: `dev-leave+TOKEN@`.

use listmill_core::{Address, Disposition, List, Member, Role, StoreChange, StoreView, Unavailable};
use listmill_mail::token::read_unsubscribe;

/// What an unsubscribe token asks for; none when it is none of ours for this list.
///
/// The token is proof enough: it went to nobody but the member. So it counts whoever sends it, a mail program or the service of
/// a large provider among them (RFC 2369 §3.2), with or without a subject, and as often as it comes.
pub(crate) fn leave(list: &List, token: &str, view: &dyn StoreView) -> Result<Option<Disposition>, Unavailable> {
    let Some(address) = read_unsubscribe(&view.signing_keys()?, &list.address, token) else { return Ok(None) };
    Ok(Some(match view.member(&list.address, &address)? {
        Some(member) if member.roles.has(Role::Member) => Disposition::Change(without(list, member)),
        _ => nothing_to_do(list, &address),
    }))
}

/// Who also runs the list leaves as a member and keeps running it.
fn without(list: &List, mut member: Member) -> StoreChange {
    if !member.roles.is_staff() {
        return StoreChange::RemoveMember { list: list.address.clone(), address: member.address };
    }
    member.roles = member.roles.without(Role::Member);
    StoreChange::UpdateMember { list: list.address.clone(), member }
}

fn nothing_to_do(list: &List, address: &Address) -> Disposition {
    Disposition::Discard { reason: format!("{address} asks to leave {} and is not a member of it", list.address) }
}
