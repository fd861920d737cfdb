//! `[guard]`: what keeps one fault from becoming everybody's.

use std::time::Duration;

use listmill_core::settings;
use serde::{Deserialize, Serialize};

use super::site::{ConfigError, Reader};
use crate::Floor;

/// `[guard]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardTable {
    /// Octets that stay free on each disk.
    pub min_free: String,
    /// Inodes that stay free on each disk.
    pub min_inodes: u64,
    /// How long a runner may hang until the process ends itself.
    pub hang_limit: String,
}

impl Default for GuardTable {
    fn default() -> Self {
        GuardTable { min_free: "64 MiB".to_owned(), min_inodes: 1000, hang_limit: "10m".to_owned() }
    }
}

impl Reader<'_> {
    /// What must stay free on each disk that this host writes to.
    pub(super) fn floor(&self, raw: &GuardTable) -> Result<Floor, ConfigError> {
        let octets = self.value("guard.min_free", settings::size(&raw.min_free))?;
        Ok(Floor { octets, inodes: raw.min_inodes })
    }

    /// How long a runner may hang; none: for ever.
    pub(super) fn hang_limit(&self, raw: &GuardTable) -> Result<Option<Duration>, ConfigError> {
        let limit = settings::duration(&raw.hang_limit).and_then(|limit| {
            let limit = Duration::try_from(limit).map_err(|error| error.to_string())?;
            let is_too_short = !limit.is_zero() && limit < Duration::from_secs(1);
            if is_too_short { Err("must be at least 1s, or 0s".to_owned()) } else { Ok(limit) }
        });
        Ok(Some(self.value("guard.hang_limit", limit)?).filter(|limit| !limit.is_zero()))
    }
}
