//! Damage to the bytes of an entry that proptest makes up.

use proptest::collection::vec;
use proptest::prelude::*;

/// One change to the bytes of an entry.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Another byte at this place.
    Set(prop::sample::Index, u8),
    /// One byte more.
    Insert(prop::sample::Index, u8),
    /// One byte less.
    Remove(prop::sample::Index),
}

/// A few changes, more often to the marks of JSON than to other bytes.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\\n0-9.eutnf ".to_vec())];
    let change = prop_oneof![
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<prop::sample::Index>().prop_map(Change::Remove),
    ];
    vec(change, 1..4)
}

/// Makes the changes, in their order.
pub(crate) fn change(bytes: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Change::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
        }
    }
}
