//! Letters that are counted for each day, and what goes by itself once it has had its time.
//!
//! Of several processes that tidy at the same time each takes what no other is about to take.

use jiff::SignedDuration;
use listmill_core::{Address, Allowance, BounceTally, Refusal, Timestamp, Trust};

use super::apply::Application;
use super::fault::Fault;
use super::session::change;
use super::sql;
use super::types::Moment;

/// For so long the message file of a post that can come back stays.
const KEEP_FILE: SignedDuration = SignedDuration::from_hours(1);
/// For so long a decision stays known.
const KEEP_DECISION: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Application<'_> {
    pub(super) async fn spend(&mut self, address: &Address, trust: Trust, allowance: Allowance) -> Result<(), Fault> {
        let (day, word) = (day(self.at), trust_name(trust));
        let spends = [
            ("address", address.key(), allowance.per_address),
            ("domain", address.domain().to_owned(), allowance.per_domain),
        ];
        for (whose, name, most) in spends {
            if change(self.sent, sql::SPEND, &[&day, &word, &whose, &name, &i64::from(most)]).await? == 0 {
                return Err(Refusal::OverBudget { address: address.clone() }.into());
            }
        }
        Ok(())
    }

    pub(super) async fn tidy(&mut self) -> Result<(), Fault> {
        change(self.sent, sql::TIDY_REQUESTS, &[&Moment(self.at)]).await?;
        change(self.sent, sql::TIDY_FILES, &[&before(self.at, KEEP_FILE)]).await?;
        change(self.sent, sql::TIDY_DECISIONS, &[&before(self.at, KEEP_DECISION)]).await?;
        change(self.sent, sql::TIDY_TALLIES, &[&before(self.at, BounceTally::KEPT)]).await?;
        change(self.sent, sql::TIDY_SPENT, &[&day(self.at)]).await?;
        Ok(())
    }
}

/// The number of a day (UTC).
pub(super) fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

/// Whose word, as it stands in a column.
pub(super) fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::Stranger => "stranger",
        Trust::Known => "known",
    }
}

/// So long before.
pub(super) fn before(at: Timestamp, span: SignedDuration) -> Moment {
    Moment(at.checked_sub(span).unwrap_or(Timestamp::MIN))
}
