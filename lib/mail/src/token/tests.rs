//! What the tests of all tokens share, and that none passes for another.

use listmill_core::{Address, HeldId, ListAddress, Timestamp};
use listmill_queue_format::EntryId;
use proptest::prelude::*;

use super::*;
use crate::test_addresses::{keys, list};

pub(super) const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
pub(super) const OTHER_SHA256: &str = "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7";

pub(super) fn bob() -> Address {
    "bob@example.net".parse().unwrap()
}

pub(super) fn eve() -> Address {
    "eve@example.net".parse().unwrap()
}

pub(super) fn other_list() -> ListAddress {
    "other@lists.example.org".parse().unwrap()
}

pub(super) fn entry(chance: u8) -> EntryId {
    EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10])
}

/// Cut at every place, changed at every octet, with something in front or behind: none is `good`.
pub(super) fn refuses_what_is_changed(token: &str, good: impl Fn(&str) -> bool) {
    assert!(good(token), "{token}");
    for at in 0..token.len() {
        assert!(!good(&token[..at]), "cut at {at}");
        assert!(!good(&token[at + 1..]), "without the first {at}");
        for other in *b"ax27.01-_= \0\xc3" {
            let mut bad = token.as_bytes().to_vec();
            if bad[at] != other {
                bad[at] = other;
                assert!(!good(&String::from_utf8_lossy(&bad)), "octet {at} is {other}");
            }
        }
    }
    for extra in ["a", "2", ".", "=", "======", " ", "\n", "\0", "ä", token] {
        assert!(!good(&format!("{token}{extra}")) && !good(&format!("{extra}{token}")), "{extra:?}");
    }
}

const ITEMS: &[(HeldId, &str)] = &[(12, SHA256)];

/// A token of each kind, about the same person and the same post, as far as they can be.
fn each() -> Vec<String> {
    let (keys, list) = (keys(&[1]), list());
    let mut all = vec![
        unsubscribe_token(&keys, &list, &bob()),
        confirm_token(&keys, &list, "join", &bob(), entry(1)),
        confirm_token(&keys, &list, "leave", &bob(), entry(1)),
        summary_token(&keys, &list, &bob(), Timestamp::UNIX_EPOCH, ITEMS),
    ];
    all.extend(Act::ALL.map(|act| decision_token(&keys, &list, 12, &bob(), act, SHA256)));
    all
}

/// What `token` is good for, by its place among [`each`].
fn good_for(token: &str) -> Vec<bool> {
    let (keys, list) = (keys(&[1]), list());
    let claim = SummaryClaim { first: 12, last: 12, issued: Timestamp::UNIX_EPOCH };
    let mut all = vec![
        read_unsubscribe(&keys, &list, token).is_some(),
        is_confirm_token(&keys, &list, "join", &bob(), entry(1), token),
        is_confirm_token(&keys, &list, "leave", &bob(), entry(1), token),
        is_summary_token(&keys, &list, &bob(), claim, ITEMS, token),
    ];
    all.extend(Act::ALL.map(|act| is_decision_token(&keys, &list, 12, &bob(), act, SHA256, token)));
    all
}

#[test]
fn no_token_passes_for_another() {
    let tokens = each();
    for (at, token) in tokens.iter().enumerate() {
        let expected: Vec<bool> = (0..tokens.len()).map(|other| other == at).collect();
        assert_eq!(good_for(token), expected, "{token}");
    }
    // Nor does the proof of one behind the words of another.
    for (one, other) in tokens.iter().flat_map(|one| tokens.iter().map(move |other| (one, other))) {
        let words = one.rsplit_once('.').map_or(String::new(), |(words, _)| format!("{words}."));
        let mac = other.rsplit_once('.').map_or(other.as_str(), |(_, mac)| mac);
        let mixed = format!("{words}{mac}");
        if !tokens.contains(&mixed) {
            assert!(!good_for(&mixed).contains(&true), "{mixed}");
        }
    }
}

#[test]
fn the_proofs_of_the_same_fields_differ_by_purpose() {
    use crate::mac::{Purpose, sign};
    let purposes = [Purpose::ReturnPath, Purpose::Unsubscribe, Purpose::Confirm, Purpose::Decision, Purpose::Summary];
    let macs = purposes.map(|purpose| sign::<16>(&keys(&[1]), purpose, &[b"a"]));
    assert_eq!(macs.iter().collect::<std::collections::HashSet<_>>().len(), purposes.len());
}

proptest! {
    #[test]
    fn whatever_arrives_is_read(token in "\\PC{0,80}|[0-9]{1,3}\\.[a-z2-7]{26}|[0-9]\\.[0-9]\\.[0-9a-z]{1,8}\\.[a-z2-7]{26}|[a-z2-7]{26}") {
        let (held, claim, handle) = (decision_held(&token), summary_claim(&token), handle(&token));
        prop_assert!(usize::from(held.is_some()) + usize::from(claim.is_some()) + usize::from(handle.is_some()) <= 1);
        prop_assert!(!good_for(&token).contains(&true));
    }
}
