//! The pending stage: which distribution list goes with it?
//!
//! Reads: the pending queue; from the store, the list, one page of its roster, the author's membership, its staff, and the signing keys.
//! Writes: outbound (the message and a page of its distribution list; the note to an author who wants one), pending (itself, for the next page).
//! Never: holds more than one page of a roster, or changes a body that no setting asks to change.

mod ack;
mod copies;
mod page;
mod people;
mod stage;

pub use page::page_id;
pub use stage::{Pending, PendingConfig};
