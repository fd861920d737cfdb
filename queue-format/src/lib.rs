//! The message file (queue entry, format 1): the one format that all runners exchange.
//!
//! `SPEC.md` beside this crate is normative; this is the Rust reader and writer. The Python one is in `python/`,
//! and both pass the vectors in `vectors/`. Architecture invariant: nothing here knows a list, a store or a queue backend.

mod decode;
mod digest;
mod encode;
mod entry;
mod facts;
mod head;
mod id;
mod instant;
mod json;
mod queue;
mod version;

pub use decode::{DecodeError, decode, decode_head};
pub use digest::Digest;
pub use encode::{EncodeError, encode};
pub use entry::{BodyKind, Client, Entry, Envelope, Hop, Outcome, Priority, Recipient};
pub use facts::{Approval, AuthenticationResult, Author, Cursor, Facts, RuleHit, Subaddress};
pub use head::MAX_FILE;
pub use id::{EntryId, IdError};
pub use jiff::Timestamp;
pub use queue::{Queue, UnknownQueue};
pub use version::{FormatVersion, VersionError};
