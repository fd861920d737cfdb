//! Whether commands may be sent to the next host before the replies to those before them have been read.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Reply;

/// How long a host is asked in lock step that could not do as it offers.
const OFF: Duration = Duration::from_secs(600);

/// What all connections to a next host know of that.
#[derive(Debug, Default)]
pub(crate) struct Pipelining {
    off_until: Mutex<Option<Instant>>,
}

impl Pipelining {
    /// Nobody has been found out.
    pub(super) fn is_on(&self) -> bool {
        let mut off_until = self.off_until();
        if off_until.is_some_and(|until| until <= Instant::now()) {
            *off_until = None;
        }
        off_until.is_none()
    }

    /// The next host offers PIPELINING, and cannot do it.
    pub(super) fn switch_off(&self, why: &Reply) {
        if self.off_until().replace(Instant::now() + OFF).is_none() {
            let why = why.in_one_line();
            tracing::warn!(
                "the relay offers PIPELINING and does not answer in step ({why}): for ten minutes it is asked one thing at a time"
            );
        }
    }

    fn off_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.off_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
