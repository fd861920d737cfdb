//! Keyed digests (HMAC-SHA-256, RFC 2104) over fields that cannot run into each other.

use hmac::{Hmac, KeyInit, Mac};
use listmill_core::SigningKeys;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What a digest is for, so that one made for one purpose never passes for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    ReturnPath,
    SharedPath,
    Probe,
    Unsubscribe,
    Confirm,
    Decision,
    Summary,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::ReturnPath => b"listmill return path 1",
            Purpose::SharedPath => b"listmill shared path 1",
            Purpose::Probe => b"listmill probe 1",
            Purpose::Unsubscribe => b"listmill unsubscribe 1",
            Purpose::Confirm => b"listmill confirm 1",
            Purpose::Decision => b"listmill decision 1",
            Purpose::Summary => b"listmill summary 1",
        }
    }
}

/// The first `N` octets of the digest that the site's newest key makes.
pub(crate) fn sign<const N: usize>(keys: &SigningKeys, purpose: Purpose, fields: &[&[u8]]) -> [u8; N] {
    digest(keys.signing(), purpose, fields)
}

/// One of the site's keys made `claimed`. Takes the same time wherever they differ.
pub(crate) fn verify<const N: usize>(
    keys: &SigningKeys,
    purpose: Purpose,
    fields: &[&[u8]],
    claimed: &[u8; N],
) -> bool {
    let mut good = subtle::Choice::from(0);
    for key in keys.verifying() {
        good |= digest::<N>(key, purpose, fields).ct_eq(claimed);
    }
    good.into()
}

fn digest<const N: usize>(key: &[u8; 32], purpose: Purpose, fields: &[&[u8]]) -> [u8; N] {
    const { assert!(N <= 32) };
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for field in std::iter::once(&purpose.label()).chain(fields) {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    let mut first = [0_u8; N];
    first.copy_from_slice(&mac.finalize().into_bytes()[..N]);
    first
}
