//! The notice that an author gets about a rejected post, and when they get none.

use listmill_core::{Address, Context, List, Word};
use listmill_mail::aligned::disowned;
use listmill_mail::automatic::automatic;
use listmill_mail::compose::{AutoSubmitted, Notice, Room};
use listmill_mail::message::Message;
use listmill_mail::sender::person;
use listmill_queue_format::{Entry, Facts, Priority, Queue, Recipient};
use listmill_templates::{Rejected, Scope, Templates};

/// Why the author is not told.
pub(crate) fn silence(entry: &Entry, message: &Message<'_>, author: &Address) -> Option<String> {
    if let Some(why) = automatic(message, &entry.envelope.sender) {
        return Some(format!("it is automatic mail: {why}")); // RFC 3834 §2
    }
    // RFC 3834 §4: a response goes to the envelope sender. Where that is somebody else, one of the two may be forged.
    if person(&entry.envelope.sender).parse::<Address>().ok().as_ref() != Some(author) {
        return Some("the envelope sender is not the author".to_owned());
    }
    disowned(&entry.facts.authentication).map(|why| format!("{why}: the author may be forged"))
}

/// The notice, as an outbound entry.
pub(crate) struct Rejection<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) message: &'a Message<'a>,
    pub(crate) list: &'a List,
    pub(crate) author: &'a Address,
    pub(crate) reason: &'a str,
}

impl Rejection<'_> {
    /// The entry that tells the author.
    ///
    /// # Errors
    /// The text cannot be rendered, which is a fault of the text.
    pub(crate) fn notice(&self, templates: &Templates, cx: Context) -> Result<Entry, String> {
        let owner = self.list.address.with_word(Word::Owner, "");
        let subject = self.message.subject();
        let values =
            Rejected { list: self.list.address.as_str(), subject: &subject, reason: self.reason, owner: &owner };
        let scope = Scope { list: Some(&self.list.address), language: &self.list.settings.language };
        let text = templates.render("rejected", scope, &values).map_err(|error| error.to_string())?;
        let mut notice = self.entry.derive("moderation", 0, Queue::Outbound);
        let bytes = Notice {
            from_name: "",
            from: &owner,
            to: self.author,
            reply_to: None,
            subject: &text.subject,
            text: &text.body,
            room: Room::Stranger,
            attached: None,
            list: Some(self.list),
            in_reply_to: Some(self.message),
            id: notice.id,
            now: cx.now,
            auto: AutoSubmitted::Replied,
        }
        .build();
        notice.message = bytes.into();
        notice.priority = Priority::High;
        notice.facts = Facts::default();
        // A message of our own: the envelope of the post has nothing to do with it. RFC 3834 §3.3: the null reverse-path.
        notice.envelope = Default::default();
        // As it is written, with the marks of the author's host: it may take no answer without them (RFC 3834 §4).
        let recipient = self.entry.envelope.sender.parse().unwrap_or_else(|_| self.author.clone());
        notice.recipients = vec![Recipient { address: recipient.to_string(), ..Recipient::default() }];
        Ok(notice)
    }
}
