//! Who takes turns: the lists, and all letters together.

use std::sync::Arc;

use listmill_queue_format::{Entry, Priority};

/// Who an entry is sent for. Where there is less room than entries, parties take turns, so that none waits for another's recipients.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Those who wait for a letter of ours: confirmations, notices, what moderators are told, whatever the list.
    Letters,
    /// A list, by its posting address; empty for mail that concerns none.
    List(Arc<str>),
}

impl Party {
    /// The party of an entry: what is urgent is a letter (SPEC.md, `priority`).
    pub fn of(entry: &Entry) -> Party {
        match entry.priority {
            Priority::High => Party::Letters,
            Priority::Normal | Priority::Low => Party::List(Arc::from(entry.list.as_deref().unwrap_or_default())),
        }
    }
}
