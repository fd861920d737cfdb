//! Whether something is asked of the next host that it offers: not for a while after it could not do it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Reply;

/// How long a host is not asked for what it could not do, although it offers it.
const OFF: Duration = Duration::from_secs(600);

/// What all connections to a next host know of its offers.
#[derive(Debug, Default)]
pub(crate) struct Believed {
    /// That commands may be sent before the replies to those before them have been read.
    pub(super) pipelining: Offer,
    /// That it makes return paths.
    pub(super) xverp: Offer,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    off_until: Mutex<Option<Instant>>,
}

impl Offer {
    /// Nobody has been found out.
    pub(super) fn is_on(&self) -> bool {
        let mut off_until = self.off_until();
        if off_until.is_some_and(|until| until <= Instant::now()) {
            *off_until = None;
        }
        off_until.is_none()
    }

    fn off_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.off_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next host cannot do it; true when that is news.
    fn switch_off(&self) -> bool {
        self.off_until().replace(Instant::now() + OFF).is_none()
    }
}

impl Believed {
    /// The next host offers PIPELINING, and cannot do it.
    pub(super) fn no_pipelining(&self, why: &Reply) {
        if self.pipelining.switch_off() {
            let why = why.in_one_line();
            tracing::warn!(
                "the relay offers PIPELINING and does not answer in step ({why}): for ten minutes it is asked one thing at a time"
            );
        }
    }

    /// The next host offers XVERP, and refuses it.
    pub(super) fn no_xverp(&self, why: &Reply) {
        if self.xverp.switch_off() {
            let why = why.in_one_line();
            tracing::warn!(
                "the relay offers XVERP and refuses it ({why}): for ten minutes each copy is a transaction of its own"
            );
        }
    }
}
