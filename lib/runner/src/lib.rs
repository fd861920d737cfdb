//! The shell: it claims an entry, lets its stage decide, commits what was decided, and releases the entry.
//!
//! Everything that happens, happens here, in one order (`specs/architecture.md`, "Commit"). Architecture invariant: no stage is known
//! here by name; the executable hands them in.
#![expect(clippy::disallowed_methods, reason = "an effects crate: threads, the clock, the site file")]

pub mod config;
pub mod logs;

mod clock;
mod deliver;
mod gate;
mod health;
mod identity;
mod panics;
mod shell;
mod stop;
mod work;
mod worker;

pub use clock::{Clock, keep_time};
pub use deliver::DeliveryWorker;
pub use gate::{Gate, Route};
pub use health::{Health, RunnerHealth};
pub use identity::fresh_id;
pub use panics::remember_panics;
pub use shell::{Carried, Shell};
pub use stop::Stop;
pub use worker::{Runner, StageWorker, serve, sweep_outbox};
