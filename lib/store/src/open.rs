//! Opening a store whether or not another process owns it.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use listmill_core::settings::Cascade;

use crate::control::RemoteStore;
use crate::{OpenError, PostgresStore, SledStore, Store};

/// So long a store is tried that somebody owns who does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// A store that was opened: owned by this process, asked for over the owner's control socket, or in a database.
#[derive(Debug, Clone)]
pub enum Opened {
    /// This process owns the store; nobody else can, until it is dropped.
    Own(Arc<SledStore>),
    /// Another process owns the store.
    Remote(Arc<RemoteStore>),
    /// Nobody owns it: it is in a database.
    Shared(Arc<PostgresStore>),
}

impl Opened {
    /// The store, whoever owns it.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Opened::Own(store) => store.clone(),
            Opened::Remote(store) => store.clone(),
            Opened::Shared(store) => store.clone(),
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
    open_within(PATIENCE, path, socket, cascade)
}

/// [`open`], which gives up after this time.
pub(crate) fn open_within(
    patience: Duration,
    path: &Path,
    socket: &Path,
    cascade: Cascade,
) -> Result<Opened, OpenError> {
    let deadline = Instant::now() + patience;
    loop {
        match SledStore::open(path, cascade.clone()) {
            Err(OpenError::Owned { .. }) => {}
            opened => return opened.map(|store| Opened::Own(Arc::new(store))),
        }
        // The owner may be about to listen, or about to leave; then the next try finds the socket, or the store free.
        let reason = match RemoteStore::connect(socket) {
            Ok(store) => return Ok(Opened::Remote(Arc::new(store))),
            Err(error) => error.to_string(),
        };
        if Instant::now() > deadline {
            return Err(OpenError::Silent { path: path.to_owned(), socket: socket.to_owned(), reason });
        }
        thread::sleep(PAUSE);
    }
}
