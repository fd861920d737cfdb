//! How each runner of this process fares, and what the process waits for, for `listmill status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use listmill_core::Timestamp;
use listmill_queue_format::Queue;
use serde::Serialize;

/// How the runners of this process fare; clones are the same record.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    runners: BTreeMap<Queue, RunnerHealth>,
    troubles: BTreeMap<&'static str, String>,
}

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
        self.record().runners.clone()
    }

    /// What is not as it should be with something that all runners share, by its name.
    pub fn troubles(&self) -> BTreeMap<&'static str, String> {
        self.record().troubles.clone()
    }

    /// How something fares that all runners share: the reason why it cannot be had, or none when it can.
    pub fn trouble(&self, what: &'static str, reason: Option<String>) {
        match reason {
            Some(reason) => self.record().troubles.insert(what, reason),
            None => self.record().troubles.remove(what),
        };
    }

    /// A runner serves here no longer.
    pub fn forget(&self, queue: Queue) {
        self.record().runners.remove(&queue);
    }

    pub(crate) fn note(&self, queue: Queue, change: impl FnOnce(&mut RunnerHealth)) {
        change(self.record().runners.entry(queue).or_default());
    }

    pub(crate) fn error(&self, queue: Queue, error: &str) {
        self.note(queue, |health| {
            health.last_error = Some(error.to_owned());
            health.last_error_at = Some(Timestamp::now());
        });
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
