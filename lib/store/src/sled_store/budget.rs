//! Letters that nobody may have asked for, counted for each day.

use listmill_core::{Address, Allowance, Refusal, Spent, Timestamp, Trust, Unavailable};

use super::apply::Application;
use super::engine::Fault;
use super::keys;
use super::maps::{self, get_json, put_json};
use crate::blocks::Pages;

impl Application<'_, '_> {
    pub(super) fn spend(&mut self, address: &Address, trust: Trust, allowance: Allowance) -> Result<(), Fault> {
        let spent = spent_of(self.draft, address, trust, self.at)?;
        if !allowance.allows(spent, 1) {
            return Err(Refusal::OverBudget { address: address.clone() }.into());
        }
        for (key, count) in keys::spent(address, trust, self.at).iter().zip([spent.address, spent.domain]) {
            put_json(self.draft, &maps::spent(), key, &count.saturating_add(1))?;
        }
        Ok(())
    }
}

/// What was spent on the day of `at`.
pub(super) fn spent_of(
    pages: &impl Pages,
    address: &Address,
    trust: Trust,
    at: Timestamp,
) -> Result<Spent, Unavailable> {
    let [address, domain] = keys::spent(address, trust, at);
    let count = |key: &[u8]| Ok(get_json(pages, &maps::spent(), key)?.unwrap_or_default());
    Ok(Spent { address: count(&address)?, domain: count(&domain)? })
}
