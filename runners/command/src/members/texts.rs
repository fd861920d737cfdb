//! What anybody may read: the commands, the list, the lists of the domain.

use listmill_core::settings::{Action, Policy, Visible};
use listmill_core::{ListAddress, Role, Unavailable, Word};
use listmill_letters::Letter;
use listmill_mail::compose::Room;
use listmill_templates::{Help, Info, Letter as Values, Usage};

use super::Outcome;
use crate::grammar::{Audience, COMMANDS, Command, find, nearest};
use crate::session::{Said, Session};

/// A letter names no more lists.
const MAX_LISTS: usize = 100;

/// Lists are read in pages of so many.
const PAGE: usize = 200;

/// The commands; or more about one.
pub(crate) fn help(s: &mut Session<'_>, topic: Option<&str>) -> Outcome {
    match topic.map(|topic| (topic, find(topic))) {
        Some((_, Some(command))) => Ok(about(s, command)),
        Some((topic, None)) if nearest(topic).is_some() => {
            Ok(s.refused("unknown-near", &[("near", nearest(topic).unwrap_or_default())]))
        }
        _ => commands(s),
    }
}

/// More about one command.
fn about(s: &Session<'_>, command: &Command) -> Said {
    let mut lines = vec![meaning(s, command), s.phrase("usage", &[("usage", command.usage)])];
    if !command.aliases.is_empty() {
        lines.push(s.phrase("help-aliases", &[("aliases", &command.aliases.join(", "))]));
    }
    Said { text: lines.join("\n"), ..s.done("usage", &[]) }
}

fn meaning(s: &Session<'_>, command: &Command) -> String {
    s.phrase(&format!("help-{}", command.name), &[])
}

/// The commands that the reader can use. Of a stranger nothing is known.
fn commands(s: &mut Session<'_>) -> Outcome {
    let (moderates, owns) =
        if s.who.is_proven() { (s.may_moderate()?, s.has_role(Role::Owner)?) } else { (false, false) };
    let may = |command: &&Command| match command.audience {
        Audience::Anybody | Audience::Members => true,
        Audience::Moderators => moderates,
        Audience::Owners => owns,
    };
    let usage = |command: &Command| Usage { usage: command.usage.to_owned(), meaning: meaning(s, command) };
    let commands = COMMANDS.iter().filter(may).map(usage).collect();
    let request = s.address(Word::Request);
    let values = Help { list: s.list.address.as_str(), request: &request, commands };
    letter(s, "help", &values)
}

/// A letter of its own for the requester, once in a message.
fn letter<V: Values>(s: &mut Session<'_>, text: &'static str, values: &V) -> Outcome {
    let told = Said { told: true, ..s.done("sent", &[]) };
    if !s.is_first(text) {
        return Ok(told);
    }
    let (to, trust, language) = (s.who.address.clone(), s.who.trust(), s.language().to_owned());
    let list = s.list;
    let letter = Letter {
        from: Word::Request,
        answers: s.message,
        room: if s.who.is_proven() { Room::Known } else { Room::Stranger },
        ..Letter::from_owners(text, list, &to, &language)
    };
    s.write(&letter, values, Some(trust))?;
    Ok(told)
}

/// What the list is.
pub(crate) fn info(s: &mut Session<'_>) -> Outcome {
    let settings = &s.list.settings;
    let post = match settings.nonmember_action {
        Action::Accept => "info-post-accept",
        Action::Hold => "info-post-hold",
        Action::Reject | Action::Discard => "info-post-refused",
    };
    let join = match settings.subscribe_policy {
        Policy::Open => "info-join-open",
        Policy::Confirm => "info-join-confirm",
        Policy::Moderate | Policy::ConfirmAndModerate => "info-join-moderate",
    };
    let roster = match settings.roster_visibility {
        Visible::Members => "info-roster-members",
        Visible::Owners => "info-roster-owners",
    };
    let [request, join_at, leave, owner] = [Word::Request, Word::Join, Word::Leave, Word::Owner].map(|w| s.address(w));
    let list = s.list;
    let values = Info {
        list: list.address.as_str(),
        description: &list.settings.description,
        post: list.address.as_str(),
        request: &request,
        join: &join_at,
        leave: &leave,
        owner: &owner,
        policies: [post, join, roster].iter().map(|key| s.phrase(key, &[])).collect(),
    };
    letter(s, "info", &values)
}

/// The advertised lists of the domain.
pub(crate) fn lists(s: &mut Session<'_>) -> Outcome {
    let (lines, more) = advertised(s)?;
    let domain = s.list.address.domain();
    if lines.is_empty() {
        return Ok(s.done("lists-none", &[("domain", domain)]));
    }
    let done = s.done("lists", &[("domain", domain)]);
    let mut text = format!("{}\n{}", done.text, lines.join("\n"));
    if more > 0 {
        text += &format!("\n{}", s.phrase("lists-more", &[("count", &more.to_string())]));
    }
    Ok(Said { text, ..done })
}

/// A line for each list that is named, and how many are not.
fn advertised(s: &Session<'_>) -> Result<(Vec<String>, usize), Unavailable> {
    let (mut lines, mut more) = (Vec::new(), 0);
    let mut after: Option<ListAddress> = None;
    loop {
        let page = s.draft.view.lists(after.as_ref(), PAGE)?;
        let here =
            |list: &&listmill_core::List| list.address.domain() == s.list.address.domain() && list.settings.advertised;
        for list in page.iter().filter(here) {
            let about = &list.settings.description;
            let dash = if about.is_empty() { "" } else { " - " };
            if lines.len() < MAX_LISTS {
                lines.push(format!("{}{dash}{about}", list.address));
            } else {
                more += 1;
            }
        }
        if page.len() < PAGE {
            return Ok((lines, more));
        }
        after = page.last().map(|list| list.address.clone());
    }
}
