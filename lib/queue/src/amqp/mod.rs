//! The AMQP backend: entries as messages of RabbitMQ (3.10 or later), for runners on several hosts.
//!
//! `queue-format/SPEC.md`, chapter 12, says what lies where at the broker and is meant for those who write runners of their own; here is how this
//! program does it.
mod ask;
mod config;
mod declare;
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

pub use config::AmqpConfig;
pub(crate) use line::AmqpHold;
pub use queues::AmqpQueues;
