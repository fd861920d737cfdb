//! The author is not on the list, and not among those who may write all the same.

use listmill_core::Action;

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let author = post.author.filter(|_| post.member.is_none())?;
    let action = post.settings.nonmember_action;
    if action == Action::Accept || post.settings.allowed_nonmembers.contains(author) {
        return None;
    }
    Some(Hit::saying(action, format!("{author} is not a member, and the list {action}s posts of nonmembers")))
}
