//! The site file: what it may say, and what it means.

mod access;
mod backends;
mod file;
mod guard;
mod site;
mod watch;

pub use access::Access;
pub use backends::{Front, QueueBackendKind, QueueConfig, StoreBackendKind};
pub use file::{DEFAULT_SITE_FILE, SiteFile};
pub use site::{ConfigError, Site};
