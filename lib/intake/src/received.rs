//! The trace field that goes on top of a message (RFC 5321 §4.4).

use jiff::Timestamp;
use listmill_queue_format::{EntryId, Envelope};

/// The Received field of a message that arrived with this envelope, with its final CRLF.
pub fn received_field(envelope: &Envelope, host: &str, id: EntryId, now: Timestamp) -> String {
    let _ = (envelope, now);
    format!("Received: by {host} id {id}\r\n")
}
