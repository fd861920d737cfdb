//! From a message to its lines, and from each line to what is done: the one table of who carries out what.

use listmill_core::{RequestKind, Role, Unavailable, Word};
use listmill_mail::message::Message;
use listmill_mail::token::{Act, decision_held};
use listmill_queue_format::Subaddress;
use listmill_templates::Status;

use crate::ask::{Ask, Joining};
use crate::grammar::{self, Line};
use crate::requests::Opening;
use crate::session::{Said, Session};
use crate::{held, members, owners};

/// What must be known of the requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: anybody may ask, and what follows goes to the person named.
    Nothing,
    /// That they are who they say.
    Person,
    /// The same, as strictly as the list asks of those in charge; and that they are a moderator or an owner.
    Moderator,
    /// The same, and that they are an owner.
    Owner,
}

/// Reads a message to one of the list's addresses, and carries out what it asks for.
pub(crate) fn read(session: &mut Session<'_>, to: &Subaddress, message: &Message<'_>) -> Result<(), Unavailable> {
    let detail = to.detail.as_str();
    match Word::named(&to.word) {
        Some(Word::Request) if !detail.is_empty() => held::answer(session, detail, message)?,
        Some(Word::Join) => one(session, members::join_by_address(detail))?,
        Some(Word::Leave) => one(session, members::leave_by_address(detail))?,
        Some(Word::Confirm) if !detail.is_empty() => one(session, Ok(Ask::Confirm(detail.to_owned())))?,
        Some(Word::Cancel) if !detail.is_empty() => one(session, Ok(Ask::Cancel(Some(detail.to_owned()))))?,
        Some(Word::Approve) if !detail.is_empty() => held::by_token(session, Act::Approve, detail, message)?,
        Some(Word::Reject) if !detail.is_empty() => held::by_token(session, Act::Reject, detail, message)?,
        Some(Word::Discard) if !detail.is_empty() => held::by_token(session, Act::Discard, detail, message)?,
        Some(Word::Help) => one(session, Ok(Ask::Help(None)))?,
        Some(Word::Info) => one(session, Ok(Ask::Info))?,
        Some(Word::Query) => one(session, Ok(Ask::Show))?,
        // The command address; and another one without the token that would say more.
        _ => lines(session, grammar::lines(message, &session.list.address))?,
    }
    session.ask_for_proof()
}

/// One command that the address stands for.
fn one(session: &mut Session<'_>, ask: Result<Ask, String>) -> Result<(), Unavailable> {
    lines(session, vec![ask.map_or_else(Line::Unknown, Line::Ask)])
}

/// Carries out one line after the other.
pub(crate) fn lines(session: &mut Session<'_>, lines: Vec<Line>) -> Result<(), Unavailable> {
    let has_command = lines.iter().any(|line| matches!(line, Line::Ask(_)));
    let mut in_text = false;
    for line in lines {
        match line {
            Line::Ask(ask) => {
                in_text = false;
                let said = carry_out(session, &ask)?;
                let line = if session.who.is_proven() { ask.to_string() } else { ask.brief() };
                session.note(&line, said);
            }
            fault => {
                in_text = is_text(&fault) || (in_text && matches!(fault, Line::Rest));
                let (line, said) = not_understood(session, &fault);
                // Who also writes to people what a command has done already needs no letter about it.
                session.note(&line, Said { told: has_command && in_text, ..said });
            }
        }
    }
    Ok(())
}

/// It is written to people, as far as one can see: it begins like no command, or it is a sentence that happens to.
fn is_text(line: &Line) -> bool {
    let Line::Unknown(line) = line else { return false };
    let sentence =
        line.split_whitespace().count() > 2 && !line.contains(|c: char| c.is_ascii_digit() || "@=".contains(c));
    sentence || grammar::nearest(line.split_whitespace().next().unwrap_or_default()).is_none()
}

/// What is said about a line that is no command, once with the address of people. A stranger's words are not said back.
fn not_understood(session: &mut Session<'_>, fault: &Line) -> (String, Said) {
    let people = if is_text(fault) && session.is_first("people") {
        format!("\n{}", session.phrase("people", &[("owner", &session.address(Word::Owner))]))
    } else {
        String::new()
    };
    let session = &*session;
    let unknown = |key, values: &[(&str, &str)]| Said { status: Status::Unknown, ..session.refused(key, values) };
    match fault {
        Line::Usage(line, command) => {
            (shown(session, line), unknown("usage", &[("usage", command.usage), ("command", command.name)]))
        }
        Line::Unknown(line) => {
            let near = grammar::nearest(line.split_whitespace().next().unwrap_or_default());
            let mut said = match near {
                Some(near) => unknown("unknown-near", &[("near", near)]),
                None => unknown("unknown", &[]),
            };
            said.text += &people;
            (shown(session, line), said)
        }
        _ => ("…".to_owned(), unknown("rest-not-read", &[])),
    }
}

/// A line as it may be said back: of one that anybody may have written, a first word that says little.
fn shown(session: &Session<'_>, line: &str) -> String {
    let (words, long) = if session.who.is_proven() {
        (line, line.char_indices().nth(76))
    } else {
        let first = line.split_whitespace().next().unwrap_or_default();
        let plain = first.len() <= 16 && first.bytes().all(|byte| byte.is_ascii_alphabetic());
        (if plain { first } else { "" }, None)
    };
    let kept = long.map_or(words, |(end, _)| &words[..end]);
    if kept == line && !kept.is_empty() { kept.to_owned() } else { format!("{kept}…") }
}

