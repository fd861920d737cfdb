//! A command in its canonical form, and in one that can be shown to somebody who may not have written it.

use std::fmt;

use jiff::Timestamp;
use listmill_core::Verdict;

use super::numbers::written;
use crate::ask::{Ask, Choice, Joining, Whom};

/// No line is shown at greater length to somebody who may not have written it.
const MAX_BRIEF: usize = 100;

impl fmt::Display for Ask {
    /// The line that reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ask::Help(None) => f.write_str("help"),
            Ask::Help(Some(topic)) => write!(f, "help {topic}"),
            Ask::Info => f.write_str("info"),
            Ask::Lists => f.write_str("lists"),
            Ask::Join(joining) => joining.fmt(f),
            Ask::Leave { address, everywhere } => {
                f.write_str(if *everywhere { "leave *" } else { "leave" })?;
                address.iter().try_for_each(|address| write!(f, " address={address}"))
            }
            Ask::Confirm(token) => write!(f, "confirm {token}"),
            Ask::Cancel(None) => f.write_str("cancel"),
            Ask::Cancel(Some(token)) => write!(f, "cancel {token}"),
            Ask::Which => f.write_str("which"),
            Ask::Show => f.write_str("show"),
            Ask::Set(choice) => choice.fmt(f),
            Ask::Who => f.write_str("who"),
            Ask::ChangeAddress { old: Some(old), new } => write!(f, "changeaddr {old} {new}"),
            Ask::ChangeAddress { old: None, new } => write!(f, "changeaddr {new}"),
            Ask::Invite(address) => write!(f, "invite {address}"),
            Ask::Held => f.write_str("held"),
            Ask::Decide { verdict, ids, reason } if reason.is_empty() => {
                write!(f, "{} {}", keyword(*verdict), written(ids))
            }
            Ask::Decide { verdict, ids, reason } => write!(f, "{} {}: {reason}", keyword(*verdict), written(ids)),
            Ask::Defer(ids) => write!(f, "defer {}", written(ids)),
            Ask::Undo(ids) if ids.is_empty() => f.write_str("undo"),
            Ask::Undo(ids) => write!(f, "undo {}", written(ids)),
            Ask::Trust(whom) => write!(f, "trust {}", joined(whom)),
            Ask::Moderate(whom) => write!(f, "moderate {}", joined(whom)),
            Ask::Ban(whom) => write!(f, "ban {}", joined(whom)),
            Ask::Unban(patterns) => write!(f, "unban {}", joined(patterns)),
            Ask::Add(addresses) => write!(f, "add {}", joined(addresses)),
            Ask::Del(addresses) => write!(f, "del {}", joined(addresses)),
            Ask::Emergency(on) => write!(f, "emergency {}", switch(*on)),
            Ask::ConfigShow(None) => f.write_str("config show"),
            Ask::ConfigShow(Some(key)) => write!(f, "config show {key}"),
            Ask::ConfigSet { key, value: Some(value) } => write!(f, "config set {key} {}", quoted(value)),
            Ask::ConfigSet { key, value: None } => write!(f, "config unset {key}"),
            Ask::Stats => f.write_str("stats"),
        }
    }
}

impl Ask {
    /// The line without anything that a stranger could have us tell somebody: no free text, no token, and short.
    pub(crate) fn brief(&self) -> String {
        match self {
            Ask::Confirm(_) => "confirm".to_owned(),
            Ask::Cancel(_) => "cancel".to_owned(),
            Ask::Decide { verdict, ids, reason } if !reason.is_empty() => {
                cut(&format!("{} {}: …", keyword(*verdict), written(ids)))
            }
            Ask::ConfigSet { key, value: Some(_) } => cut(&format!("config set {key} …")),
            _ => cut(&self.to_string()),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_BRIEF) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.nomail { "join nomail" } else { "join" })?;
        self.digest.iter().try_for_each(|kind| write!(f, " digest={kind}"))?;
        self.address.iter().try_for_each(|address| write!(f, " address={address}"))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Delivery { on, until } => {
                write!(f, "set delivery {}", switch(*on))?;
                let days = until.iter().filter_map(|until| Timestamp::from_second(*until).ok());
                days.into_iter().try_for_each(|day| write!(f, " until {}", day.strftime("%Y-%m-%d")))
            }
            Choice::Preference { name, on } => write!(f, "set {name} {}", switch(*on)),
            Choice::Language(language) => write!(f, "set lang {language}"),
            Choice::Digest(kind) => write!(f, "set digest {kind}"),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::AuthorOf(id) => id.fmt(f),
            Whom::Named(name) => name.fmt(f),
        }
    }
}

/// The keyword that makes this decision.
fn keyword(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "approve",
        Verdict::Reject => "reject",
        Verdict::Discard => "discard",
        Verdict::Cancel => "cancel",
        Verdict::Lapse => "lapse",
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn joined<T: fmt::Display>(things: &[T]) -> String {
    things.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// A value in quotes where it would not read back without.
fn quoted(value: &str) -> String {
    let value = value.replace('\n', "\\n");
    let bare = !value.is_empty() && value.trim() == value && !value.starts_with(['"', '=']);
    if bare { value } else { format!("\"{value}\"") }
}
