//! Figures of a list.

use listmill_core::{HeldId, Role, Unavailable};

use super::Outcome;
use crate::requests::day;
use crate::session::Session;

/// Held posts are counted up to here.
const MAX_HELD: usize = 1000;

/// How many are on the list, run it, and wait.
pub(crate) fn stats(s: &mut Session<'_>) -> Outcome {
    let (draft, list) = (&s.draft, &s.list.address);
    let figures = [
        ("members", draft.member_count(list)?.to_string()),
        ("owners", draft.staff(list, Role::Owner)?.len().to_string()),
        ("moderators", draft.staff(list, Role::Moderator)?.len().to_string()),
        ("held", held(s)?),
        ("created", day(s.list.created)),
        ("list", list.to_string()),
    ];
    let values: Vec<(&str, &str)> = figures.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(s.done("stats", &values))
}

fn held(s: &Session<'_>) -> Result<String, Unavailable> {
    let none: Option<HeldId> = None;
    let list = &s.list.address;
    let waits = s.draft.view.held(list, none, MAX_HELD)?;
    let count = waits.iter().filter(|post| !s.draft.is_decided(list, post.id)).count();
    Ok(if count < MAX_HELD { count.to_string() } else { format!("{MAX_HELD}+") })
}
