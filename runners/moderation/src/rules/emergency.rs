//! The owners have stopped the list.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    post.settings.emergency.then(|| Hit::because("every post is held: the list is in an emergency"))
}
