//! The journal in front of the message files: what this process puts into a queue that it serves itself is written here, and all who
//! put at the same time share one write and one sync. Whoever claims it takes it from memory, and no file is ever made.
//!
//! | where | what |
//! | --- | --- |
//! | `journal/MICROSECONDS.PID/` | of one process; locked (`flock`) while it lives |
//! | `journal/MICROSECONDS.PID/NUMBER` | a segment: records, see [`record`], one behind the other, zeros behind the last |
//! | `journal/corrupt/` | segments that the disk has damaged |
//!
//! # What goes in
//! An entry that can be claimed now, of at most 1 MiB, for a queue from which this process claims and that is not paused, as long as the
//! entries in memory are not more than 64 MiB. All else is written as a file, as ever.
//!
//! # What comes out
//! * A claimer of this process takes the entry from memory. When it is released, that is noted: known to the kernel at once, durable with the next
//!   put or within half a second.
//! * What has waited 100 ms while no claimer of this process claimed anything, or ten seconds at all, or has been worked on for a second,
//!   becomes a file ([`filer`]), at its place in `new` or in `cur`; that is noted as well. So another process finds files, and so does an operator.
//! * A claim that is deferred or shunted is made a file first, then goes the way of all files. When the process ends, all become files.
//! * Of a process that died (its lock is gone) whoever opens the spool, or claims from it, makes files ([`recovery`]): each entry that was put and of which nothing
//!   is noted, at its old place.
//!
//! # What a crash leaves behind
//! | state | on the disk | what becomes of it |
//! | --- | --- | --- |
//! | put: written, not synced | all or a part of the records | nobody was told; the caller's repeat has the same ids |
//! | put: synced | the records | stored |
//! | claimed | the same | a file, once the lock is gone |
//! | released: noted | the note; after a power cut perhaps not | done; or it runs again, with the same ids |
//! | filed: in `tmp` | the record, a file in `tmp` | a file; that in `tmp` is swept |
//! | filed: renamed, or synced | the record, and the file | the index finds the file: nothing is put |
//! | filed: noted | the file, and the note | a file |
//! | a segment removed | those behind it | they need none before them: segments go in their order, each durably |

pub(super) mod filer;
mod log;
mod record;
mod recovery;
mod segment;
pub(super) mod shelf;

pub(super) use log::Log;
