//! The format's versions and their history.
//!
//! | version | since | what it added |
//! | --- | --- | --- |
//! | 1 (1.0) | listmill 0.1 | the format |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `listmill/MAJOR` or `listmill/MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatVersion {
    major: u16,
    minor: u16,
}

impl FormatVersion {
    /// What this crate writes.
    pub const CURRENT: FormatVersion = FormatVersion { major: 1, minor: 0 };

    /// A reader takes any minor version of its own major version.
    pub fn is_readable(self) -> bool {
        self.major == Self::CURRENT.major
    }

    /// A writer takes only what it knows wholly.
    pub fn is_writable(self) -> bool {
        self.is_readable() && self <= Self::CURRENT
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "listmill/{}", self.major),
            minor => write!(f, "listmill/{}.{minor}", self.major),
        }
    }
}

/// The text is not a version of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of the listmill format (\"listmill/1\", \"listmill/1.2\", …)")]
pub struct VersionError(pub String);

impl FromStr for FormatVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let wrong = || VersionError(text.to_owned());
        let number = text.strip_prefix("listmill/").ok_or_else(wrong)?;
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        let version =
            FormatVersion { major: major.parse().map_err(|_| wrong())?, minor: minor.parse().map_err(|_| wrong())? };
        // One spelling only: no "+1", no "01", no "1.0". And there is no version 0.
        if version.major > 0 && version.to_string() == text { Ok(version) } else { Err(wrong()) }
    }
}

impl Serialize for FormatVersion {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
