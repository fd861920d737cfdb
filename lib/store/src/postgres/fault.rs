//! What goes wrong with a database, and whether to try again.

use std::error::Error as _;

use listmill_core::{Refusal, Unavailable};
use tokio_postgres::error::SqlState;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// A precondition fails.
    Refused(Refusal),
    /// Two batches stood in each other's way: the same again may go through.
    Collided(String),
    /// The connection is gone, or none can be had: another may do.
    Away(String),
    /// It will not do in a moment either.
    Unavailable(String),
}

impl Fault {
    /// What is said to those who asked.
    pub(super) fn reason(self) -> String {
        match self {
            Fault::Refused(refusal) => refusal.to_string(),
            Fault::Collided(reason) | Fault::Away(reason) | Fault::Unavailable(reason) => reason,
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Fault::Unavailable(error.reason)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = described(&error);
        match error.code() {
            Some(code) if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => {
                Fault::Collided(text)
            }
            // Class 08: the connection; 57P01 to 57P03: the server stops, has crashed, or starts.
            Some(code) if code.code().starts_with("08") || code.code().starts_with("57P0") => Fault::Away(text),
            Some(_) => Fault::Unavailable(text),
            None if is_ours(&error) => Fault::Unavailable(text),
            None => Fault::Away(text),
        }
    }
}

/// A value that cannot be read or written: another connection would say the same.
fn is_ours(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    ["error serializing", "error deserializing", "invalid column", "query returned"]
        .iter()
        .any(|start| text.starts_with(start))
}

impl From<deadpool_postgres::PoolError> for Fault {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        use deadpool_postgres::{HookError, PoolError};
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                match Fault::from(error) {
                    // A wrong password, a database that is not there.
                    Fault::Collided(reason) | Fault::Unavailable(reason) => Fault::Unavailable(reason),
                    fault => fault,
                }
            }
            PoolError::Timeout(_) => {
                Fault::Unavailable("all connections are in use, or none came about in time".to_owned())
            }
            error => Fault::Unavailable(error.to_string()),
        }
    }
}

/// The error in one line: what the server says without its details, in which people's addresses may stand.
pub(super) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.ends_with(&error.to_string()) {
            text = format!("{text}: {error}");
        }
        cause = error.source();
    }
    text
}

/// What is said of a record that cannot be read.
pub(super) fn damaged(what: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::Unavailable(format!("a record ({what}) is damaged, or a newer release has written it: {why}"))
}
