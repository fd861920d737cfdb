//! Nobody can be named as the author without doubt, or the domain of who is named says that it was not them.
//!
//! The second is `dmarc=fail` in the word of a host that the site trusts; auth keeps no other. One such word is enough,
//! whatever other hosts say. A domain that says nothing (`none`), or could not be asked (`temperror`), doubts nobody.

use listmill_mail::aligned::failed;

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let Some(author) = post.author else {
        let doubt = post.facts().author_doubt.as_deref();
        return Some(Hit::because(doubt.unwrap_or("nobody is named as the author")));
    };
    let result = failed(&post.facts().authentication, &["dmarc"])?;
    let (host, domain) = (&result.authserv_id, author.domain());
    Some(Hit::because(format!("{host} says dmarc=fail: by the word of {domain}, the post is not from {author}")))
}
