//! A program's answer to somebody's mail: a vacation note, a bounce, a receipt.
//!
//! Whoever wrote it, a member too: their vacation responder must not reach everybody, and two of them would answer each
//! other's notes for ever. What a program writes of its own accord (a build server, a gateway) is not meant.

use listmill_mail::automatic::automatic_reply;

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let why = automatic_reply(post.message, &post.entry.envelope.sender)?; // RFC 3834 §2, §5
    Some(Hit::because(format!("the post is an automatic reply: {why}")))
}
