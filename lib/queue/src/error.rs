//! What a queue backend can fail at.

use std::fmt;
use std::io::{self, ErrorKind};

use listmill_queue_format::EncodeError;
use rustix::io::Errno;

/// A queue backend failed to do something. The text fits after "failed to".
#[derive(Debug)]
pub struct QueueError {
    /// What was to be done: "write the entry", "lock", …
    doing: &'static str,
    /// To which file, directory or broker object.
    at: String,
    /// What went wrong.
    kind: Kind,
}

/// What went wrong, as far as a caller acts on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// No space, or no quota, is left. Intake answers 452 4.3.1 (RFC 5321 §4.2.2, RFC 3463 §3.4).
    #[error("no space is left there ({0}): make room, it will be tried again")]
    Full(#[source] io::Error),
    /// The file system is mounted read-only, often after a disk error.
    #[error("the file system is read-only: look at the kernel's log, then mount it writable again")]
    ReadOnly,
    /// The process may not do this.
    #[error("permission denied: the spool must belong to the user that the runners run as")]
    Denied,
    /// Descriptors or memory have run out.
    #[error("the process has run out of descriptors or memory ({0}): raise its limits or lower its threads")]
    Exhausted(#[source] io::Error),
    /// Anything else that the operating system says.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The broker cannot be reached, or refuses what was asked.
    #[error("the broker cannot do it now ({0}): it will be tried again")]
    Away(String),
    /// The broker takes nothing now, because it is short of memory or disk.
    #[error("the broker takes nothing now ({0}): make room on its host, it will be tried again")]
    Blocked(String),
    /// The broker took a message and had no queue for it. Nothing is lost, because nothing counts as stored.
    #[error(
        "the broker has no queue for it ({0}): import dist/rabbitmq/definitions.json, or let listmill declare it; it will be tried again"
    )]
    Unroutable(String),
    /// The connection over which the entry was claimed is gone, and so is the claim.
    #[error("the connection on which it was claimed is lost: somebody will claim it again")]
    Lost,
    /// What the site file says does not do.
    #[error("{0}")]
    Setup(String),
    /// The entry cannot be written by this version.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The caller's fault.
    #[error("{0}")]
    Misuse(&'static str),
    /// This backend cannot do this at all.
    #[error("this queue backend cannot do that")]
    Unsupported,
}

impl QueueError {
    pub(crate) fn new(doing: &'static str, at: impl fmt::Display, kind: impl Into<Kind>) -> Self {
        QueueError { doing, at: at.to_string(), kind: kind.into() }
    }

    /// What the operating system said.
    pub(crate) fn os(doing: &'static str, at: impl fmt::Display, error: io::Error) -> Self {
        let kind = match (error.kind(), error.raw_os_error().map(Errno::from_raw_os_error)) {
            (ErrorKind::StorageFull | ErrorKind::QuotaExceeded, _) => Kind::Full(error),
            (ErrorKind::ReadOnlyFilesystem, _) => Kind::ReadOnly,
            (ErrorKind::PermissionDenied, _) => Kind::Denied,
            (ErrorKind::OutOfMemory, _) | (_, Some(Errno::MFILE | Errno::NFILE)) => Kind::Exhausted(error),
            _ => Kind::Io(error),
        };
        QueueError::new(doing, at, kind)
    }

    /// This cannot be done with this backend, whatever one tries.
    pub fn unsupported(doing: &'static str, at: impl fmt::Display) -> Self {
        QueueError::new(doing, at, Kind::Unsupported)
    }

    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The same call may work later, unchanged.
    pub fn is_temporary(&self) -> bool {
        !matches!(self.kind, Kind::Encode(_) | Kind::Misuse(_) | Kind::Setup(_) | Kind::Unsupported)
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.doing, self.at, self.kind)
    }
}

impl std::error::Error for QueueError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let of = |errno: Errno| QueueError::os("write", "/spool/inbound/tmp/x", errno.into());
        assert!(matches!(of(Errno::NOSPC).kind(), Kind::Full(_)));
        assert!(matches!(of(Errno::DQUOT).kind(), Kind::Full(_)));
        assert!(matches!(of(Errno::ROFS).kind(), Kind::ReadOnly));
        assert!(matches!(of(Errno::ACCESS).kind(), Kind::Denied));
        assert!(matches!(of(Errno::MFILE).kind(), Kind::Exhausted(_)));
        assert!(matches!(of(Errno::IO).kind(), Kind::Io(_)));
        assert!(of(Errno::NOSPC).to_string().starts_with("write /spool/inbound/tmp/x: no space is left there"));
        assert!(of(Errno::IO).is_temporary());
        assert!(!QueueError::new("defer", "x", Kind::Misuse("no")).is_temporary());
    }
}
