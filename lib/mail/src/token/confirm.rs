//! The token of a confirmation: with it a person says that a request in their name is theirs.
//!
//! It goes to the person's address and nowhere else, so whoever sends it back reads that person's mail. It is short and
//! without marks, because people copy it. The store finds the request by the token's first digits (its handle), and then
//! the whole token is proved against the request that was found.

use listmill_core::{Address, ListAddress, SigningKeys};
use listmill_queue_format::EntryId;

use super::proof;
use crate::mac::Purpose;

/// 50 bits: no two open requests of a site share them, and they alone confirm nothing.
const HANDLE: usize = 10;

/// The token with which `address` confirms the request of this kind on `list` that the entry `opened` has opened: 26
/// digits.
pub fn confirm_token(keys: &SigningKeys, list: &ListAddress, kind: &str, address: &Address, opened: EntryId) -> String {
    proof::prove(keys, Purpose::Confirm, &fields(list, kind, &address.key(), &opened))
}

/// `token` confirms that request. Letters may be in either case.
pub fn is_confirm_token(
    keys: &SigningKeys,
    list: &ListAddress,
    kind: &str,
    address: &Address,
    opened: EntryId,
    token: &str,
) -> bool {
    proof::proved(keys, Purpose::Confirm, &fields(list, kind, &address.key(), &opened), token)
}

/// By what the store finds the request of `token`: its first 10 digits, in lower case; none when it has not the shape of
/// a confirmation token. It proves nothing.
pub fn handle(token: &str) -> Option<String> {
    proof::octets(token)?;
    token.get(..HANDLE).map(str::to_ascii_lowercase)
}

fn fields<'a>(list: &'a ListAddress, kind: &'a str, address: &'a str, opened: &'a EntryId) -> [&'a [u8]; 4] {
    [list.as_str().as_bytes(), kind.as_bytes(), address.as_bytes(), opened.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_addresses::{keys, list};
    use crate::token::tests::{bob, entry, eve, other_list, refuses_what_is_changed};

    fn token() -> String {
        confirm_token(&keys(&[1]), &list(), "join", &bob(), entry(1))
    }

    fn good(token: &str) -> bool {
        is_confirm_token(&keys(&[1]), &list(), "join", &bob(), entry(1), token)
    }

    #[test]
    fn a_token_is_for_one_request_of_one_person() {
        let token = token();
        assert_eq!(token.len(), 26);
        assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)), "{token}");
        assert!(good(&token) && good(&token.to_uppercase()));
        let is = |list: &ListAddress, kind: &str, address: &Address, opened: EntryId| {
            is_confirm_token(&keys(&[1]), list, kind, address, opened, &token)
        };
        assert!(is(&list(), "join", &"BOB@Example.NET".parse().unwrap(), entry(1)), "the same person");
        assert!(!is(&other_list(), "join", &bob(), entry(1)));
        assert!(!is(&list(), "leave", &bob(), entry(1)));
        assert!(!is(&list(), "join", &eve(), entry(1)));
        assert!(!is(&list(), "join", &bob(), entry(2)));
        assert!(is_confirm_token(&keys(&[2, 1]), &list(), "join", &bob(), entry(1), &token), "an older key");
        assert!(!is_confirm_token(&keys(&[2]), &list(), "join", &bob(), entry(1), &token));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_token() {
        refuses_what_is_changed(&token(), good);
    }

    #[test]
    fn a_handle_is_the_beginning_of_what_may_be_a_token() {
        let token = token();
        assert_eq!(handle(&token).as_deref(), Some(&token[..10]));
        assert_eq!(handle(&token.to_uppercase()).as_deref(), Some(&token[..10]));
        for bad in [
            "",
            &token[..10],
            &token[..25],
            &format!("{token}a"),
            &format!("1.{token}"),
            &"ä".repeat(13),
            &"1".repeat(26),
        ] {
            assert_eq!(handle(bad), None, "{bad}");
        }
    }
}
