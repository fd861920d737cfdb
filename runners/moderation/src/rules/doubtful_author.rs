//! Nobody can be named as the author without doubt.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    if post.author.is_some() {
        return None;
    }
    let doubt = post.facts().author_doubt.as_deref();
    Some(Hit::because(doubt.unwrap_or("nobody is named as the author")))
}
