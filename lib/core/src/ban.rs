//! The ban list.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text_serde::text_serde;
use crate::{Address, ListAddress, Timestamp};

/// Whom a ban hits: one address, or everybody at a domain (`@example.net`; with its subdomains: `@.example.net`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BanPattern {
    /// One address.
    Address(Address),
    /// Everybody at this domain.
    Domain(String),
    /// Everybody at this domain and below it.
    Subdomains(String),
}

impl BanPattern {
    /// It hits this address.
    pub fn hits(&self, address: &Address) -> bool {
        match self {
            BanPattern::Address(banned) => banned == address,
            BanPattern::Domain(domain) => domain == address.domain(),
            BanPattern::Subdomains(domain) => {
                let above = address.domain().strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for BanPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanPattern::Address(address) => address.fmt(f),
            BanPattern::Domain(domain) => write!(f, "@{domain}"),
            BanPattern::Subdomains(domain) => write!(f, "@.{domain}"),
        }
    }
}

/// The text is not a ban pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a ban: an address, @example.net for a domain, or @.example.net for a domain and all below it")]
pub struct BanPatternError(pub String);

impl FromStr for BanPattern {
    type Err = BanPatternError;

    fn from_str(text: &str) -> Result<Self, BanPatternError> {
        let wrong = || BanPatternError(text.to_owned());
        // A domain is checked and normalised as the domain of an address.
        let domain = |domain: &str| -> Result<String, BanPatternError> {
            let probe: Address = format!("x@{domain}").parse().map_err(|_| wrong())?;
            Ok(probe.domain().to_owned())
        };
        match (text.strip_prefix("@."), text.strip_prefix('@')) {
            (Some(below), _) => domain(below).map(BanPattern::Subdomains),
            (None, Some(exact)) => domain(exact).map(BanPattern::Domain),
            (None, None) => text.parse().map(BanPattern::Address).map_err(|_| wrong()),
        }
    }
}

/// Where a ban holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BanScope {
    /// On every list.
    Site,
    /// On one list.
    List(ListAddress),
}

impl fmt::Display for BanScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BanScope::Site => f.write_str("site"),
            BanScope::List(list) => list.fmt(f),
        }
    }
}

impl FromStr for BanScope {
    type Err = crate::ListNameError;

    fn from_str(text: &str) -> Result<Self, crate::ListNameError> {
        if text == "site" { Ok(BanScope::Site) } else { text.parse().map(BanScope::List) }
    }
}

text_serde!(BanPattern, BanScope);

/// One ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Where it holds.
    pub scope: BanScope,
    /// Whom it hits.
    pub pattern: BanPattern,
    /// Why, for those who run the list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_hits_whom_it_names_and_nobody_else() {
        let hits =
            |pattern: &str, address: &str| pattern.parse::<BanPattern>().unwrap().hits(&address.parse().unwrap());
        assert!(hits("Spam@Example.net", "sPAM@example.NET"));
        assert!(!hits("spam@example.net", "spam@mail.example.net"));
        assert!(hits("@example.net", "any@example.net") && !hits("@example.net", "any@mail.example.net"));
        assert!(hits("@.example.net", "any@example.net") && hits("@.example.net", "any@a.b.example.net"));
        assert!(!hits("@.example.net", "any@notexample.net"));
        for text in ["", "@", "@.", "spam", "a b@example.net", "@exa mple"] {
            assert!(text.parse::<BanPattern>().is_err(), "{text:?}");
        }
    }
}
