//! The commands: how each is called, written and read, and whom it is for.

use listmill_core::{ListAddress, Verdict};

use super::{arguments as read, words};
use crate::ask::Ask;

/// Whom a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Anybody.
    Anybody,
    /// Who is on the list, or was just now.
    Members,
    /// Moderators and owners.
    Moderators,
    /// Owners.
    Owners,
}

/// One command.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its keyword; also the name of its phrase, `help-…`.
    pub(crate) name: &'static str,
    /// Keywords that mean the same, of other managers among them.
    pub(crate) aliases: &'static [&'static str],
    /// How it is written.
    pub(crate) usage: &'static str,
    /// Whom it is for.
    pub(crate) audience: Audience,
    read: fn(&Arguments<'_>) -> Option<Ask>,
}

/// The keyword that asks for nothing.
const END: &str = "end";

impl Command {
    /// What this command asks for with these arguments.
    fn asked(&'static self, arguments: &Arguments<'_>) -> Result<Ask, Fault> {
        if self.name == END && arguments.words().is_empty() {
            return Err(Fault::End);
        }
        (self.read)(arguments).ok_or(Fault::Usage(self))
    }
}

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arguments<'a> {
    /// As it is written.
    pub(super) text: &'a str,
    /// The list's name stood in front of it, as Majordomo, Sympa and LISTSERV want it; a person's name may follow.
    pub(super) behind_list: bool,
}

impl Arguments<'_> {
    /// The words, cleaned.
    pub(super) fn words(&self) -> Vec<String> {
        words::words(self.text)
    }
}

macro_rules! commands {
    ($($audience:ident: $name:literal $(/ $alias:literal)*, $usage:literal => $read:expr;)+) => {
        &[$(Command {
            name: $name,
            aliases: &[$($alias),*],
            usage: $usage,
            audience: Audience::$audience,
            read: $read,
        }),+]
    };
}

/// Every command, in the order in which `help` names them.
#[rustfmt::skip]
pub(crate) const COMMANDS: &[Command] = commands! {
    Anybody: "help" / "sos", "help [COMMAND]" => read::help;
    Anybody: "info" / "about", "info" => |a| read::alone(a, Ask::Info);
    Anybody: "lists", "lists" => |a| read::alone(a, Ask::Lists);
    Anybody: "join" / "subscribe" / "sub", "join [nomail] [address=ADDRESS]" => read::join;
    Anybody: "leave" / "unsubscribe" / "unsub" / "signoff" / "sig" / "remove", "leave [*] [address=ADDRESS]" => read::leave;
    Anybody: "confirm" / "ok" / "auth", "confirm TOKEN" => |a| read::token(a).map(Ask::Confirm);
    Anybody: "cancel", "cancel TOKEN" => read::cancel;
    Members: "which" / "status", "which" => |a| read::alone(a, Ask::Which);
    Members: "show" / "query", "show" => |a| read::alone(a, Ask::Show);
    Members: "set", "set ack|myposts|duplicates|hide|delivery on|off [until DAY], set lang XX" => read::set;
    Members: "mail", "mail" => read::mail;
    Members: "nomail" / "vacation", "nomail [until YYYY-MM-DD]" => read::nomail;
    Members: "who" / "review", "who" => |a| read::alone(a, Ask::Who);
    Members: "changeaddr", "changeaddr [OLD] NEW" => read::change_address;
    Moderators: "held" / "pending" / "modindex", "held" => |a| read::alone(a, Ask::Held);
    Moderators: "approve" / "accept" / "release" / "distribute", "approve NUMBERS, as 1 3-5" => |a| read::decide(a, Verdict::Accept);
    Moderators: "reject", "reject NUMBERS [: REASON]" => |a| read::decide(a, Verdict::Reject);
    Moderators: "discard" / "drop", "discard NUMBERS" => |a| read::decide(a, Verdict::Discard);
    Moderators: "defer", "defer NUMBERS" => |a| read::ids(a).map(Ask::Defer);
    Moderators: "undo", "undo [NUMBERS]" => read::undo;
    Moderators: "trust", "trust ADDRESS|NUMBER …" => |a| read::whom(a).map(Ask::Trust);
    Moderators: "moderate", "moderate ADDRESS|NUMBER …" => |a| read::whom(a).map(Ask::Moderate);
    Moderators: "ban", "ban ADDRESS|@DOMAIN|NUMBER …" => |a| read::whom(a).map(Ask::Ban);
    Moderators: "unban", "unban ADDRESS|@DOMAIN …" => read::unban;
    Owners: "invite", "invite ADDRESS" => read::invite;
    Owners: "add", "add ADDRESS …" => |a| read::addresses(a).map(Ask::Add);
    Owners: "del" / "delete", "del ADDRESS …" => |a| read::addresses(a).map(Ask::Del);
    Owners: "emergency", "emergency on|off" => read::emergency;
    Owners: "config", "config show [KEY], config set KEY VALUE, config unset KEY" => read::config;
    Owners: "stats", "stats" => |a| read::alone(a, Ask::Stats);
    Anybody: "end" / "stop" / "quit", "end" => |_| None;
};

/// Why a line is not carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It begins with no keyword.
    Unknown,
    /// What stands behind the keyword says nothing to us.
    Usage(&'static Command),
    /// It is the last one: nothing below is read.
    End,
}

/// The command that has this keyword, in any case.
pub(crate) fn find(keyword: &str) -> Option<&'static Command> {
    let is = |name: &str| name.eq_ignore_ascii_case(keyword);
    COMMANDS.iter().find(|command| is(command.name) || command.aliases.iter().any(|alias| is(alias)))
}

/// One line as a command, as the stage itself writes it.
///
/// # Errors
/// It is none.
pub(crate) fn command(line: &str) -> Result<Ask, Fault> {
    command_of(line, None)
}

/// One line as a command, to this list: its name may stand behind the keyword.
///
/// # Errors
/// It is none.
pub(crate) fn command_of(line: &str, list: Option<&ListAddress>) -> Result<Ask, Fault> {
    let (keyword, text) = words::first(without_bullet(line)).ok_or(Fault::Unknown)?;
    let command = find(words::clean(keyword)).ok_or(Fault::Unknown)?;
    let plain = Arguments { text, behind_list: false };
    let Some((behind, is_address)) = list.and_then(|list| behind_list(text, list)) else {
        return command.asked(&plain);
    };
    // A name may also be an argument; a list's address is none of anything.
    let as_it_is = if is_address { Err(Fault::Unknown) } else { command.asked(&plain) };
    as_it_is.or_else(|_| command.asked(&Arguments { text: behind, behind_list: true }))
}

/// What stands behind the list's name or address, and whether it was the address; none when neither comes first.
fn behind_list<'a>(text: &'a str, list: &ListAddress) -> Option<(&'a str, bool)> {
    let (word, behind) = words::first(text)?;
    let is = |name: &str| words::clean(word).eq_ignore_ascii_case(name);
    let is_address = is(list.as_str());
    (is_address || is(list.name())).then_some((behind, is_address))
}

/// A line that was copied out of one of our lists of commands.
fn without_bullet(line: &str) -> &str {
    let line = line.trim();
    ["* ", "- ", "• "].iter().find_map(|bullet| line.strip_prefix(bullet)).unwrap_or(line)
}
