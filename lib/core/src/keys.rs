//! The secrets that sign return paths and tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The site's signing keys, newest first: the first one signs, each one verifies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeys(Vec<[u8; 32]>);

impl SigningKeys {
    /// These keys, newest first; none when there is no key at all.
    pub fn new(keys: Vec<[u8; 32]>) -> Option<Self> {
        if keys.is_empty() { None } else { Some(SigningKeys(keys)) }
    }

    /// The key that signs.
    pub fn signing(&self) -> &[u8; 32] {
        self.0.first().expect("there is a key: `new` has seen to it")
    }

    /// Every key that verifies, the signing one first.
    pub fn verifying(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter()
    }
}

impl fmt::Debug for SigningKeys {
    /// A secret is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({} keys)", self.0.len())
    }
}
