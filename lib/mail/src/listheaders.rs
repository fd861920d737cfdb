//! The header section of a post on its way to the list: RFC 2369 and RFC 2919 fields, and the owner's settings.

use listmill_core::settings::ReplyTo;
use listmill_core::{Address, List, SigningKeys, Timestamp, Word};
use listmill_queue_format::EntryId;

use crate::decoration;
use crate::edit::Edit;
use crate::field::NewField;
use crate::message::Message;
use crate::token::unsubscribe_token;

/// A post that is to be distributed.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The message as it came.
    pub message: &'a [u8],
    /// The list that distributes it.
    pub list: &'a List,
    /// Its entry; a Message-ID that is missing is made from it.
    pub id: EntryId,
    /// When it arrived; a Date that is missing says this.
    pub arrived: Timestamp,
    /// The footer as it is to be read, its variables filled in; empty for none.
    pub footer: &'a str,
}

/// The fields of RFC 2369 and RFC 2919 that every copy of a list's mail has, List-Id on top. `List-Unsubscribe` is not
/// among them: each recipient has their own, see [`unsubscribe_field`].
pub fn list_headers(list: &List) -> Vec<NewField> {
    let address = &list.address;
    let mailto = |name: &str, to: &str| NewField::plain(name, &format!("<mailto:{to}>"));
    vec![
        NewField::phrase("List-Id", &list.settings.description, &address.list_id()),
        mailto("List-Post", address.as_str()),
        mailto("List-Help", &format!("{}?subject=help", address.with_word(Word::Request, ""))),
        mailto("List-Subscribe", &address.with_word(Word::Join, "")),
        mailto("List-Owner", &address.with_word(Word::Owner, "")),
    ]
}

/// The List-Unsubscribe field of one recipient's copy: a whole field without its CRLF.
pub fn unsubscribe_field(keys: &SigningKeys, list: &List, recipient: &Address) -> String {
    let token = unsubscribe_token(keys, &list.address, recipient);
    NewField::plain("List-Unsubscribe", &format!("<mailto:{}>", list.address.with_word(Word::Leave, &token))).to_line()
}

/// The message as the list sends it.
pub fn distribute(post: &Post<'_>) -> Vec<u8> {
    let message = Message::parse(post.message);
    let mut edit = Edit::new(&message).remove("Return-Path").remove("Bcc");
    if post.list.settings.reply_to == ReplyTo::List {
        let reply_to = NewField::plain("Reply-To", &format!("<{}>", post.list.address));
        edit = edit.replace("Reply-To", reply_to);
    }
    edit = decoration::subject_prefix(edit, &message, &post.list.settings.subject_prefix);
    edit = decoration::footer(edit, &message, post.footer);
    edit = edit.prepend(vec![NewField::plain("Precedence", "list")]).prepend(list_headers(post.list));
    edit.finish()
}
