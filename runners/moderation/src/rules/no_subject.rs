//! There is no subject, or an empty one.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    post.message.subject().trim().is_empty().then(|| Hit::because("the post has no subject"))
}
