//! The other processes' side.

use std::io;
use std::path::{Path, PathBuf};

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, Commit, CommitError, Committed, HeldId, HeldPost, List, ListAddress, Member,
    MessageFile, Role, SigningKeys, StoreView, Unavailable,
};
use listmill_queue_format::EntryId;

use crate::{Store, StoreFigures};

/// A store that another process owns.
pub struct RemoteStore {
    _socket: PathBuf,
}

impl RemoteStore {
    /// Connects to the process that owns the store.
    ///
    /// # Errors
    /// Nobody listens at `socket`.
    pub fn connect(socket: &Path) -> io::Result<RemoteStore> {
        Ok(RemoteStore { _socket: socket.to_owned() })
    }

    /// What the owner says of itself: the answer of the [`StatusSource`](super::StatusSource).
    ///
    /// # Errors
    /// The owner does not answer.
    pub fn status(&self) -> Result<serde_json::Value, Unavailable> {
        not_yet()
    }
}

fn not_yet<T>() -> Result<T, Unavailable> {
    Err(Unavailable { reason: "not written yet".to_owned() })
}

impl StoreView for RemoteStore {
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

impl Store for RemoteStore {
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
