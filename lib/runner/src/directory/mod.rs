//! The directory of lists between two hosts: the side that has the store publishes it, reception works from the last one it saw.

mod known;
mod publish;

pub use known::{KnownDirectory, watch_directory};
pub use publish::publish_directory;
