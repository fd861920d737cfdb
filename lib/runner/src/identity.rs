//! Where chance comes in: the identity of what begins on this host.

use listmill_queue_format::{EntryId, Timestamp};
use rand::Rng;

/// A new identity, for a message that arrives or a command that is given at `now`.
pub fn fresh_id(now: Timestamp) -> EntryId {
    let mut chance = [0_u8; 10];
    rand::rng().fill_bytes(&mut chance);
    EntryId::fresh(now, chance)
}
