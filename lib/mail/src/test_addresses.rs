//! What tests of tokens and return paths work with: keys, a list, and addresses of every shape that [`Address`] takes.

use listmill_core::{Address, ListAddress, SigningKeys};
use proptest::prelude::*;

/// Plain, full of marks that have a meaning here, quoted, and not ASCII.
pub(crate) fn addresses() -> impl Strategy<Value = Address> {
    let local = prop_oneof![
        "[a-zA-Z0-9]{1,12}",
        "[a-zA-Z0-9=+_.%!#$&'*/?^`{|}~-]{1,20}",
        "[=_+.-]{1,6}",
        "\"[ -!#-\\[\\]-~]{0,16}\"",
        "\"(\\\\[ -~]|[ a@.]){0,8}\"",
        "[a-zäöüßéあ日本語Ωя]{1,10}",
    ];
    let domain = prop_oneof![
        "[a-z0-9]{1,8}\\.example",
        "[a-z]{1,3}(-[a-z0-9]{1,3}){0,2}\\.[a-z]{2,5}",
        "[a-z]{1,4}(\\.[a-z]{1,4}){0,3}",
        Just("bücher.example".to_owned()),
        Just("xn--bcher-kva.example".to_owned()),
    ];
    (local, domain).prop_filter_map("not an address", |(local, domain)| format!("{local}@{domain}").parse().ok())
}

/// One key for each octet, the newest first.
pub(crate) fn keys(newest: &[u8]) -> SigningKeys {
    SigningKeys::new(newest.iter().map(|key| [*key; 32]).collect()).unwrap()
}

pub(crate) fn list() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}
