//! Requests that wait for a confirmation: opened, opened again, confirmed, cancelled.
//!
//! One request of a kind is open for a person on a list. Asked for again it is refreshed: it keeps its token, waits longer, and is
//! mailed again, but not within the hour. With other commands in it, it is a new one, and the old token is worth nothing.

use jiff::SignedDuration;
use listmill_core::{Address, Request, RequestKind, Trust, Unavailable, Word};
use listmill_letters::{Letter, language_of};
use listmill_mail::token::{confirm_token, handle, is_confirm_token};
use listmill_templates::Confirm;

use crate::session::{Said, Session};
use crate::who::Requester;

/// A confirmation is not mailed again within this time.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

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
        let Opening { kind, address, commands, by, text } = opening;
        let list = &self.list.address;
        let now = self.cx.now;
        let before = self.draft.request(list, kind, address)?;
        let same = before.filter(|before| before.commands == commands && before.expires > now);
        let mailed_lately = same.as_ref().is_some_and(|same| now.duration_since(same.mailed) < AGAIN);
        let opened = same.as_ref().map_or(self.entry.id, |same| same.opened);
        let keys = self.keys()?;
        let token = confirm_token(&keys, list, kind.name(), address, opened);
        let expires = now.checked_add(self.list.settings.request_expiry).unwrap_or(listmill_core::Timestamp::MAX);
        let itself = *address == self.who.address;
        let waiting = self.waiting("confirmation-sent", &[("address", address.as_str())]);
        if mailed_lately {
            return Ok(Said { told: itself, ..waiting });
        }
        let request = Request {
            list: list.clone(),
            kind,
            address: address.clone(),
            opened,
            handle: handle(&token).unwrap_or_default(),
            commands,
            by,
            mailed: now,
            expires,
        };
        // On the word of somebody else it is a stranger's, however well that one is known.
        let trust = if itself { self.who.trust() } else { Trust::Stranger };
        if self.mail_confirmation(&request, &token, text, trust)? {
            self.draft.open(request)?;
        }
        Ok(Said { told: itself, ..waiting })
    }

    fn mail_confirmation(
        &mut self,
        request: &Request,
        token: &str,
        text: &str,
        trust: Trust,
    ) -> Result<bool, Unavailable> {
        let list = self.list;
        let member = self.draft.member(&list.address, &request.address)?;
        let language = language_of(member.as_ref(), list).to_owned();
        let confirm = list.address.with_word(Word::Confirm, token);
        let of = if request.kind == RequestKind::LeaveAll { list.address.domain() } else { list.address.as_str() };
        let values = Confirm {
            list: of,
            description: &list.settings.description,
            address: request.address.as_str(),
            by: request.by.as_ref().map(Address::as_str).unwrap_or_default(),
            confirm: &confirm,
            token,
            request: &self.address(Word::Request),
            expires: &day(request.expires),
            commands: if request.kind == RequestKind::Commands { request.commands.clone() } else { Vec::new() },
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
        // Commands and addresses are a person's own: a mail that was passed on confirms nothing.
        let personal = matches!(kind, RequestKind::Commands | RequestKind::Address);
        let may = !personal || *address == self.who.address;
        Ok((good && may && request.expires > self.cx.now).then_some(request))
    }

    /// Confirms what the token is for, and does it.
    pub(crate) fn confirm(&mut self, token: &str) -> Result<Said, Unavailable> {
        let Some(request) = self.request_of(token)? else { return Ok(self.refused("token-unknown", &[])) };
        self.draft.close(&request, "confirmed");
        let name = if request.address == self.who.address { self.who.name.clone() } else { String::new() };
        self.who = Requester::confirmed(request.address.clone(), name);
        self.member = self.draft.member(&self.list.address, &request.address)?;
        let mut last = None;
        for line in &request.commands {
            if let Some(said) = last.take() {
                let (command, said): (String, Said) = said;
                self.note(&command, said);
            }
            last = Some((line.clone(), self.carry_out_confirmed(line, &request)?));
        }
        Ok(last.map_or_else(|| self.done("confirmed", &[]), |(_, said)| said))
    }

    /// Takes a request back.
    pub(crate) fn cancel_request(&mut self, token: &str) -> Result<Said, Unavailable> {
        let Some(request) = self.request_of(token)? else { return Ok(self.refused("token-unknown", &[])) };
        self.draft.close(&request, "cancelled");
        Ok(self.done("request-cancelled", &[]))
    }
}

/// A day, as people in all languages read it.
pub(crate) fn day(at: listmill_core::Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
