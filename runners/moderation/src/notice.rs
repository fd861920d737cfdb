//! The notice that an author gets about a rejected post, and when they get none.

use listmill_core::{Context, List, Member, StoreChange, StoreView, Unavailable, Word};
use listmill_letters::{Letter, Letters, author_of, language_of};
use listmill_mail::message::Message;
use listmill_queue_format::Entry;
use listmill_templates::Rejected;

/// A post that is rejected, with the reason that its author may read.
pub(crate) struct Rejection<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) message: &'a Message<'a>,
    pub(crate) list: &'a List,
    /// The author's record on the list.
    pub(crate) member: Option<&'a Member>,
    pub(crate) reason: &'a str,
}

impl Rejection<'_> {
    /// The notice, and the change that counts it; or why nobody is told.
    pub(crate) fn notice(
        &self,
        letters: &Letters,
        view: &dyn StoreView,
        cx: Context,
    ) -> Result<Result<(Entry, StoreChange), String>, Unavailable> {
        let reader = match author_of(self.entry, self.message) {
            Ok(reader) => reader,
            Err(silence) => return Ok(Err(silence.to_string())),
        };
        if !letters.allowed(view, &reader.address, reader.trust, cx.now)? {
            return Ok(Err(format!("{} gets no more letters today", reader.address)));
        }
        let values = Rejected {
            list: self.list.address.as_str(),
            subject: &self.message.subject(),
            reason: self.reason,
            owner: &self.list.address.with_word(Word::Owner, ""),
        };
        let letter = Letter {
            recipient: Some(&reader.recipient),
            answers: Some(self.message),
            ..Letter::from_owners("rejected", self.list, &reader.address, language_of(self.member, self.list))
        };
        let notice = letters.write(&letter, &values, self.entry, "moderation", 0, cx);
        let counted = letters.spend(&reader.address, reader.trust);
        Ok(notice.map(|notice| (notice, counted)).map_err(|error| error.to_string()))
    }
}
