//! The message goes round in a loop: inbound and auth have refused it, unless a foreign program wrote this entry.

use listmill_core::Word;
use listmill_mail::loops::looping;

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let word = post.facts().subaddress.as_ref().and_then(|subaddress| Word::named(&subaddress.word));
    looping(post.message, post.list, word).map(|reason| Hit::because(format!("5.4.6 {reason}")))
}
