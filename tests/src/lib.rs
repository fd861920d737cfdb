//! Suites that cross crates, and what they share: the real program, hosts with cables between them, a broker, faults and what came of them, a small disk, what else the machine must have, a client, real mail, what a verifier of signatures sees, a view in memory.

pub mod corpus;
pub mod dkim;
pub mod estate;
pub mod faults;
pub mod hosts;
pub mod letters;
pub mod lmtp;
pub mod mount;
pub mod needs;
pub mod network;
pub mod post_office;
pub mod postgres;
pub mod program;
pub mod rabbit;
pub mod sink;
pub mod view;
