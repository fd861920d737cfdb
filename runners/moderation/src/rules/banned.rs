//! The author or the envelope sender is on a ban list; auth has looked.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let reason = post.facts().other.get("banned")?;
    Some(Hit::because(reason.as_str().unwrap_or("banned")))
}
