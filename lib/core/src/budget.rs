//! How much mail somebody gets from us who may not have asked for it.

use serde::{Deserialize, Serialize};

/// Whose word a letter follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// A message that may be forged.
    Stranger,
    /// A message that a trusted host vouches for.
    Known,
}

/// How many letters one day (UTC) allows, over all lists of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// To one address.
    pub per_address: u32,
    /// To all addresses at one domain.
    pub per_domain: u32,
}

impl Allowance {
    /// There is room for `more` letters.
    pub fn allows(self, spent: Spent, more: u32) -> bool {
        spent.address.saturating_add(more) <= self.per_address && spent.domain.saturating_add(more) <= self.per_domain
    }
}

/// How many letters went out on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// To the address.
    pub address: u32,
    /// To its domain.
    pub domain: u32,
}
