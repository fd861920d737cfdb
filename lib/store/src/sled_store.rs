//! The embedded store.

use std::path::Path;

use listmill_core::settings::Cascade;
use listmill_core::{
    Address, AuditRecord, Ban, BanScope, Commit, CommitError, Committed, HeldId, HeldPost, List, ListAddress, Member,
    MessageFile, Role, SigningKeys, StoreView, Unavailable,
};
use listmill_queue_format::EntryId;

use crate::{OpenError, Store, StoreFigures};

/// The embedded store: a directory that one process owns.
pub struct SledStore {
    _cascade: Cascade,
}

impl SledStore {
    /// Opens the store in the directory `path`, which is made if it is missing, and owns it until it is dropped.
    ///
    /// # Errors
    /// [`OpenError::Owned`] when another process has it.
    pub fn open(path: &Path, cascade: Cascade) -> Result<SledStore, OpenError> {
        let _ = path;
        Ok(SledStore { _cascade: cascade })
    }
}

fn not_yet<T>() -> Result<T, Unavailable> {
    Err(Unavailable { reason: "not written yet".to_owned() })
}

impl StoreView for SledStore {
    fn list(&self, _: &ListAddress) -> Result<Option<List>, Unavailable> {
        not_yet()
    }
    fn lists(&self, _: Option<&ListAddress>, _: usize) -> Result<Vec<List>, Unavailable> {
        not_yet()
    }
    fn member(&self, _: &ListAddress, _: &Address) -> Result<Option<Member>, Unavailable> {
        not_yet()
    }
    fn roster(&self, _: &ListAddress, _: Option<&Address>, _: usize) -> Result<Vec<Member>, Unavailable> {
        not_yet()
    }
    fn member_count(&self, _: &ListAddress) -> Result<u64, Unavailable> {
        not_yet()
    }
    fn staff(&self, _: &ListAddress, _: Role) -> Result<Vec<Member>, Unavailable> {
        not_yet()
    }
    fn held(&self, _: &ListAddress, _: Option<HeldId>, _: usize) -> Result<Vec<HeldPost>, Unavailable> {
        not_yet()
    }
    fn held_entry(&self, _: &ListAddress, _: HeldId) -> Result<Option<(HeldPost, MessageFile)>, Unavailable> {
        not_yet()
    }
    fn banned(&self, _: &ListAddress, _: &Address) -> Result<Option<Ban>, Unavailable> {
        not_yet()
    }
    fn bans(&self, _: &BanScope) -> Result<Vec<Ban>, Unavailable> {
        not_yet()
    }
    fn signing_keys(&self) -> Result<SigningKeys, Unavailable> {
        not_yet()
    }
    fn audit(&self, _: Option<u64>, _: usize) -> Result<Vec<(u64, AuditRecord)>, Unavailable> {
        not_yet()
    }
}

impl Store for SledStore {
    fn commit(&self, _: &Commit) -> Result<Committed, CommitError> {
        Ok(not_yet()?)
    }
    fn outbox_done(&self, _: EntryId) -> Result<(), Unavailable> {
        not_yet()
    }
    fn outbox(&self, _: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        not_yet()
    }
    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        not_yet()
    }
}
