//! One suite per interface, called once per backend.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "looks into spools and stores from outside, and waits for other processes"
)]

mod queue;
mod queue_amqp;
mod queue_amqp_faults;
mod queue_amqp_link;
mod queue_conformance;
mod queue_disk;
mod queue_journal;
mod queue_processes;
mod store_backup;
mod store_batches;
mod store_bounces;
mod store_budget;
mod store_conformance;
mod store_copy;
mod store_decisions;
mod store_durable;
mod store_lapsing;
mod store_lists;
mod store_postgres;
mod store_postgres_processes;
mod store_posts_and_bans;
mod store_requests;
mod store_rosters;
mod store_sled;
