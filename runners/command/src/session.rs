//! One message being carried out: line by line, until it is known what changes and who is written to.

use std::collections::BTreeSet;

use listmill_core::settings::Proof;
use listmill_core::{
    Address, Context, Disposition, List, Member, Role, SigningKeys, StoreView, Trust, Unavailable, Word,
};
use listmill_letters::{Letter, language_of, recipient_of};
use listmill_mail::compose::Room;
use listmill_mail::message::Message;
use listmill_queue_format::Entry;
use listmill_templates::{Letter as Values, ResultLine, Results, Scope, Status};

use crate::ask::Ask;
use crate::config::CommandConfig;
use crate::draft::Draft;
use crate::held::{Deed, tell_others};
use crate::who::Requester;

/// The stage's name in the ids of the entries that it writes.
pub(crate) const STAGE: &str = "command";

/// What came of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Done, refused, waiting, unknown.
    pub(crate) status: Status,
    /// More about it, in the requester's language.
    pub(crate) text: String,
    /// A letter of its own tells the requester; they need not read it again.
    pub(crate) told: bool,
}

/// One message being carried out.
pub(crate) struct Session<'a> {
    pub(crate) config: &'a CommandConfig,
    /// The entry that brought it; letters derive from it.
    pub(crate) entry: &'a Entry,
    /// The message that is answered; none where nobody has written: the clock, an operator.
    pub(crate) message: Option<&'a Message<'a>>,
    /// The list that was written to.
    pub(crate) list: &'a List,
    pub(crate) cx: Context,
    /// Who asks.
    pub(crate) who: Requester,
    /// The requester's own record on this list, as it was at the beginning.
    pub(crate) member: Option<Member>,
    /// The store as it will be.
    pub(crate) draft: Draft<'a>,
    /// What the message brings with it that stands for a proof: a token that went to nobody but a person in charge.
    pub(crate) has_token: bool,
    /// What was done with held posts; the other moderators are told.
    pub(crate) deeds: Vec<Deed>,
    /// Commands that wait until it is sure who gives them, each with the place of its result.
    unproven: Vec<(usize, String)>,
    results: Vec<ResultLine>,
    /// Each result was told by a letter of its own.
    all_told: bool,
    out: Vec<Disposition>,
    ordinal: u32,
    /// The requester has confirmed something: they read the mail of their address, so an answer to it is no stranger's doing.
    pub(crate) has_confirmed: bool,
    /// Texts that were sent to the requester; each is sent once.
    sent: BTreeSet<&'static str>,
    /// Who was asked to confirm something, other than the requester.
    pub(crate) asked: BTreeSet<Address>,
    /// Who would have been written to if the day allowed it.
    over_budget: Vec<Address>,
}

impl<'a> Session<'a> {
    /// A session of `who` about `list`.
    pub(crate) fn new(
        config: &'a CommandConfig,
        entry: &'a Entry,
        message: Option<&'a Message<'a>>,
        list: &'a List,
        who: Requester,
        view: &'a dyn StoreView,
        cx: Context,
    ) -> Result<Self, Unavailable> {
        let draft = Draft::new(view);
        let member = draft.member(&list.address, &who.address)?;
        Ok(Session {
            config,
            entry,
            message,
            list,
            cx,
            who,
            member,
            draft,
            has_token: false,
            deeds: Vec::new(),
            unproven: Vec::new(),
            results: Vec::new(),
            all_told: true,
            out: Vec::new(),
            ordinal: 0,
            has_confirmed: false,
            sent: BTreeSet::new(),
            asked: BTreeSet::new(),
            over_budget: Vec::new(),
        })
    }

    /// The site's signing keys.
    pub(crate) fn keys(&self) -> Result<SigningKeys, Unavailable> {
        self.draft.view.signing_keys()
    }

    /// The language in which the requester reads.
    pub(crate) fn language(&self) -> &str {
        language_of(self.member.as_ref(), self.list)
    }

    /// A sentence of the phrases in the requester's language.
    pub(crate) fn phrase(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.phrase_in(self.language(), key, values)
    }

