//! Brakes: what fails for many at once is not the members' fault, but the post's or the relay's.
//!
//! A post and a relay have a tally each, which counts members. Whatever the cause: a filter may say that a mailbox does not exist. A domain
//! that takes no mail at all counts as one, however many members it has; and it is no relay. That hosts of many organisations say, each of
//! a few, that there is no such mailbox, no post can bring about: those few are not counted against it (`specs/decisions/0037`).

use listmill_core::{BounceEvent, Cause, Unavailable};

use crate::record::in_words;
use crate::session::Session;
use crate::tell::Line;

/// Fewer members than this brake nothing.
const AT_LEAST: u64 = 10;

/// So many members a day a host of its own may call gone without a doubt about the post.
const BELIEVED: u32 = 3;

impl Session<'_> {
    /// How many members are too many for a tally of this name.
    fn limit(&self, name: &str) -> Result<Option<u32>, Unavailable> {
        let settings = &self.list.settings;
        let percent = if name.starts_with("post/") { settings.bounce_brake_post } else { settings.bounce_brake_relay };
        if percent == 0 || name.is_empty() {
            return Ok(None);
        }
        let members = self.member_count()?;
        let limit = (members.saturating_mul(u64::from(percent))).div_ceil(100).max(AT_LEAST);
        Ok(Some(u32::try_from(limit).unwrap_or(u32::MAX)))
    }

    /// The post or the relay with which so many have failed that it counts against nobody.
    pub(crate) fn brake<'e>(&self, event: &'e BounceEvent) -> Result<Option<&'e str>, Unavailable> {
        for name in [&event.post, &event.relay] {
            if let Some(limit) = self.limit(name)?
                && self.tally(name)? >= limit
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// It counts against nobody.
    pub(crate) fn is_braked(&self, event: &BounceEvent) -> Result<bool, Unavailable> {
        Ok(self.brake(event)?.is_some())
    }

    /// Counts a failure for its post and its relay, and tells the owners once where it becomes too many. `is_own`: a host that the report names
    /// says plainly that this mailbox is gone.
    pub(crate) fn count_failure(&mut self, event: &BounceEvent, domain: &str, is_own: bool) -> Result<(), Unavailable> {
        let is_believed = is_own && self.tally(&event.relay)? < BELIEVED;
        let dead = (event.cause == Cause::DomainDead).then_some(domain);
        if matches!(event.cause, Cause::Message | Cause::Reputation) {
            let name = format!("refused/{}/{}", event.at.strftime("%Y%m%d"), post_of(event));
            self.count(&name, None, None, &in_words(event));
        }
        for (name, key) in [(&event.post, "bounce-brake-post"), (&event.relay, "bounce-brake-relay")] {
            if name.is_empty() || (is_believed && *name == event.post) {
                continue;
            }
            // Whether its domain counts once more only the store knows.
            let count = self.tally(name)? + u32::from(dead.is_none());
            self.count(name, dead, None, &in_words(event));
            let told = format!("told/{name}");
            if self.limit(name)?.is_some_and(|limit| count >= limit) && self.tally(&told)? == 0 {
                self.count(&told, None, Some(1), "");
                self.lines.push(Line::of(key, event).with("count", count.to_string()));
            }
        }
        Ok(())
    }
}

/// The post of a failure, as people are told of it.
pub(crate) fn post_of(event: &BounceEvent) -> &str {
    event.post.strip_prefix("post/").unwrap_or(&event.post)
}
