//! `[guard]`: what keeps one fault from becoming everybody's.

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
}

impl Default for GuardTable {
    fn default() -> Self {
        GuardTable { min_free: "64 MiB".to_owned(), min_inodes: 1000 }
    }
}

impl Reader<'_> {
    /// What must stay free on each disk that this host writes to.
    pub(super) fn floor(&self, raw: &GuardTable) -> Result<Floor, ConfigError> {
        let octets = self.value("guard.min_free", settings::size(&raw.min_free))?;
        Ok(Floor { octets, inodes: raw.min_inodes })
    }
}
