//! The author is on the list, and their posts are not simply accepted.

use listmill_core::{Action, Moderation};

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    // Owners and moderators who are no members are on the list all the same.
    let member = post.member?;
    let (action, whose) = match member.moderation {
        Moderation::Always(action) => (action, "this member"),
        Moderation::Default => (post.settings.member_action, "members"),
    };
    (action != Action::Accept).then(|| {
        Hit::saying(action, format!("{} is a member, and the list {action}s posts of {whose}", member.address))
    })
}
