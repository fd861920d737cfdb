//! What an envelope recipient stands for.

use listmill_core::{Address, Resolved, StoreView, Unavailable, Word, resolve};
use listmill_queue_format::Queue;

/// What an envelope recipient stands for. The intake asks at RCPT, the stage when the message is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// An address of a list.
    List(Box<Resolved>),
    /// `postmaster@` or `abuse@` the site: the site admins.
    SiteAdmins,
    /// No list has this address.
    Unknown,
    /// It is not a mail address; why not.
    Invalid(String),
}

impl Route {
    /// The route of `recipient` on a site with these domains.
    pub(crate) fn find(recipient: &str, domains: &[String], view: &dyn StoreView) -> Result<Self, Unavailable> {
        // RFC 5321 §4.1.1.3: "Postmaster" alone, in any case, must be accepted.
        if recipient.eq_ignore_ascii_case("postmaster") {
            return Ok(Route::SiteAdmins);
        }
        let address: Address = match recipient.parse() {
            Ok(address) => address,
            Err(error) => return Ok(Route::Invalid(error.to_string())),
        };
        if let Some(resolved) = resolve(view, &address)? {
            return Ok(Route::List(Box::new(resolved)));
        }
        // RFC 2142 §5 and §2: postmaster and abuse are there for each domain that takes mail.
        let role = ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role));
        let ours = domains.iter().any(|domain| domain.eq_ignore_ascii_case(address.domain()));
        Ok(if role && ours { Route::SiteAdmins } else { Route::Unknown })
    }

    /// The queue behind it; none where nobody is reached.
    pub(crate) fn queue(&self) -> Option<Queue> {
        match self {
            Route::List(resolved) => Some(match resolved.word {
                None | Some(Word::Owner | Word::Moderators) => Queue::Auth,
                Some(Word::Bounces | Word::Fbl) => Queue::Bounce,
                Some(_) => Queue::Command,
            }),
            Route::SiteAdmins => Some(Queue::Auth),
            Route::Unknown | Route::Invalid(_) => None,
        }
    }

    /// Octets of the largest message that is taken here; 0: no limit but the site's.
    ///
    /// A list's limit is for its posts. What its owners and we ourselves are sent is held to the site's limit only: a bounce of a
    /// large post is larger than the post.
    pub(crate) fn max_size(&self) -> u64 {
        match self {
            Route::List(resolved) if resolved.word.is_none() => resolved.list.settings.max_message_size,
            _ => 0,
        }
    }

    /// Whether both lead to the same place: the same person or program would get the message twice.
    pub(crate) fn leads_where(&self, other: &Route) -> bool {
        match (self, other) {
            (Route::List(a), Route::List(b)) => {
                (&a.list.address, a.word, &a.detail) == (&b.list.address, b.word, &b.detail)
            }
            (Route::SiteAdmins, Route::SiteAdmins) => true,
            _ => false,
        }
    }
}
