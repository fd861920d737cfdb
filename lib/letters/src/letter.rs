//! One letter: from a text to an entry.

use std::sync::Arc;

use listmill_core::{Address, Context, List, Member, StoreChange, StoreView, Timestamp, Trust, Unavailable, Word};
use listmill_mail::compose::{AutoSubmitted, Notice, Room};
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Facts, Priority, Queue, Recipient};
use listmill_templates::{Letter as Values, Scope, TemplateError, Templates};

use crate::Budget;

/// What it takes to write letters: the texts, and what a day allows.
#[derive(Debug, Clone)]
pub struct Letters {
    /// The texts of the site.
    pub templates: Arc<Templates>,
    /// What a day allows.
    pub budget: Budget,
}

impl Default for Letters {
    /// The built-in texts and budget.
    fn default() -> Self {
        Letters { templates: Arc::new(Templates::new()), budget: Budget::default() }
    }
}

/// A letter that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// The name of its text.
    pub text: &'a str,
    /// The list that it is about.
    pub list: &'a List,
    /// The list's address that it comes from: the owners', or the one for commands.
    pub from: Word,
    /// Whom it is for.
    pub to: &'a Address,
    /// Where it is delivered, when the reader's address is written with marks of its host there.
    pub recipient: Option<&'a str>,
    /// The language of the reader (BCP 47).
    pub language: &'a str,
    /// Where an answer goes, when not to `from`.
    pub reply_to: Option<&'a str>,
    /// The message that it answers; none for a letter that we write of our own accord.
    pub answers: Option<&'a Message<'a>>,
    /// A message that comes with it.
    pub attached: Option<&'a [u8]>,
    /// How long its text may be.
    pub room: Room,
}

impl<'a> Letter<'a> {
    /// A short letter from the list's owners that answers nothing.
    pub fn from_owners(text: &'a str, list: &'a List, to: &'a Address, language: &'a str) -> Self {
        Letter {
            text,
            list,
            from: Word::Owner,
            to,
            recipient: None,
            language,
            reply_to: None,
            answers: None,
            attached: None,
            room: Room::Stranger,
        }
    }
}

impl Letters {
    /// The letter as an outbound entry: the `ordinal`-th entry that `stage` writes from `parent`.
    ///
    /// # Errors
    /// The text cannot be filled in, which is a fault of the program: no override can cause it.
    pub fn write<V: Values>(
        &self,
        letter: &Letter<'_>,
        values: &V,
        parent: &Entry,
        stage: &str,
        ordinal: u32,
        cx: Context,
    ) -> Result<Entry, TemplateError> {
        let scope = Scope { list: Some(&letter.list.address), language: letter.language };
        let text = self.templates.render(letter.text, scope, values)?;
        let mut entry = parent.derive(stage, ordinal, Queue::Outbound);
        let from = letter.list.address.with_word(letter.from, "");
        let message = Notice {
            from_name: letter.list.address.name(),
            from: &from,
            to: letter.to,
            reply_to: letter.reply_to,
            subject: &text.subject,
            text: &text.body,
            attached: letter.attached,
            room: letter.room,
            list: Some(letter.list),
            in_reply_to: letter.answers,
            id: entry.id,
            now: cx.now,
            auto: if letter.answers.is_some() { AutoSubmitted::Replied } else { AutoSubmitted::Generated },
        }
        .build();
        entry.message = message.into();
        entry.list = Some(letter.list.address.to_string());
        // Somebody waits for it.
        entry.priority = Priority::High;
        entry.facts = Facts::default();
        // Nothing of what it answers is kept. RFC 3834 §3.3: the null reverse-path.
        entry.envelope = Default::default();
        let address = letter.recipient.unwrap_or(letter.to.as_str()).to_owned();
        entry.recipients = vec![Recipient { address, ..Recipient::default() }];
        Ok(entry)
    }

    /// The day allows one more letter to `to`.
    ///
    /// # Errors
    /// [`Unavailable`] when the view cannot be read now.
    pub fn allowed(
        &self,
        view: &dyn StoreView,
        to: &Address,
        trust: Trust,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        Ok(self.budget.of(trust).allows(view.spent(to, trust, now)?, 1))
    }

    /// The change that counts a letter to `to`; a store refuses it when the day allows no more.
    pub fn spend(&self, to: &Address, trust: Trust) -> StoreChange {
        StoreChange::Spend { address: to.clone(), trust, allowance: self.budget.of(trust) }
    }
}

/// The language in which somebody reads: their own, or the list's.
pub fn language_of<'a>(member: Option<&'a Member>, list: &'a List) -> &'a str {
    member.and_then(|member| member.language.as_deref()).unwrap_or(&list.settings.language)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mark_that_is_written_is_the_mark_that_is_read() {
        assert_eq!(listmill_templates::MARK, listmill_mail::reply::MARK);
    }
}
