//! The trail: what became of each message on this host, for `listmill trace`.
//!
//! ```text
//! DIR/2026-11-22.0001.jsonl    one line of JSON for each entry that was carried out, in the order of time; a new file each day (UTC),
//!                              and when one is full
//! ```
//!
//! A line is appended with one write(2) before its entry is released, so after a kill it may stand there twice and is never missing; who reads
//! takes two lines of one entry for one. Nothing waits for the disk: a power cut takes the last seconds. Mail never waits for the trail either; what
//! cannot be written is counted, and missing. Several processes write to one file. (`specs/decisions/0040-the-trail.md`)

mod book;
mod line;
mod trace;

pub use book::{Trail, TrailConfig};
pub use line::{Said, Step, TrailLine};
pub use trace::{Fate, State, Totals, Trace};

pub(crate) use line::{id_of, mark};
