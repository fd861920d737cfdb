//! What anybody and every member can ask for.

mod leave_by_token;

use listmill_core::{Address, Unavailable};

use crate::ask::{Ask, Choice, Joining};
use crate::session::{Said, Session};

pub(crate) use leave_by_token::leave as leave_by_token;

type Outcome = Result<Said, Unavailable>;

pub(crate) fn join_by_address(detail: &str) -> Result<Ask, String> {
    Err(detail.to_owned())
}
pub(crate) fn leave_by_address(detail: &str) -> Result<Ask, String> {
    Err(detail.to_owned())
}
pub(crate) fn help(s: &mut Session<'_>, _topic: Option<&str>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn info(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn lists(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
/// By policy: joins, opens a request, or holds the wish for a moderator.
pub(crate) fn join(s: &mut Session<'_>, _joining: &Joining) -> Outcome {
    Ok(s.refused("no", &[]))
}
/// `s.who` has confirmed; `by` invited them.
pub(crate) fn join_confirmed(s: &mut Session<'_>, _joining: &Joining, _by: Option<&Address>) -> Outcome {
    Ok(s.refused("no", &[]))
}
/// A moderator has approved that `address` joins.
pub(crate) fn join_approved(s: &mut Session<'_>, _address: &Address, _joining: &Joining) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn leave(s: &mut Session<'_>, _address: Option<&Address>, _everywhere: bool) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn leave_confirmed(s: &mut Session<'_>, _everywhere: bool) -> Outcome {
    Ok(s.refused("no", &[]))
}
/// A moderator has approved that `address` leaves.
pub(crate) fn leave_approved(s: &mut Session<'_>, _address: &Address) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn which(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn show(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn set(s: &mut Session<'_>, _choice: &Choice) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn who(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn change_address(s: &mut Session<'_>, _old: Option<&Address>, _new: &Address) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn change_address_confirmed(s: &mut Session<'_>, _old: &Address, _new: &Address) -> Outcome {
    Ok(s.refused("no", &[]))
}
