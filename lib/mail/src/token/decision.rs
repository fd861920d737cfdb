//! The token of a decision: with it one person does one thing with one held post.
//!
//! `12.MAC`: the number of the held post, by which the store finds it, and the proof. The proof covers the digest of the
//! held message, so a decision is about what was shown and nothing that took its place.

use listmill_core::{Address, HeldId, ListAddress, SigningKeys};

use super::proof;
use crate::mac::Purpose;

/// What a decision token lets a person do with a held post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// A moderator lets it through.
    Approve,
    /// A moderator sends it back.
    Reject,
    /// A moderator drops it.
    Discard,
    /// A moderator replies, and the words of the reply decide.
    Answer,
    /// The author takes it back.
    Cancel,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 5] = [Act::Approve, Act::Reject, Act::Discard, Act::Answer, Act::Cancel];

    fn label(self) -> &'static [u8] {
        match self {
            Act::Approve => b"approve",
            Act::Reject => b"reject",
            Act::Discard => b"discard",
            Act::Answer => b"answer",
            Act::Cancel => b"cancel",
        }
    }
}

/// The token with which `person` does `act` with the held post `held` of `list`, whose message has this SHA-256 in
/// hexadecimal.
pub fn decision_token(
    keys: &SigningKeys,
    list: &ListAddress,
    held: HeldId,
    person: &Address,
    act: Act,
    sha256: &str,
) -> String {
    let mac = proof::prove(keys, Purpose::Decision, &fields(list, &held.to_be_bytes(), &person.key(), act, sha256));
    format!("{held}.{mac}")
}

/// Which held post `token` is about; none when it has not the shape of a decision token. It proves nothing.
pub fn decision_held(token: &str) -> Option<HeldId> {
    split(token).map(|(held, _)| held)
}

/// `token` lets `person` do `act` with this held post. Letters may be in either case.
pub fn is_decision_token(
    keys: &SigningKeys,
    list: &ListAddress,
    held: HeldId,
    person: &Address,
    act: Act,
    sha256: &str,
    token: &str,
) -> bool {
    let Some((about, mac)) = split(token) else { return false };
    let (number, person) = (held.to_be_bytes(), person.key());
    about == held && proof::proved(keys, Purpose::Decision, &fields(list, &number, &person, act, sha256), mac)
}

fn fields<'a>(list: &'a ListAddress, held: &'a [u8; 8], person: &'a str, act: Act, sha256: &'a str) -> [&'a [u8]; 5] {
    [list.as_str().as_bytes(), held, person.as_bytes(), act.label(), sha256.as_bytes()]
}

fn split(token: &str) -> Option<(HeldId, &str)> {
    let (held, mac) = token.split_once('.')?;
    proof::octets(mac)?;
    Some((proof::number(held, 10)?, mac))
}

#[cfg(test)]
mod tests {
    use listmill_core::Word;

    use super::*;
    use crate::test_addresses::{keys, list};
    use crate::token::tests::{OTHER_SHA256, SHA256, bob, eve, other_list, refuses_what_is_changed};

    fn token(act: Act) -> String {
        decision_token(&keys(&[1]), &list(), 12, &bob(), act, SHA256)
    }

    fn good(token: &str) -> bool {
        is_decision_token(&keys(&[1]), &list(), 12, &bob(), Act::Approve, SHA256, token)
    }

    #[test]
    fn a_token_is_for_one_person_one_act_and_one_message() {
        let token = token(Act::Approve);
        assert!(token.starts_with("12.") && token.len() == 29, "{token}");
        assert_eq!(token, token.to_lowercase());
        assert!(good(&token) && good(&token.to_uppercase()));
        assert_eq!(decision_held(&token), Some(12));
        let is = |list: &ListAddress, held: HeldId, person: &Address, act: Act, sha256: &str| {
            is_decision_token(&keys(&[1]), list, held, person, act, sha256, &token)
        };
        assert!(is(&list(), 12, &"BOB@Example.NET".parse().unwrap(), Act::Approve, SHA256), "the same person");
        assert!(!is(&other_list(), 12, &bob(), Act::Approve, SHA256));
        assert!(!is(&list(), 1, &bob(), Act::Approve, SHA256));
        assert!(!is(&list(), 12, &eve(), Act::Approve, SHA256));
        assert!(!is(&list(), 12, &bob(), Act::Approve, OTHER_SHA256), "other bytes took its place");
        for act in Act::ALL {
            assert_eq!(is(&list(), 12, &bob(), act, SHA256), act == Act::Approve, "{act:?}");
        }
        assert!(is_decision_token(&keys(&[2, 1]), &list(), 12, &bob(), Act::Approve, SHA256, &token), "an older key");
        assert!(!is_decision_token(&keys(&[2]), &list(), 12, &bob(), Act::Approve, SHA256, &token));
    }

    #[test]
    fn another_number_in_front_is_refused() {
        let token = token(Act::Approve);
        let mac = token.strip_prefix("12.").unwrap();
        for number in ["1", "13", "012", "+12", " 12", "12.12", "", "c", "99999999999999999999"] {
            let other = format!("{number}.{mac}");
            assert!(!good(&other), "{other}");
            let held = decision_held(&other).unwrap_or(0);
            assert!(!is_decision_token(&keys(&[1]), &list(), held, &bob(), Act::Approve, SHA256, &other), "{other}");
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_no_token() {
        refuses_what_is_changed(&token(Act::Approve), good);
        for bad in ["", ".", "12", "12.", "12.a", &token(Act::Approve)[3..]] {
            assert_eq!(decision_held(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_local_part_keeps_within_64_octets() {
        let list: ListAddress = "fifteen-letters@lists.example.org".parse().unwrap();
        let token = decision_token(&keys(&[1]), &list, 9_999_999, &bob(), Act::Approve, SHA256);
        for word in [Word::Approve, Word::Discard] {
            assert!(list.with_word(word, &token).split('@').next().unwrap().len() <= 64, "RFC 5321 §4.5.3.1.1");
        }
    }
}