fn need(ask: &Ask) -> Need {
    match ask {
        Ask::Help(_) | Ask::Info | Ask::Lists => Need::Nothing,
        // These lead to a confirmation by the person whom they are about, or bring a proof of their own.
        Ask::Join(_) | Ask::Leave { .. } | Ask::Confirm(_) | Ask::Cancel(_) => Need::Nothing,
        Ask::Which | Ask::Show | Ask::Set(_) | Ask::Who | Ask::ChangeAddress { .. } => Need::Person,
        Ask::Held
        | Ask::Decide { .. }
        | Ask::Defer(_)
        | Ask::Undo(_)
        | Ask::Trust(_)
        | Ask::Moderate(_)
        | Ask::Ban(_)
        | Ask::Unban(_) => Need::Moderator,
        Ask::Invite(_)
        | Ask::Add(_)
        | Ask::Del(_)
        | Ask::Emergency(_)
        | Ask::ConfigShow(_)
        | Ask::ConfigSet { .. }
        | Ask::Stats => Need::Owner,
    }
}

/// Carries out one command.
pub(crate) fn carry_out(session: &mut Session<'_>, ask: &Ask) -> Result<Said, Unavailable> {
    let need = need(ask);
    let sure = match need {
        Need::Nothing => true,
        Need::Person => session.who.is_proven(),
        Need::Moderator | Need::Owner => session.is_sure_of_who_is_in_charge(),
    };
    if !sure {
        return Ok(session.wait_for_proof(ask));
    }
    let list = [("list", session.list.address.as_str())];
    if need == Need::Moderator && !session.may_moderate()? {
        return Ok(session.refused("for-moderators", &list));
    }
    if need == Need::Owner && !session.has_role(Role::Owner)? {
        return Ok(session.refused("for-owners", &list));
    }
    match ask {
        Ask::Help(topic) => members::help(session, topic.as_deref()),
        Ask::Info => members::info(session),
        Ask::Lists => members::lists(session),
        Ask::Join(joining) => members::join(session, joining),
        Ask::Leave { address, everywhere } => members::leave(session, address.as_ref(), *everywhere),
        Ask::Confirm(token) => session.confirm(token),
        Ask::Cancel(Some(token)) if decision_held(token).is_some() => held::cancel(session, token),
        Ask::Cancel(Some(token)) => session.cancel_request(token),
        Ask::Cancel(None) => Ok(session.refused("cancel-needs-token", &[])),
        Ask::Which => members::which(session),
        Ask::Show => members::show(session),
        Ask::Set(choice) => members::set(session, choice),
        Ask::Who => members::who(session),
        Ask::ChangeAddress { old, new } => members::change_address(session, old.as_ref(), new),
        Ask::Invite(address) => owners::invite(session, address),
        Ask::Held => held_once(session),
        Ask::Decide { verdict, ids, reason } => held::decide(session, *verdict, ids, reason),
        Ask::Defer(ids) => held::defer(session, ids),
        Ask::Undo(ids) => held::undo(session, ids),
        Ask::Trust(whom) => held::trust(session, whom),
        Ask::Moderate(whom) => held::moderate(session, whom),
        Ask::Ban(whom) => held::ban(session, whom),
        Ask::Unban(patterns) => held::unban(session, patterns),
        Ask::Add(addresses) => owners::add(session, addresses),
        Ask::Del(addresses) => owners::del(session, addresses),
        Ask::Emergency(on) => owners::emergency(session, *on),
        Ask::ConfigShow(key) => owners::config_show(session, key.as_deref()),
        Ask::ConfigSet { key, value } => owners::config_set(session, key, value.as_deref()),
        Ask::Stats => owners::stats(session),
    }
}

/// What waits, in one letter for a message.
fn held_once(session: &mut Session<'_>) -> Result<Said, Unavailable> {
    if session.was_sent("summary") {
        return Ok(Said { told: true, ..session.done("held-summary-sent", &[]) });
    }
    let said = held::list(session)?;
    if said.told {
        session.is_first("summary");
    }
    Ok(said)
}

impl Session<'_> {
    /// Carries out a line of a request that was just confirmed.
    pub(crate) fn carry_out_confirmed(
        &mut self,
        line: &str,
        request: &listmill_core::Request,
    ) -> Result<Said, Unavailable> {
        match (grammar::command(line), request.kind) {
            (Ok(Ask::Join(joining)), RequestKind::Join) => members::join_confirmed(self, &joining, false),
            // Only an owner could open it, and what was not theirs to say is not in it.
            (Ok(Ask::Invite(_)), RequestKind::Join) => members::join_confirmed(self, &Joining::default(), true),
            (Ok(Ask::Leave { everywhere, .. }), RequestKind::Leave | RequestKind::LeaveAll) => {
                members::leave_confirmed(self, everywhere)
            }
            (Ok(Ask::ChangeAddress { old: Some(old), new }), RequestKind::Address) => {
                members::change_address_confirmed(self, &old, &new)
            }
            (Ok(Ask::Set(choice)), RequestKind::Delivery) => members::set(self, &choice),
            (Ok(ask), RequestKind::Commands | RequestKind::Decisions) => carry_out(self, &ask),
            // A request that an older version wrote.
            _ => Ok(self.refused("token-unknown", &[])),
        }
    }

    /// Asks the requester, once for all lines that wait for it, whether it was really them.
    fn ask_for_proof(&mut self) -> Result<(), Unavailable> {
        let (places, commands): (Vec<usize>, Vec<String>) = self.take_unproven().into_iter().unzip();
        if commands.is_empty() {
            return Ok(());
        }
        let address = self.who.address.clone();
        let kind = if self.has_token { RequestKind::Decisions } else { RequestKind::Commands };
        let opening = Opening { kind, address: &address, commands, by: None, text: "confirm-commands" };
        let said = self.ask_to_confirm(opening)?;
        // They were told that they are asked.
        if !said.told {
            places.into_iter().for_each(|place| self.note_again(place, &said));
        }
        Ok(())
    }
}
