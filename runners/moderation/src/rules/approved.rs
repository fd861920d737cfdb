//! A moderator has let this post through.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let approval = post.facts().approved.as_ref()?;
    Some(Hit::because(format!("approved by {}", approval.by)))
}