    /// A sentence of the phrases in this language.
    pub(crate) fn phrase_in(&self, language: &str, key: &str, values: &[(&str, &str)]) -> String {
        let scope = Scope { list: Some(&self.list.address), language };
        self.config.letters.templates.phrase(key, scope, values)
    }

    /// It is done; the phrase says more.
    pub(crate) fn done(&self, key: &str, values: &[(&str, &str)]) -> Said {
        Said { status: Status::Ok, text: self.phrase(key, values), told: false }
    }

    /// It may not be; the phrase says why.
    pub(crate) fn refused(&self, key: &str, values: &[(&str, &str)]) -> Said {
        Said { status: Status::Refused, text: self.phrase(key, values), told: false }
    }

    /// It waits; the phrase says for what.
    pub(crate) fn waiting(&self, key: &str, values: &[(&str, &str)]) -> Said {
        Said { status: Status::Waiting, text: self.phrase(key, values), told: false }
    }

    /// The requester has this role on the list.
    pub(crate) fn has_role(&self, role: Role) -> Result<bool, Unavailable> {
        let member = self.draft.member(&self.list.address, &self.who.address)?;
        Ok(member.is_some_and(|member| member.roles.has(role)))
    }

    /// The requester may decide about posts: a moderator or an owner.
    pub(crate) fn may_moderate(&self) -> Result<bool, Unavailable> {
        Ok(self.has_role(Role::Moderator)? || self.has_role(Role::Owner)?)
    }

    /// It is sure enough who this is for what people in charge may do.
    pub(crate) fn is_sure_of_who_is_in_charge(&self) -> bool {
        match self.list.settings.moderator_proof {
            Proof::Aligned => self.who.is_proven(),
            Proof::Confirm => self.who.proof == crate::who::Proof::Confirmed,
            Proof::Token => self.who.is_proven() || self.has_token,
        }
    }

    /// Lets a command wait until it is sure who gives it.
    pub(crate) fn wait_for_proof(&mut self, ask: &Ask) -> Said {
        self.unproven.push((self.results.len(), ask.to_string()));
        Said { told: true, ..self.waiting("proof-needed", &[("address", self.who.address.as_str())]) }
    }

    /// The commands that wait, each with the place of its result.
    pub(crate) fn take_unproven(&mut self) -> Vec<(usize, String)> {
        std::mem::take(&mut self.unproven)
    }

    /// Keeps what came of a line after all.
    pub(crate) fn note_again(&mut self, place: usize, said: &Said) {
        self.all_told &= said.told;
        if let Some(result) = self.results.get_mut(place) {
            (result.status, result.text) = (said.status, said.text.clone());
        }
    }

    /// Those who decide about posts: the moderators, or the owners of a list that has none.
    pub(crate) fn moderators(&self) -> Result<Vec<Member>, Unavailable> {
        let moderators = self.draft.staff(&self.list.address, Role::Moderator)?;
        if moderators.is_empty() { self.draft.staff(&self.list.address, Role::Owner) } else { Ok(moderators) }
    }

    /// What is done on the word of a mail that may be forged is done only if its person hears of it today.
    pub(crate) fn would_hear(&self, address: &Address, trust: Option<Trust>) -> Result<bool, Unavailable> {
        let allowance = self.config.letters.budget.of(Trust::Stranger);
        Ok(trust != Some(Trust::Stranger) || self.draft.allows(address, Trust::Stranger, allowance, self.cx.now)?)
    }

    /// Writes a letter; false when the day's budget for its reader is spent. Without `trust` it is not counted: for those in
    /// charge of the list, and for who has just confirmed that they want it.
    pub(crate) fn write<V: Values>(
        &mut self,
        letter: &Letter<'_>,
        values: &V,
        trust: Option<Trust>,
    ) -> Result<bool, Unavailable> {
        let cx = self.cx;
        if let Some(trust) = trust {
            let allowance = self.config.letters.budget.of(trust);
            if !self.draft.spend(letter.to, trust, allowance, cx.now)? {
                self.over_budget.push(letter.to.clone());
                return Ok(false);
            }
        }
        let reason = format!("{} to {}", letter.text, letter.to);
        let marked = letter.answers.and_then(|_| recipient_of(letter.to, &self.entry.envelope.sender));
        let letter = &Letter { recipient: letter.recipient.or(marked), ..*letter };
        match self.config.letters.write(letter, values, self.entry, STAGE, self.next_ordinal(), cx) {
            Ok(entry) => self.out.push(Disposition::Notify { entry, reason }),
            Err(error) => self.out.push(Disposition::Shunt { reason: format!("{reason} cannot be written: {error}") }),
        }
        Ok(true)
    }

