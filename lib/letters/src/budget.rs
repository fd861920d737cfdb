//! How many letters somebody gets who may never have asked for one.

use listmill_core::{Allowance, Trust};

/// What one day allows over all lists: a bound for mail that somebody may have forged, and a wider one for mail that a trusted
/// host vouches for, which keeps two programs from answering each other for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Letters that follow a message which may be forged.
    pub stranger: Allowance,
    /// Letters that follow a message which a trusted host vouches for.
    pub known: Allowance,
}

impl Budget {
    /// What the day allows on this word.
    pub fn of(&self, trust: Trust) -> Allowance {
        match trust {
            Trust::Stranger => self.stranger,
            Trust::Known => self.known,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            stranger: Allowance { per_address: 3, per_domain: 20_000 },
            known: Allowance { per_address: 200, per_domain: 200_000 },
        }
    }
}
