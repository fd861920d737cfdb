//! Figures of a list.

use listmill_core::{HeldId, Role, Unavailable};

use super::Outcome;
use crate::requests::day;
use crate::session::Session;

/// Held posts are counted up to here.
const MAX_HELD: usize = 1000;

/// How many are on the list, run it, and wait.
pub(crate) fn stats(s: &mut Session<'_>) -> Outcome {
    let (view, list) = (s.draft.view, &s.list.address);
    let figures = [
        ("members", view.member_count(list)?.to_string()),
        ("owners", view.staff(list, Role::Owner)?.len().to_string()),
        ("moderators", view.staff(list, Role::Moderator)?.len().to_string()),
        ("held", held(s)?),
        ("created", day(s.list.created)),
        ("list", list.to_string()),
    ];
    let values: Vec<(&str, &str)> = figures.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(s.done("stats", &values))
}

fn held(s: &Session<'_>) -> Result<String, Unavailable> {
    let none: Option<HeldId> = None;
    let count = s.draft.view.held(&s.list.address, none, MAX_HELD)?.len();
    Ok(if count < MAX_HELD { count.to_string() } else { format!("{MAX_HELD}+") })
}
