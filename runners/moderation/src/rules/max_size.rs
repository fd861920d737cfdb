//! The message is larger than the list allows.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let (size, limit) = (post.entry.message.len() as u64, post.settings.max_message_size);
    (limit > 0 && size > limit).then(|| Hit::because(format!("the message has {size} octets, the list takes {limit}")))
}
