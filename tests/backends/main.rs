//! One suite per interface, called once per backend.

mod queue;
mod queue_conformance;
mod queue_disk;
mod queue_processes;
mod store_conformance;
mod store_durable;
mod store_sled;
