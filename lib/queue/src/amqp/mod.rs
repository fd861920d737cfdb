//! The AMQP backend: entries as messages of RabbitMQ (3.10 to 3.13), for runners on several hosts.
//!
//! `queue-format/SPEC.md`, chapter 12, says what lies where at the broker and is meant for those who write runners of their own; here is how this
//! program does it.
//!
//! * One task keeps the link (`link`): two connections, because the broker stops reading from one that publishes when it is short of
//!   memory, and acknowledgements must pass. A connection that fails ends the session with all its claims, a channel that fails ends what went over it; the next one begins with a look at the topology (`topology`,
//!   `declare`). Runner threads never meet the library: they ask the runtime and wait (`ask`).
//! * One task publishes for all threads (`publisher`): each message is `mandatory`, and waits for its confirm with those of other threads.
//! * One task per queue consumes (`feed`) into a line (`line`) from which threads claim. What is neither due nor an entry goes elsewhere
//!   before it gets there (`sort`).
//! * An entry is acknowledged last, after what follows from it, or takes its place, is confirmed. What a living process does not finish
//!   stays in its line: a broker counts what is given back, and sets aside what comes back too often (`topology::DELIVERY_LIMIT`).
//!
//! # What a crash leaves behind
//!
//! | state | at the broker | what becomes of it |
//! | --- | --- | --- |
//! | put: published, not confirmed | the entry, or not | nobody was told; the repeat is a second copy with the same id |
//! | put: confirmed | the entry, on a majority of the disks | stored |
//! | claimed | unacknowledged | the connection ends, and it is handed out again |
//! | defer, shunt: published, not acknowledged | both | both are carried out; ids derive |
//! | released | acknowledged, or not, if the connection ended just then | gone, or it runs again |
//! | retry: published, not acknowledged | both | the same |

mod ask;
mod board;
mod check;
mod config;
mod declare;
mod definitions;
mod fault;
mod feed;
mod line;
mod link;
mod message;
mod names;
mod operator;
mod publisher;
mod queues;
mod sort;
mod topology;

pub use check::check as amqp_check;
pub use config::AmqpConfig;
pub use definitions::{AmqpHost, amqp_definitions};
pub(crate) use line::AmqpHold;
pub use queues::AmqpQueues;
