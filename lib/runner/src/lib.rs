//! The shell: it claims an entry, lets its stage decide, commits what was decided, and releases the entry.
//!
//! Everything that happens, happens here, in one order (`specs/architecture.md`, "Commit"). Architecture invariant: no stage is known
//! here by name; the executable hands them in.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "an effects crate: threads, the clock, files")]

pub mod config;
pub mod logs;

mod clock;
mod commit;
mod crew;
mod deliver;
mod directory;
mod gate;
mod health;
mod identity;
mod panics;
mod put;
mod room;
mod shell;
mod stop;
mod trail;
mod watch;
mod window;
mod work;
mod worker;

pub use clock::{Clock, TOLD_OF_THE_TIME, keep_time};
pub use crew::{Crew, Farewell, Roll};
pub use deliver::DeliveryWorker;
pub use directory::{KnownDirectory, publish_directory, watch_directory};
pub use gate::{Gate, Route};
pub use health::{Health, RunnerHealth};
pub use identity::fresh_id;
pub use panics::remember_panics;
pub use room::{Floor, Room};
pub use shell::{Carried, Shell};
pub use stop::Stop;
pub use trail::{Fate, Said, State, Step, Totals, Trace, Trail, TrailConfig, TrailLine};
pub use watch::{
    Disk, Endpoint, HostReport, Latency, Notifier, ProcessReport, QueueFigures, Reporter, Roots, RunnerReport, Sights,
    Tally, Watch, disks,
};
pub use window::{Ahead, PagingWorker, Window};
pub use worker::{Runner, StageWorker, serve, sweep_outbox};
