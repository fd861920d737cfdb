//! What a stage may see of the world.

use crate::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List, ListAddress,
    Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, Timestamp, Trust,
};
use listmill_queue_format::EntryId;

/// The view cannot be read now; the entry is given back and tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read now: {reason}")]
pub struct Unavailable {
    /// What stands in the way.
    pub reason: String,
}

/// The store, as far as it can be read. Synchronous, and the same for every backend.
///
/// Whatever grows with members or posts is read in pages: `after` is the last key of the page before, and a page that is shorter
/// than `limit` is the last one.
pub trait StoreView {
    /// A list with its settings; none when there is no such list.
    fn list(&self, list: &ListAddress) -> Result<Option<List>, Unavailable>;

    /// A page of the lists, by address.
    fn lists(&self, after: Option<&ListAddress>, limit: usize) -> Result<Vec<List>, Unavailable>;

    /// One person of a list.
    fn member(&self, list: &ListAddress, address: &Address) -> Result<Option<Member>, Unavailable>;

    /// A page of the roster, by address: every person on the list, whatever their roles.
    fn roster(&self, list: &ListAddress, after: Option<&Address>, limit: usize) -> Result<Vec<Member>, Unavailable>;

    /// How many people have the role `member`.
    fn member_count(&self, list: &ListAddress) -> Result<u64, Unavailable>;

    /// The people with this role, which must not be `member`: that is what `roster` is for.
    fn staff(&self, list: &ListAddress, role: Role) -> Result<Vec<Member>, Unavailable>;

    /// A page of the held posts, oldest first.
    fn held(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<HeldPost>, Unavailable>;

    /// One held post and its message file; the file is [lost](MessageFile::is_lost) where the store is in order and only this file is missing
    /// or cannot be read.
    fn held_entry(&self, list: &ListAddress, id: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable>;

    /// The held post that was this entry; what became of the entry else is not looked at.
    fn held_by_entry(&self, list: &ListAddress, entry: EntryId) -> Result<Option<HeldPost>, Unavailable>;

    /// Held posts of all lists that have waited too long at `at`, those first that should have lapsed first; at most `limit`. One whose
    /// record is damaged is left out.
    fn lapsed(&self, at: Timestamp, limit: usize) -> Result<Vec<HeldPost>, Unavailable>;

    /// What became of a post that was held; known for a month.
    fn decision(&self, list: &ListAddress, id: HeldId) -> Result<Option<Decision>, Unavailable>;

    /// A page of the decisions about held posts, by number.
    fn decisions(&self, list: &ListAddress, after: Option<HeldId>, limit: usize) -> Result<Vec<Decision>, Unavailable>;

    /// The open request of this kind that waits for this person; it may have expired.
    fn request(&self, list: &ListAddress, kind: RequestKind, address: &Address)
    -> Result<Option<Request>, Unavailable>;

    /// The open request whose token begins thus; it may have expired, and the token is still to be proven.
    fn request_by_handle(&self, list: &ListAddress, handle: &str) -> Result<Option<Request>, Unavailable>;

    /// How much of the budget is spent for this address on the day (UTC) of `at`.
    fn spent(&self, address: &Address, trust: Trust, at: Timestamp) -> Result<Spent, Unavailable>;

    /// What is known of the failed deliveries of this member; none where nothing failed.
    fn bounces(&self, list: &ListAddress, address: &Address) -> Result<Option<BounceRecord>, Unavailable>;

    /// The records of all lists that something is to be done about at `at`, those first that were due first; at most `limit`. One that is
    /// damaged is left out.
    fn bounces_due(&self, at: Timestamp, limit: usize) -> Result<Vec<BounceRecord>, Unavailable>;

    /// What was counted under this name on this list; none where nothing was.
    fn bounce_tally(&self, list: &ListAddress, name: &str) -> Result<Option<BounceTally>, Unavailable>;

    /// A page of what was counted on this list, by name.
    fn bounce_tallies(
        &self,
        list: &ListAddress,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BounceTally>, Unavailable>;

    /// The ban that hits this address on this list, the site's included.
    fn banned(&self, list: &ListAddress, address: &Address) -> Result<Option<Ban>, Unavailable>;

    /// The bans of one scope.
    fn bans(&self, scope: &BanScope) -> Result<Vec<Ban>, Unavailable>;

    /// The keys of return paths and tokens.
    fn signing_keys(&self) -> Result<SigningKeys, Unavailable>;

    /// A page of the audit log, oldest first; `after` is the number of the last record before it.
    fn audit(&self, after: Option<u64>, limit: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable>;
}
