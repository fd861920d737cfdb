//! The view of a host without a store: outbound asks it for nothing.

use listmill_queue_format::EntryId;

use crate::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, List, ListAddress,
    Member, MessageFile, Request, RequestKind, Role, SigningKeys, Spent, StoreView, Timestamp, Trust, Unavailable,
};

/// A view in which nothing can be read: every question is answered [`Unavailable`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStore;

impl NoStore {
    /// The answer to everything.
    pub fn unavailable(self) -> Unavailable {
        Unavailable { reason: "this process works without a store".to_owned() }
    }
}

fn none<T>() -> Result<T, Unavailable> {
    Err(NoStore.unavailable())
}

impl StoreView for NoStore {
    fn list(&self, _: &ListAddress) -> Result<Option<List>, Unavailable> {
        none()
    }

    fn lists(&self, _: Option<&ListAddress>, _: usize) -> Result<Vec<List>, Unavailable> {
        none()
    }

    fn member(&self, _: &ListAddress, _: &Address) -> Result<Option<Member>, Unavailable> {
        none()
    }

    fn roster(&self, _: &ListAddress, _: Option<&Address>, _: usize) -> Result<Vec<Member>, Unavailable> {
        none()
    }

    fn member_count(&self, _: &ListAddress) -> Result<u64, Unavailable> {
        none()
    }

    fn staff(&self, _: &ListAddress, _: Role) -> Result<Vec<Member>, Unavailable> {
        none()
    }

    fn held(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        none()
    }

    fn held_entry(&self, _: &ListAddress, _: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        none()
    }

    fn held_by_entry(&self, _: &ListAddress, _: EntryId) -> Result<Option<HeldPost>, Unavailable> {
        none()
    }

    fn lapsed(&self, _: Timestamp, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        none()
    }

    fn decision(&self, _: &ListAddress, _: HeldId) -> Result<Option<Decision>, Unavailable> {
        none()
    }

    fn decisions(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<Decision>, Unavailable> {
        none()
    }

    fn request(&self, _: &ListAddress, _: RequestKind, _: &Address) -> Result<Option<Request>, Unavailable> {
        none()
    }

    fn request_by_handle(&self, _: &ListAddress, _: &str) -> Result<Option<Request>, Unavailable> {
        none()
    }

    fn spent(&self, _: &Address, _: Trust, _: Timestamp) -> Result<Spent, Unavailable> {
        none()
    }

    fn bounces(&self, _: &ListAddress, _: &Address) -> Result<Option<BounceRecord>, Unavailable> {
        none()
    }

    fn bounces_due(&self, _: Timestamp, _: usize) -> Result<Vec<BounceRecord>, Unavailable> {
        none()
    }

    fn bounce_tally(&self, _: &ListAddress, _: &str) -> Result<Option<BounceTally>, Unavailable> {
        none()
    }

    fn bounce_tallies(&self, _: &ListAddress, _: Option<&str>, _: usize) -> Result<Vec<BounceTally>, Unavailable> {
        none()
    }

    fn banned(&self, _: &ListAddress, _: &Address) -> Result<Option<Ban>, Unavailable> {
        none()
    }

    fn bans(&self, _: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        none()
    }

    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        none()
    }

    fn audit(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        none()
    }
}
