//! The token of a summary: with it a person decides, in one reply, about every held post that the summary lists.
//!
//! `1.8.ISSUED.MAC`: the first and the last number in the summary, when it was made (seconds since 1970, in base 36), and
//! the proof. The proof covers number and digest of each post in it, so a reply decides about what was listed and nothing
//! that came or changed since.

use listmill_core::{Address, HeldId, ListAddress, SigningKeys, Timestamp};

use super::proof;
use crate::mac::Purpose;

/// What a summary token says of itself, not yet proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryClaim {
    /// The lowest number of a held post in the summary.
    pub first: HeldId,
    /// The highest one.
    pub last: HeldId,
    /// When the summary was made, to the second.
    pub issued: Timestamp,
}

/// The token with which `person` decides about `items` of `list`: the number of each held post with the SHA-256 of its
/// message in hexadecimal, in any order.
pub fn summary_token(
    keys: &SigningKeys,
    list: &ListAddress,
    person: &Address,
    issued: Timestamp,
    items: &[(HeldId, &str)],
) -> String {
    let numbers = || items.iter().map(|(held, _)| *held);
    let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    // Before 1970 there was no mail that we could have held.
    let seconds = u64::try_from(issued.as_second()).unwrap_or(0);
    let said = format!("{first}.{last}.{}", proof::base36(seconds));
    let mac = with_fields(list, person, &said, items, |fields| proof::prove(keys, Purpose::Summary, fields));
    format!("{said}.{mac}")
}

/// What `token` says of itself; none when it has not the shape of a summary token. It proves nothing.
pub fn summary_claim(token: &str) -> Option<SummaryClaim> {
    split(token).map(|(_, _, claim)| claim)
}

/// `token` makes this claim, and lets `person` decide about these items. Letters may be in either case.
pub fn is_summary_token(
    keys: &SigningKeys,
    list: &ListAddress,
    person: &Address,
    claim: SummaryClaim,
    items: &[(HeldId, &str)],
    token: &str,
) -> bool {
    let Some((said, mac, made)) = split(token) else { return false };
    let said = said.to_ascii_lowercase();
    made == claim
        && with_fields(list, person, &said, items, |fields| proof::proved(keys, Purpose::Summary, fields, mac))
}

/// What stands in front of the proof, the proof, and what the former says.
fn split(token: &str) -> Option<(&str, &str, SummaryClaim)> {
    let (said, mac) = token.rsplit_once('.')?;
    proof::octets(mac)?;
    let [first, last, issued] = said.split('.').collect::<Vec<_>>()[..] else { return None };
    let (first, last) = (proof::number(first, 10)?, proof::number(last, 10)?);
    let issued = Timestamp::from_second(i64::try_from(proof::number(issued, 36)?).ok()?).ok()?;
    (first <= last).then_some((said, mac, SummaryClaim { first, last, issued }))
}

fn with_fields<T>(
    list: &ListAddress,
    person: &Address,
    said: &str,
    items: &[(HeldId, &str)],
    use_them: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let person = person.key();
    let mut items: Vec<([u8; 8], &str)> = items.iter().map(|(held, sha256)| (held.to_be_bytes(), *sha256)).collect();
    items.sort_unstable();
    let mut fields: Vec<&[u8]> = vec![list.as_str().as_bytes(), person.as_bytes(), said.as_bytes()];
    for (held, sha256) in &items {
        fields.extend([held.as_slice(), sha256.as_bytes()]);
    }
    use_them(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_addresses::{keys, list};
    use crate::token::tests::{OTHER_SHA256, SHA256, bob, eve, other_list, refuses_what_is_changed};

    const ITEMS: &[(HeldId, &str)] = &[(1, SHA256), (3, OTHER_SHA256), (8, SHA256)];

    fn issued() -> Timestamp {
        "2026-11-22T08:30:00.75Z".parse().unwrap()
    }

    fn token() -> String {
        summary_token(&keys(&[1]), &list(), &bob(), issued(), ITEMS)
    }

    fn claim() -> SummaryClaim {
        SummaryClaim { first: 1, last: 8, issued: "2026-11-22T08:30:00Z".parse().unwrap() }
    }

    fn good(token: &str) -> bool {
        is_summary_token(&keys(&[1]), &list(), &bob(), claim(), ITEMS, token)
    }

    #[test]
    fn a_token_tells_which_posts_and_when() {
        let token = token();
        assert!(token.starts_with("1.8.") && token == token.to_lowercase(), "{token}");
        assert_eq!(summary_claim(&token), Some(claim()));
        assert_eq!(summary_claim(&token.to_uppercase()), Some(claim()));
        assert!(good(&token) && good(&token.to_uppercase()));
        assert!(list().with_word(listmill_core::Word::Request, &token).split('@').next().unwrap().len() <= 64);
    }

    #[test]
    fn a_token_is_for_one_person_and_these_posts() {
        let token = token();
        let is = |list: &ListAddress, person: &Address, claim: SummaryClaim, items: &[(HeldId, &str)]| {
            is_summary_token(&keys(&[1]), list, person, claim, items, &token)
        };
        let mut turned = ITEMS.to_vec();
        turned.reverse();
        assert!(is(&list(), &bob(), claim(), &turned), "in any order");
        assert!(!is(&other_list(), &bob(), claim(), ITEMS));
        assert!(!is(&list(), &eve(), claim(), ITEMS));
        for other in [
            SummaryClaim { first: 2, ..claim() },
            SummaryClaim { last: 9, ..claim() },
            SummaryClaim { issued: issued(), ..claim() },
        ] {
            assert!(!is(&list(), &bob(), other, ITEMS), "{other:?}");
        }
        let replaced = [(1, SHA256), (3, SHA256), (8, SHA256)];
        let renumbered = [(1, SHA256), (4, OTHER_SHA256), (8, SHA256)];
        let more = [ITEMS, &[(5, SHA256)]].concat();
        for items in [&[], &ITEMS[..2], &ITEMS[1..], &replaced, &renumbered, &more[..]] {
            assert!(!is(&list(), &bob(), claim(), items), "{items:?}");
        }
        assert!(is_summary_token(&keys(&[2, 1]), &list(), &bob(), claim(), ITEMS, &token), "an older key");
        assert!(!is_summary_token(&keys(&[2]), &list(), &bob(), claim(), ITEMS, &token));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_token() {
        refuses_what_is_changed(&token(), good);
        let token = token();
        let mac = token.rsplit_once('.').unwrap().1;
        for said in
            ["", "1", "1.8", "1.8.", "8.1.x", "01.8.x", "1.+8.x", "1.8.0x", "1.8.x.y", "1.8.zzzzzzzzzzzzz", "1.8.-1"]
        {
            assert_eq!(summary_claim(&format!("{said}.{mac}")), None, "{said}");
        }
    }

    #[test]
    fn a_summary_of_nothing_and_a_time_before_mail_are_no_fault() {
        let early: Timestamp = "1969-01-01T00:00:00Z".parse().unwrap();
        let token = summary_token(&keys(&[1]), &list(), &bob(), early, &[]);
        let claim = SummaryClaim { first: 0, last: 0, issued: Timestamp::UNIX_EPOCH };
        assert_eq!(summary_claim(&token), Some(claim));
        assert!(is_summary_token(&keys(&[1]), &list(), &bob(), claim, &[], &token));
    }
}
