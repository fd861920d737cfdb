//! The site file: what it may say, and what it means.

mod file;
mod site;

pub use file::{DEFAULT_SITE_FILE, SiteFile};
pub use site::{ConfigError, QueueBackendKind, Site, StoreBackendKind};