    /// Sends an entry on, other than a letter.
    pub(crate) fn forward(&mut self, make: impl FnOnce(u32) -> Entry, reason: String) {
        let entry = make(self.next_ordinal());
        self.out.push(Disposition::Forward { entry, reason });
    }

    /// Decides anything else.
    pub(crate) fn push(&mut self, disposition: Disposition) {
        self.out.push(disposition);
    }

    /// The ordinal of the next entry that is written.
    pub(crate) fn next_ordinal(&mut self) -> u32 {
        self.ordinal += 1;
        self.ordinal - 1
    }

    /// This text was sent to the requester.
    pub(crate) fn was_sent(&self, text: &'static str) -> bool {
        self.sent.contains(text)
    }

    /// This text was not sent to the requester before; now it is.
    pub(crate) fn is_first(&mut self, text: &'static str) -> bool {
        self.sent.insert(text)
    }

    /// The list's address behind a word.
    pub(crate) fn address(&self, word: Word) -> String {
        self.list.address.with_word(word, "")
    }

    /// Keeps what came of a line, for the answer.
    pub(crate) fn note(&mut self, command: &str, said: Said) {
        self.all_told &= said.told;
        self.results.push(ResultLine { command: command.to_owned(), status: said.status, text: said.text });
    }

    /// Ends it: the answer, if there is something to be told, then everything in the order in which the shell takes it.
    pub(crate) fn finish(mut self) -> Result<Vec<Disposition>, Unavailable> {
        tell_others(&mut self)?;
        let (mut log, brief) = (self.log(in_log), self.log(in_brief));
        if !self.all_told && !self.results.is_empty() {
            self.answer()?;
        }
        let spent = self.message.is_some() && !self.over_budget.is_empty();
        if spent {
            // The answer may be the letter that is not sent, and what the lines say of other letters is not so.
            log = brief;
        }
        for address in &self.over_budget {
            log += &format!("; {address} gets no more letters today");
        }
        let mut all: Vec<_> = self.draft.into_changes().into_iter().map(Disposition::Change).collect();
        all.extend(self.out);
        // Also beside what was done: that somebody was not told of it is not to be seen anywhere else.
        if all.is_empty() || spent {
            if log.is_empty() {
                log = "no command and no decision in it".to_owned();
            }
            all.push(Disposition::Discard { reason: format!("{}: {log}", self.who.address) });
        }
        Ok(all)
    }

    fn log(&self, line: fn(&ResultLine) -> String) -> String {
        self.results.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    /// The answer with a result for each line.
    fn answer(&mut self) -> Result<bool, Unavailable> {
        let known = self.who.is_proven() || self.has_confirmed;
        let (to, trust): (Address, _) = (self.who.address.clone(), if known { Trust::Known } else { Trust::Stranger });
        let (request, language) = (self.address(Word::Request), self.language().to_owned());
        let list = self.list;
        let values =
            Results { list: list.address.as_str(), request: &request, lines: std::mem::take(&mut self.results) };
        let room = if known { Room::Known } else { Room::Stranger };
        let letter = Letter {
            from: Word::Request,
            answers: self.message,
            room,
            ..Letter::from_owners("results", list, &to, &language)
        };
        self.write(&letter, &values, Some(trust))
    }
}

fn in_brief(line: &ResultLine) -> String {
    format!("{:?} {:?}", line.command, line.status)
}

fn in_log(line: &ResultLine) -> String {
    let first = line.text.lines().next().unwrap_or_default();
    format!("{:?} {:?}: {first}", line.command, line.status)
}
