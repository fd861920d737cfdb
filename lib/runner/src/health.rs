//! How each runner of this process fares, for `listmill status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use listmill_core::Timestamp;
use listmill_queue_format::Queue;
use serde::Serialize;

/// How the runners of this process fare; clones are the same record.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<Queue, RunnerHealth>>>);

/// How one runner fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunnerHealth {
    /// Entries decided since the process started.
    pub decided: u64,
    /// Entries put off because something was not to be had.
    pub put_off: u64,
    /// Entries given back because the process stopped.
    pub given_back: u64,
    /// Entries set aside after a software fault.
    pub shunted: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When.
    pub last_error_at: Option<Timestamp>,
}

impl Health {
    /// Every runner of this process.
    pub fn all(&self) -> BTreeMap<Queue, RunnerHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, queue: Queue, change: impl FnOnce(&mut RunnerHealth)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(queue).or_default());
    }

    pub(crate) fn error(&self, queue: Queue, error: &str) {
        self.note(queue, |health| {
            health.last_error = Some(error.to_owned());
            health.last_error_at = Some(Timestamp::now());
        });
    }
}
