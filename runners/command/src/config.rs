//! What the site file says about commands.

use listmill_letters::Letters;

/// What the site file says about commands.
#[derive(Debug, Clone, Default)]
pub struct CommandConfig {
    /// Whose Authentication-Results fields are believed (RFC 8601 §1.2).
    pub trusted_authserv_ids: Vec<String>,
    /// The texts, and what a day allows.
    pub letters: Letters,
}
