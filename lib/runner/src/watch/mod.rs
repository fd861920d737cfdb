//! The watch: how this host fares, for `listmill status`, for Prometheus, for a probe, and for systemd.
//!
//! Some threads look at the queues, the store and the disks every two seconds; each has one thing to look at, so that one that hangs is seen by
//! its age. Whatever tells of it reads what was seen last: nobody who asks waits for a disk or a broker. ([`Watch`])
//!
//! Every process of a host makes a [`ProcessReport`] of itself; those of one host are one [`HostReport`], and that is told in three
//! ways: a table, metrics, and 200 or 503. (`specs/watch.md`, `specs/decisions/0041-one-report.md`)

mod beat;
mod endpoint;
mod http;
mod look;
mod prometheus;
mod report;
mod systemd;
mod tally;
mod watcher;

pub(crate) use beat::Beat;
pub use endpoint::{Endpoint, Reporter};
pub use look::{Disk, QueueFigures, Roots, disks};
pub use report::{HostReport, ProcessReport, RunnerReport, Sights};
pub use systemd::Notifier;
pub use tally::{Latency, Tally};
pub use watcher::Watch;
