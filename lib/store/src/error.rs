//! Why a store cannot be opened.

use std::io;
use std::path::PathBuf;

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it: `listmill run`, or an administration command at work.
    #[error("the store {} is in use by another process", path.display())]
    Owned {
        /// The store's directory.
        path: PathBuf,
    },
    /// Another process has it, and does not answer.
    #[error(
        "the store {} is in use by another process, which does not answer at {}: {reason}; if another administration command is at \
         work, wait for it, else stop the process that holds the store",
        path.display(), socket.display()
    )]
    Silent {
        /// The store's directory.
        path: PathBuf,
        /// The owner's control socket.
        socket: PathBuf,
        /// What was tried last.
        reason: String,
    },
    /// A file or directory of the store cannot be used.
    #[error("the store's {} cannot be used: {source}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What lies in the directory is not (or no longer) a store.
    #[error("the store {} is damaged: {reason}; restore it from a backup", path.display())]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A newer release has written it.
    #[error("the store {} has schema {found}, this release knows {known}: use the newer release", path.display())]
    Newer {
        /// The store's directory.
        path: PathBuf,
        /// The schema that was found.
        found: u32,
        /// The newest that this release knows.
        known: u32,
    },
    /// The URL of the database is not one.
    #[error("the URL of the store is not one: {reason}")]
    Url {
        /// What is wrong with it; it is not quoted, for a password may stand in it.
        reason: String,
    },
    /// The certificates of those who may vouch for the database cannot be used.
    #[error("the certificates in {} cannot be used: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system gives no thread.
    #[error("no thread for the connections to the database can be had: {source}")]
    Runtime {
        /// What the system says.
        source: io::Error,
    },
    /// The database does not answer, or cannot be used.
    #[error("{reason}")]
    Database {
        /// Which, and what is wrong.
        reason: String,
    },
}
