//! To and Cc name more people than the list allows.

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let limit = post.settings.max_recipients;
    if limit == 0 {
        return None;
    }
    let count = post.addressees().count();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    (count > most).then(|| Hit::because(format!("To and Cc have {count} addresses, the list allows {limit}")))
}
