//! What the site file says that concerns bounces.

use listmill_letters::Letters;

/// What the site file says that concerns bounces.
#[derive(Debug, Clone, Default)]
pub struct BounceConfig {
    /// The texts.
    pub letters: Letters,
}
