//! Requests that wait for a confirmation: opened, opened again, confirmed, cancelled.
//!
//! A moderator's decisions that came with a token, which went to nobody else, are a kind of their own: commands in the moderator's name,
//! which anybody can write, neither replace them nor keep them waiting. Later decisions are added to those that wait, under the same
//! token, and each letter that asks confirms them all.
//!
//! One request of a kind is open for a person on a list. Asked for again it is refreshed: it keeps its token, waits longer, and is
//! mailed again, but not within the hour. With other commands in it, it is a new one, and the old token is worth nothing; so a mail
//! that may be forged puts none in the place of one that was mailed within the hour. Its own person does, with a proof, and an owner
//! who invites.

use jiff::SignedDuration;
use listmill_core::{Address, Member, Request, RequestKind, Timestamp, Trust, Unavailable, Word, resolve};
use listmill_letters::{Letter, language_of};
use listmill_mail::reply::written;
use listmill_mail::token::{confirm_token, handle, is_confirm_token};
use listmill_templates::Confirm;

use crate::ask::{Ask, Joining};
use crate::grammar;
use crate::session::{Said, Session};
use crate::who::Requester;

/// A confirmation is not mailed again within this time.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Words that mean yes, in the languages of the letters.
const YES: [&str; 9] = ["yes", "ok", "okay", "confirm", "ja", "oui", "sí", "si", "はい"];

/// So many decisions at most wait for one confirmation.
const MAX_DECISIONS: usize = 100;

/// So many other people at most are asked by one mail that may be forged.
const MAX_OTHERS: usize = 3;

/// A request to be opened.
pub(crate) struct Opening<'a> {
    /// What kind.
    pub(crate) kind: RequestKind,
    /// Who has to confirm it.
    pub(crate) address: &'a Address,
    /// What is done then.
    pub(crate) commands: Vec<String>,
    /// Who asked, where that is somebody else.
    pub(crate) by: Option<Address>,
    /// The text of the mail: `confirm-join`, `invitation`, …
    pub(crate) text: &'static str,
}

