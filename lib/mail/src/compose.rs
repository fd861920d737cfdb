//! Mail of our own: notices (RFC 3834).

use listmill_core::{Address, List, Timestamp};
use listmill_queue_format::EntryId;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;

use crate::field::{NewField, clean};
use crate::message::Message;

/// What the Auto-Submitted field says (RFC 3834 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoSubmitted {
    /// It answers a message.
    Replied,
    /// It answers nothing.
    Generated,
}

impl AutoSubmitted {
    fn keyword(self) -> &'static str {
        match self {
            AutoSubmitted::Replied => "auto-replied",
            AutoSubmitted::Generated => "auto-generated",
        }
    }
}

/// A message of our own. Its envelope sender is the caller's to set: the null reverse-path (RFC 3834 §3.3).
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The display name of the author; may be empty.
    pub from_name: &'a str,
    /// The address of the author: the list's owners, or the site's postmaster.
    pub from: &'a str,
    /// Whom it is for.
    pub to: &'a Address,
    /// The subject.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// The list it is about, if any.
    pub list: Option<&'a List>,
    /// The message that it answers, if any.
    pub in_reply_to: Option<&'a Message<'a>>,
    /// Its entry; the Message-ID is made from it.
    pub id: EntryId,
    /// Its date.
    pub now: Timestamp,
    /// Why it is sent.
    pub auto: AutoSubmitted,
}

impl Notice<'_> {
    /// The message.
    pub fn build(&self) -> Vec<u8> {
        let domain = self.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let (from, from_name) = (clean(self.from), clean(self.from_name));
        let name = (!from_name.is_empty()).then_some(from_name.as_str());
        let mut builder = MessageBuilder::new()
            .from(Mailbox::new_address(name, from.as_str()))
            .to(Mailbox::new_address(None::<&str>, self.to.as_str()))
            .subject(clean(self.subject))
            .date(Date::new(self.now.as_second()))
            .message_id(format!("{}@{}", self.id, clean(domain)))
            .header("Auto-Submitted", Raw::new(self.auto.keyword()));
        if let Some(answered) = self.in_reply_to.map(Message::message_id).filter(|id| !id.is_empty()) {
            builder = builder.in_reply_to(answered.clone()).references(answered);
        }
        let mut bytes = Vec::new();
        if let Some(list) = self.list {
            let list_id = NewField::phrase("List-Id", &list.settings.description, &list.address.list_id());
            bytes.extend_from_slice(list_id.as_bytes());
        }
        builder.text_body(self.text).serialize(&mut bytes);
        bytes
    }
}
