//! `[trail]` and `[metrics]`: what is kept and told about this host's work.

use std::net::SocketAddr;

use jiff::SignedDuration;
use listmill_core::settings;
use serde::{Deserialize, Serialize};

use super::site::{ConfigError, Reader};

/// `[trail]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrailTable {
    /// For how long it is known what became of a message.
    pub keep: String,
    /// Octets that this may take.
    pub max_size: String,
}

/// `[metrics]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsTable {
    /// Where they can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
}

impl Default for TrailTable {
    fn default() -> Self {
        TrailTable { keep: "14d".to_owned(), max_size: "1 GiB".to_owned() }
    }
}

/// The smallest space that a trail works with.
const LEAST: u64 = 64 << 10;

impl Reader<'_> {
    /// For how long the trail is kept, and how large it may become.
    pub(super) fn trail(&self, raw: &TrailTable) -> Result<(SignedDuration, u64), ConfigError> {
        let keep = self.value("trail.keep", settings::duration(&raw.keep))?;
        let at_least = |size| if size < LEAST { Err("must be at least 64 KiB".to_owned()) } else { Ok(size) };
        Ok((keep, self.value("trail.max_size", settings::size(&raw.max_size).and_then(at_least))?))
    }

    pub(super) fn metrics(&self, raw: &MetricsTable) -> Result<Option<SocketAddr>, ConfigError> {
        let address = |text: &String| {
            text.parse().map_err(|_| format!("{text:?} is not an address and a port, as \"127.0.0.1:9100\""))
        };
        self.value("metrics.listen", raw.listen.as_ref().map(address).transpose())
    }
}