impl Session<'_> {
    /// Opens a request, or opens it again, and mails its confirmation. The result says the same whatever is known of the address.
    pub(crate) fn ask_to_confirm(&mut self, opening: Opening<'_>) -> Result<Said, Unavailable> {
        let now = self.cx.now;
        let address = opening.address;
        let itself = *address == self.who.address;
        let key = if itself { "confirmation-sent" } else { "confirmation-sent-if-it-can-be" };
        // A token must not lie about at an address that somebody else reads, or that passes it on.
        if resolve(self.draft.view, address)?.is_some() {
            return Ok(self.refused("is-no-person", &[("address", address.as_str())]));
        }
        if !itself && !self.may_ask(address) {
            return Ok(self.refused("too-many-others", &[("count", &MAX_OTHERS.to_string())]));
        }
        let waiting = Said { told: itself, ..self.waiting(key, &[("address", address.as_str())]) };
        let before = self.draft.request(&self.list.address, opening.kind, address)?.filter(|open| open.expires > now);
        if let (RequestKind::Decisions, Some(open)) = (opening.kind, &before) {
            return self.add_decisions(open, opening, waiting);
        }
        let is_fresh = |open: &Request| now.duration_since(open.mailed) < AGAIN;
        let is_same = |open: &Request| open.commands == opening.commands || self.keeps_invitation(open, &opening);
        let before = match before {
            Some(open) if is_fresh(&open) && is_same(&open) => return Ok(waiting),
            Some(open) if is_fresh(&open) && !self.may_replace(&opening) => return Ok(self.waits_behind(&opening)),
            before => before,
        };
        let same = before.filter(is_same);
        let expires = now.checked_add(self.list.settings.request_expiry).unwrap_or(Timestamp::MAX);
        let request = match same {
            Some(same) => Request { mailed: now, expires, ..same },
            None => self.new_request(&opening, expires)?,
        };
        let text = if is_invitation(&request) { "invitation" } else { opening.text };
        // On the word of somebody else it is a stranger's, however well that one is known.
        let trust = match opening.kind {
            RequestKind::Decisions => Trust::Known,
            _ if itself => self.who.trust(),
            _ => Trust::Stranger,
        };
        if self.mail_confirmation(&request, text, trust)? {
            self.draft.open(request)?;
        }
        Ok(waiting)
    }

    /// Adds decisions to those that wait, and asks about all of them.
    fn add_decisions(&mut self, open: &Request, opening: Opening<'_>, waiting: Said) -> Result<Said, Unavailable> {
        let mut request = Request { mailed: self.cx.now, ..open.clone() };
        request.commands.extend(opening.commands.into_iter().filter(|line| !open.commands.contains(line)));
        request.commands.truncate(MAX_DECISIONS);
        if request.commands.len() > open.commands.len()
            && self.mail_confirmation(&request, opening.text, Trust::Known)?
        {
            self.draft.open(request)?;
        }
        Ok(waiting)
    }

    /// A mail that may be forged asks a few other people at most; whoever they are, and whether or not they are written to.
    fn may_ask(&mut self, other: &Address) -> bool {
        let may = self.who.is_proven() || self.asked.contains(other) || self.asked.len() < MAX_OTHERS;
        if may {
            self.asked.insert(other.clone());
        }
        may
    }

    fn new_request(&self, opening: &Opening<'_>, expires: Timestamp) -> Result<Request, Unavailable> {
        let (list, opened) = (&self.list.address, self.entry.id);
        let token = confirm_token(&self.keys()?, list, opening.kind.name(), opening.address, opened);
        Ok(Request {
            list: list.clone(),
            kind: opening.kind,
            address: opening.address.clone(),
            opened,
            handle: handle(&token).unwrap_or_default(),
            commands: opening.commands.clone(),
            by: opening.by.clone(),
            mailed: self.cx.now,
            expires,
        })
    }

    /// Whose word is enough to put another request in the place of one whose mail may be being answered just now.
    fn may_replace(&self, opening: &Opening<'_>) -> bool {
        self.is_own_word(opening) || opening.text == "invitation"
    }

    fn is_own_word(&self, opening: &Opening<'_>) -> bool {
        *opening.address == self.who.address && self.who.is_proven()
    }

    /// Nothing is opened, as another request is there; whoever has it is told, and nobody else.
    fn waits_behind(&self, opening: &Opening<'_>) -> Said {
        let address = [("address", opening.address.as_str())];
        let itself = *opening.address == self.who.address;
        self.waiting(if itself { "request-waits-already" } else { "confirmation-sent-if-it-can-be" }, &address)
    }

    /// An owner's invitation is worth more than a request to join, and a stranger does not put one into its place.
    fn keeps_invitation(&self, open: &Request, opening: &Opening<'_>) -> bool {
        is_invitation(open) && opening.text == "confirm-join" && !self.is_own_word(opening)
    }

    fn mail_confirmation(&mut self, request: &Request, text: &str, trust: Trust) -> Result<bool, Unavailable> {
        let list = self.list;
        let keys = self.keys()?;
        let token = confirm_token(&keys, &list.address, request.kind.name(), &request.address, request.opened);
        let member = self.draft.member(&list.address, &request.address)?;
        let language = language_of(member.as_ref(), list).to_owned();
        let confirm = list.address.with_word(Word::Confirm, &token);
        let of = if request.kind == RequestKind::LeaveAll { list.address.domain() } else { list.address.as_str() };
        let values = Confirm {
            list: of,
            description: &list.settings.description,
            address: request.address.as_str(),
            by: request.by.as_ref().map(Address::as_str).unwrap_or_default(),
            confirm: &confirm,
            token: &token,
            request: &self.address(Word::Request),
            expires: &day(request.expires),
            commands: match text {
                "confirm-commands" => shown(request, member.as_ref()),
                "confirm-join" => with_options(request),
                _ => Vec::new(),
            },
        };
        let answers = self.message.filter(|_| request.address == self.who.address);
        let letter = Letter {
            from: Word::Request,
            reply_to: Some(&confirm),
            answers,
            ..Letter::from_owners(text, list, &request.address, &language)
        };
        self.write(&letter, &values, Some(trust))
    }

    /// The request that a token is for; none when it is for none that is open here.
    fn request_of(&self, token: &str) -> Result<Option<Request>, Unavailable> {
        let token = token.trim().to_ascii_lowercase();
        let Some(handle) = handle(&token) else { return Ok(None) };
        let Some(request) = self.draft.request_by_handle(&self.list.address, &handle)? else { return Ok(None) };
        let Request { list, kind, address, opened, .. } = &request;
        let good = is_confirm_token(&self.keys()?, list, kind.name(), address, *opened, &token);
        // A mail that was passed on confirms nothing that is a person's own.
        let may = !is_personal(*kind) || *address == self.who.address;
        Ok((good && may && request.expires > self.cx.now).then_some(request))
    }

    /// Confirms what the token is for, and does it. What follows in the message is its author's, as it was before.
    pub(crate) fn confirm(&mut self, token: &str) -> Result<Said, Unavailable> {
        let Some(request) = self.request_of(token)? else { return Ok(self.refused("token-unknown", &[])) };
        let itself = request.address == self.who.address;
        if is_personal(request.kind) && self.is_answer_to(token) && !self.assents() {
            return Ok(self.refused("confirm-needs-yes", &[]));
        }
        // The evidence of consent, in the audit log.
        self.draft.close(&request, &format!("confirmed by a mail of {}", self.who.address));
        let name = if itself { self.who.name.clone() } else { String::new() };
        let author = std::mem::replace(&mut self.who, Requester::confirmed(request.address.clone(), name));
        let member = self.member.take();
        self.member = self.draft.member(&self.list.address, &request.address)?;
        let mut said = Said { told: true, ..self.done("confirmed", &[]) };
        for line in &request.commands {
            let one = self.carry_out_confirmed(line, &request)?;
            // Of several lines each is told by itself.
            match request.kind {
                RequestKind::Commands | RequestKind::Decisions => self.note(line, one),
                _ => said = one,
            }
        }
        (self.who, self.member) = (author, member);
        self.has_confirmed |= itself;
        // A letter told whoever has joined or left; the author of this mail may be somebody else.
        Ok(Said { told: said.told && itself, ..said })
    }

    /// The message came to the address with this token, as any answer does: also that of a program which does not say that it is one.
    fn is_answer_to(&self, token: &str) -> bool {
        self.entry.facts.subaddress.as_ref().is_some_and(|to| to.detail.eq_ignore_ascii_case(token))
    }

    /// The first word that the author wrote is a yes.
    fn assents(&self) -> bool {
        let lines = self.message.map(|message| written(message).lines).unwrap_or_default();
        let first = lines.iter().find_map(|line| line.split_whitespace().next());
        let first = first.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
        first.is_some_and(|word| YES.contains(&word.as_str()))
    }

    /// Takes a request back.
    pub(crate) fn cancel_request(&mut self, token: &str) -> Result<Said, Unavailable> {
        let Some(request) = self.request_of(token)? else { return Ok(self.refused("token-unknown", &[])) };
        self.draft.close(&request, "cancelled");
        Ok(self.done("request-cancelled", &[]))
    }
}

/// What only this person may confirm, and only in so many words: commands in their name, and a new address.
fn is_personal(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Commands | RequestKind::Decisions | RequestKind::Address)
}

/// It was opened by an owner.
fn is_invitation(request: &Request) -> bool {
    request.kind == RequestKind::Join
        && request.commands.first().is_some_and(|line| matches!(grammar::command(line), Ok(Ask::Invite(_))))
}

/// The commands, for a mail that asks whether they are the reader's. Who is in charge sees every word; anybody else no words that
/// a stranger may have chosen.
fn shown(request: &Request, member: Option<&Member>) -> Vec<String> {
    // Addresses are what a change of address is about.
    if request.kind == RequestKind::Address || member.is_some_and(|member| member.roles.is_staff()) {
        return request.commands.clone();
    }
    request.commands.iter().filter_map(|line| grammar::command(line).ok()).map(|ask| ask.brief()).collect()
}

/// The command of somebody who joins, where it says more than that they do.
fn with_options(request: &Request) -> Vec<String> {
    let plain = Joining::default().to_string();
    request.commands.iter().filter(|line| **line != plain).cloned().collect()
}

/// A day, as people in all languages read it.
pub(crate) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
