//! The token of an unsubscribe address: it lets one person leave one list, and nothing else.
//!
//! `bob__example.net.MAC`: the member's address, then 26 base32 digits, a keyed digest of 128 bits over list, member and
//! action. In lower case throughout, and read in either case. Every octet of the local part but letters, digits, `.`,
//! `-` and `+` is written `_XX`: nothing in a token needs an escape in a `mailto:` URI (RFC 6068 §2). With a list name of up
//! to 10 characters and a member of up to 19 the local part keeps within the 64 octets of RFC 5321 §4.5.3.1.1.
//!
//! It does not expire: the field stands in mail that people keep, and whoever has it may only ever take one person off one
//! list, who can come back.

use listmill_core::{Address, ListAddress, SigningKeys};

use super::proof;
use crate::escape::Escape;
use crate::mac::Purpose;

const ESCAPE: Escape = Escape { mark: '_', at: "__" };

/// The token with which `member` leaves `list`.
pub fn unsubscribe_token(keys: &SigningKeys, list: &ListAddress, member: &Address) -> String {
    let key = member.key();
    let mac = proof::prove(keys, Purpose::Unsubscribe, &fields(list, &key));
    let (local, domain) = key.rsplit_once('@').unwrap_or((key.as_str(), ""));
    format!("{}.{mac}", ESCAPE.write(local, domain))
}

/// Who leaves `list` with this token; none when it is not one of ours for this list and this action.
pub fn read_unsubscribe(keys: &SigningKeys, list: &ListAddress, token: &str) -> Option<Address> {
    let token = token.to_ascii_lowercase();
    let (member, mac) = token.rsplit_once('.')?;
    let member: Address = ESCAPE.read(member)?.parse().ok()?;
    proof::proved(keys, Purpose::Unsubscribe, &fields(list, &member.key()), mac).then_some(member)
}

fn fields<'a>(list: &'a ListAddress, member: &'a str) -> [&'a [u8]; 2] {
    [list.as_str().as_bytes(), member.as_bytes()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_addresses::{addresses, keys, list};

    #[test]
    fn a_token_is_for_one_member_of_one_list() {
        let (bob, eve): (Address, Address) = ("Bob@example.net".parse().unwrap(), "eve@example.net".parse().unwrap());
        let token = unsubscribe_token(&keys(&[1]), &list(), &bob);
        assert!(token.starts_with("bob__example.net."), "{token}");
        assert_eq!(token.rsplit_once('.').unwrap().1.len(), 26, "128 bits");
        assert!(list().with_word(listmill_core::Word::Leave, &token).split('@').next().unwrap().len() <= 64);
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &token), Some(bob.clone()));
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &token.to_uppercase()), Some(bob.clone()));
        assert_eq!(read_unsubscribe(&keys(&[2, 1]), &list(), &token), Some(bob), "an older key");
        assert_eq!(read_unsubscribe(&keys(&[2]), &list(), &token), None);
        assert_eq!(read_unsubscribe(&keys(&[1]), &"other@lists.example.org".parse().unwrap(), &token), None);
        let (_, mac) = token.rsplit_once('.').unwrap();
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &format!("eve__example.net.{mac}")), None);
        assert_ne!(unsubscribe_token(&keys(&[1]), &list(), &eve).rsplit_once('.').unwrap().1, mac);
    }

    #[test]
    fn a_return_path_is_no_token() {
        let bob = "bob@example.net".parse().unwrap();
        let id = listmill_queue_format::EntryId::fresh(listmill_core::Timestamp::UNIX_EPOCH, [1; 10]);
        let path = crate::verp::return_path(&keys(&[1]), &list(), &bob, id, listmill_core::Timestamp::UNIX_EPOCH);
        let detail = path.split_once('+').unwrap().1.split_once('@').unwrap().0;
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), detail), None);
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &detail.replace("bob=", "bob__")), None);
    }

    #[test]
    fn what_is_cut_or_changed_is_no_token() {
        let token = unsubscribe_token(&keys(&[1]), &list(), &"bob@example.net".parse().unwrap());
        for at in 0..token.len() {
            assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &token[..at]), None, "cut at {at}");
            let mut bad = token.clone().into_bytes();
            bad[at] = if bad[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(read_unsubscribe(&keys(&[1]), &list(), std::str::from_utf8(&bad).unwrap()), None, "octet {at}");
        }
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &format!("{token}a")), None);
        assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &format!("{token}=")), None);
    }

    proptest! {
        #[test]
        fn every_member_comes_back(member in addresses()) {
            let token = unsubscribe_token(&keys(&[1]), &list(), &member);
            // Nothing that a mailto URI (RFC 6068 §2) or a local part would want escaped.
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-+".contains(&byte)), "{}", token);
            prop_assert!(!token.contains("..") && !token.starts_with('.'), "{}", token);
            prop_assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &token), Some(member));
        }

        #[test]
        fn whatever_arrives_is_read(token in "\\PC{0,80}") {
            prop_assert_eq!(read_unsubscribe(&keys(&[1]), &list(), &token), None);
        }
    }
}
