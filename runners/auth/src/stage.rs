//! The stage itself.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable};
use listmill_queue_format::{Entry, Queue};

/// What the site file says about authentication.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// Whose Authentication-Results fields are believed (RFC 8601 §1.2).
    pub trusted_authserv_ids: Vec<String>,
}

/// The auth stage.
#[derive(Debug)]
pub struct Auth {
    config: AuthConfig,
}

impl Auth {
    /// A stage for this site.
    pub fn new(config: AuthConfig) -> Self {
        Auth { config }
    }
}

impl Stage for Auth {
    const READS: Queue = Queue::Auth;
    const WRITES: &'static [Queue] = &[Queue::Moderation];

    fn decide(&self, entry: &Entry, _: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        Ok(vec![Disposition::Shunt { reason: format!("{} cannot be decided yet", entry.id) }])
    }
}
