//! The store in PostgreSQL.
//!
//! Every process that has a store runner works with the database itself; no process owns it. A batch is one transaction (`commit`), whose
//! preconditions hold whatever the other processes do (`apply`). Which tables there are stands in `migrations/`, which statements are
//! sent in `sql`.
//!
//! ```text
//! store, view    what others call; synchronous
//! pool, presence connections; that we are here
//! commit, apply, posts, requests, bounces, tidy   a batch
//! outbox, audit, keys                    what has rules of its own
//! schema, check, config                  the database as a whole
//! session, types, member_row, fault      rows, values, errors
//! ```

mod apply;
mod audit;
mod bounces;
mod check;
mod commit;
mod config;
mod fault;
mod keys;
mod member_row;
mod outbox;
mod pool;
mod posts;
mod presence;
mod requests;
mod schema;
mod session;
mod sql;
mod store;
mod tidy;
mod transfer;
mod types;
mod view;
mod wait;

pub use check::{PostgresCheck, check};
pub use config::PostgresConfig;
pub use store::PostgresStore;
