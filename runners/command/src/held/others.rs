//! What the other moderators are told when one of them has decided: one letter for a message, with a line for each post.

use listmill_core::settings::Notices;
use listmill_core::{Address, HeldPost, Member, Unavailable, Verdict, Word, leads_back};
use listmill_letters::{Letter, language_of};
use listmill_mail::compose::Room;
use listmill_templates::Decided;

use super::post::short;
use crate::session::Session;

/// Something that was done with a held post.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    /// What: a verdict, or `undo`.
    what: &'static str,
    id: String,
    author: String,
    subject: String,
    by: String,
    /// Why; empty where nobody has said so.
    reason: String,
    /// Octets that go on to the list.
    pub(super) octets: u64,
}

impl Deed {
    /// This was done with this post.
    pub(super) fn of(what: &'static str, post: &HeldPost, by: &str) -> Self {
        Deed {
            what,
            id: post.id.to_string(),
            author: short(&post.author),
            subject: short(&post.subject),
            by: by.to_owned(),
            reason: String::new(),
            octets: if what == Verdict::Accept.name() && post.asks.is_none() { post.size } else { 0 },
        }
    }
}

impl Deed {
    /// The author is banned besides.
    pub(super) fn with_ban(&mut self) {
        self.what = "ban";
    }

    /// The reason that the author is told.
    pub(super) fn because(mut self, reason: &str) -> Self {
        self.reason = short(reason);
        self
    }

    fn phrase(&self) -> String {
        let why = if self.reason.is_empty() { "" } else { "-because" };
        format!("deed-{}{why}", self.what)
    }
}

/// Those who decide about what is held and want to hear of it: no address among them leads back to us.
pub(super) fn readers(s: &Session<'_>) -> Result<Vec<Member>, Unavailable> {
    let mut people = Vec::new();
    if s.list.settings.moderator_notices != Notices::Off {
        for person in s.moderators()? {
            if !leads_back(s.draft.view, &person.address, &s.list.address)? {
                people.push(person);
            }
        }
    }
    Ok(people)
}

/// Tells everybody else who decides what this message has decided.
pub(crate) fn tell_others(s: &mut Session<'_>) -> Result<(), Unavailable> {
    let deeds = std::mem::take(&mut s.deeds);
    let Some(by) = deeds.first().map(|deed| deed.by.clone()) else { return Ok(()) };
    let decider: Option<Address> = by.parse().ok();
    let list = s.list;
    for reader in readers(s)?.into_iter().filter(|reader| Some(&reader.address) != decider.as_ref()) {
        let language = language_of(Some(&reader), list).to_owned();
        let line = |deed: &Deed| {
            let values = [
                ("id", deed.id.as_str()),
                ("author", &deed.author),
                ("subject", &deed.subject),
                ("by", &deed.by),
                ("reason", &deed.reason),
            ];
            s.phrase_in(&language, &deed.phrase(), &values)
        };
        let lines = deeds.iter().map(line).collect();
        let values = Decided { list: list.address.as_str(), by: &by, lines };
        let letter = Letter {
            from: Word::Request,
            room: Room::Known,
            ..Letter::from_owners("decided", list, &reader.address, &language)
        };
        s.write(&letter, &values, None)?;
    }
    Ok(())
}
