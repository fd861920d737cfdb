//! Who is on the list.

use listmill_core::settings::Visible;
use listmill_core::{Address, Member, Role, Unavailable};

use super::Outcome;
use crate::session::{Said, Session};

/// A letter names no more members.
const MAX_LINES: usize = 1000;

/// The roster is read in pages of so many.
const PAGE: usize = 500;

/// Pages that are read for one letter, where many are hidden.
const MAX_PAGES: usize = 20;

/// The members, by address.
pub(crate) fn who(s: &mut Session<'_>) -> Outcome {
    let in_charge = s.may_moderate()?;
    let may = match s.list.settings.roster_visibility {
        Visible::Members => in_charge || s.has_role(Role::Member)?,
        Visible::Owners => in_charge,
    };
    if !may {
        return Ok(s.refused("roster-closed", &[]));
    }
    let count = s.draft.member_count(&s.list.address)?;
    let done = s.done("who", &[("count", &count.to_string()), ("list", s.list.address.as_str())]);
    let mut lines = vec![done.text.clone()];
    let shown = shown(s, in_charge)?;
    let more = count.saturating_sub(shown.len() as u64);
    lines.extend(shown.iter().map(|member| line(member, in_charge)));
    if more > 0 {
        lines.push(s.phrase("who-more", &[("count", &more.to_string())]));
    }
    Ok(Said { text: lines.join("\n"), ..done })
}

/// Those who are named. Who hides is hidden from all but those in charge.
fn shown(s: &Session<'_>, in_charge: bool) -> Result<Vec<Member>, Unavailable> {
    let list = &s.list.address;
    let seen = |member: &Member| member.roles.has(Role::Member) && (in_charge || !member.preferences.hide);
    let mut people: Vec<Member> = Vec::new();
    let mut after: Option<Address> = None;
    for _ in 0..MAX_PAGES {
        let page = s.draft.view.roster(list, after.as_ref(), PAGE)?;
        let last = page.len() < PAGE;
        after = page.last().map(|member| member.address.clone());
        people.extend(page.into_iter().filter(seen));
        if last || people.len() >= MAX_LINES {
            break;
        }
    }
    let mut shown = s.draft.with_changes(list, people);
    shown.retain(seen);
    shown.truncate(MAX_LINES);
    Ok(shown)
}

fn line(member: &Member, in_charge: bool) -> String {
    let roles = if in_charge && member.roles.is_staff() { format!(" ({})", member.roles) } else { String::new() };
    format!("{}{roles}", member.address)
}
