//! Leaving by the address in List-Unsubscribe: `dev-leave+TOKEN@`.

use listmill_core::{Address, Disposition, List, Member, Role, StoreChange, StoreView, Unavailable};
use listmill_mail::token::read_unsubscribe;

use super::leave::without_membership;

/// What an unsubscribe token asks for; none when it is none of ours for this list.
///
/// The token is proof enough: it went to nobody but the member. So it counts whoever sends it, a mail program or the service of
/// a large provider among them (RFC 2369 §3.2), with or without a subject, and as often as it comes.
pub(crate) fn leave(list: &List, token: &str, view: &dyn StoreView) -> Result<Option<Disposition>, Unavailable> {
    let Some(address) = read_unsubscribe(&view.signing_keys()?, &list.address, token) else { return Ok(None) };
    Ok(Some(match view.member(&list.address, &address)? {
        Some(member) if member.roles.has(Role::Member) => Disposition::Change(taken_off(list, member)),
        _ => nothing_to_do(list, &address),
    }))
}

fn taken_off(list: &List, member: Member) -> StoreChange {
    let (list, address) = (list.address.clone(), member.address.clone());
    let was = Box::new(member.clone());
    match without_membership(member) {
        Some(member) => StoreChange::UpdateMember { list, was, member },
        None => StoreChange::RemoveMember { list, address },
    }
}

fn nothing_to_do(list: &List, address: &Address) -> Disposition {
    Disposition::Discard { reason: format!("{address} asks to leave {} and is not a member of it", list.address) }
}
