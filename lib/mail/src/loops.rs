//! Mail that goes round in a loop (RFC 5321 §6.3).

use listmill_core::{ListAddress, Word};

use crate::field::NewField;
use crate::message::Message;

/// More Received fields than this are a loop (RFC 5321 §6.3 asks for at least 100).
const MAX_RECEIVED: usize = 100;

/// The field in which each list leaves its mark. No standard has it, and Mailman and others write and understand it.
const MARK: &str = "X-BeenThere";

/// The mark of an address of ours that this message has passed. It goes on top of the marks that are there, and nobody
/// takes one away: List-Id says only which list was the last.
pub fn mark(address: &str) -> NewField {
    NewField::plain(MARK, address)
}

/// Why this message is in a loop, for a log and a reply; none when it is not.
///
/// It has more than 100 Received fields; or the address that it was written to, if that is one of a list, has passed it on
/// before: the address has left its [mark]; or the message's List-Id is the list's (RFC 2919), or its List-Post names the
/// list (RFC 2369 §3.4). `word` stands behind the list's name in the address written to; none for a post.
///
/// What is written to an address with a word is read by the owners, so it is the owner address that leaves a mark; but what is
/// written to the moderators is marked as theirs.
pub fn looping(message: &Message<'_>, list: Option<&ListAddress>, word: Option<Word>) -> Option<String> {
    let received = message.named("Received").count();
    if received > MAX_RECEIVED {
        return Some(format!("it has {received} Received fields"));
    }
    let list = list?;
    let passed = match word {
        None => list.as_str().to_owned(),
        Some(Word::Moderators) => list.with_word(Word::Moderators, ""),
        Some(_) => list.with_word(Word::Owner, ""),
    };
    if message.raw(MARK).any(|value| value.eq_ignore_ascii_case(&passed)) {
        return Some(format!("{passed} has passed it on before"));
    }
    let own_id = list.list_id();
    if message.raw("List-Id").any(|value| list_id(&value).eq_ignore_ascii_case(&own_id)) {
        return Some(format!("it has this list's List-Id, {own_id}"));
    }
    if message.raw("List-Post").any(|value| names(&value, list)) {
        return Some(format!("its List-Post names this list, {list}"));
    }
    None
}

/// What stands in the last angle brackets (RFC 2919 §3); the whole value where there are none, as some programs write it.
fn list_id(value: &str) -> &str {
    match value.rfind('<') {
        Some(open) => value[open + 1..].split('>').next().unwrap_or_default().trim(),
        None => value.trim(),
    }
}

/// One of the URIs is a `mailto:` of this list.
fn names(value: &str, list: &ListAddress) -> bool {
    value.split('<').skip(1).filter_map(|rest| rest.split('>').next()).any(|uri| {
        let uri = uri.trim().to_ascii_lowercase();
        let Some(address) = uri.strip_prefix("mailto:") else { return false };
        address.split('?').next().unwrap_or_default().replace("%40", "@") == list.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(header: &str) -> Option<String> {
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        looping(&Message::parse(header.as_bytes()), Some(&list), None)
    }

    fn why_for_owners(header: &str) -> Option<String> {
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        looping(&Message::parse(header.as_bytes()), Some(&list), Some(Word::Owner))
    }

    #[test]
    fn a_hundred_hops_are_taken_and_one_more_is_a_loop() {
        assert_eq!(why(&"Received: by x\r\n".repeat(100)), None);
        let reason = why(&"received: by x\r\n".repeat(101)).unwrap();
        assert!(reason.contains("101"), "{reason}");
        let message = "Received: by x\r\n".repeat(101);
        assert!(looping(&Message::parse(message.as_bytes()), None, None).is_some(), "without a list, too");
    }

    #[test]
    fn what_this_list_has_sent_comes_back() {
        for field in [
            "List-Id: <dev.lists.example.org>",
            "List-Id: Development <DEV.lists.example.org>",
            "list-id: \"a <b> c\"\r\n <dev.lists.example.org>",
            "List-ID: dev.lists.example.org",
            "List-Id: <other.example.org>\r\nList-Id: <dev.lists.example.org>",
            "List-Post: <mailto:dev@lists.example.org>",
            "List-Post: <https://lists.example.org/dev>, <mailto:Dev@Lists.example.org?subject=x>",
            "List-Post: <mailto:dev%40lists.example.org>",
            "X-BeenThere: dev@lists.example.org",
            "x-beenthere:\r\n DEV@Lists.example.org ",
            "X-BeenThere: other@lists.example.org\r\nX-BeenThere: third@example.net\r\nX-BeenThere: dev@lists.example.org",
        ] {
            assert!(why(&format!("{field}\r\n\r\n")).is_some(), "{field}");
        }
    }

    #[test]
    fn what_another_list_has_sent_is_no_loop() {
        for field in [
            "List-Id: <mydev.lists.example.org>",
            "List-Id: <dev.lists.example.org.example.net>",
            "List-Id: dev.lists.example.org <other.example.net>",
            "List-Post: <mailto:mydev@lists.example.org>",
            "List-Post: <mailto:dev@lists.example.org.example.net>",
            "List-Post: NO",
            "To: dev@lists.example.org",
            "X-BeenThere: mydev@lists.example.org",
            "X-BeenThere: dev-owner@lists.example.org",
            "X-BeenThere: dev@lists.example.org.example.net",
        ] {
            assert_eq!(why(&format!("{field}\r\n\r\n")), None, "{field}");
        }
    }

    #[test]
    fn what_the_owner_address_passed_on_comes_back_to_it() {
        assert!(why_for_owners("X-BeenThere: Dev-owner@lists.example.org\r\n\r\n").is_some());
        assert_eq!(why_for_owners("X-BeenThere: dev@lists.example.org\r\n\r\n"), None, "a post, sent on to the owners");
        assert_eq!(why_for_owners("X-BeenThere: test-owner@lists.example.org\r\n\r\n"), None);
    }

    #[test]
    fn what_the_moderators_address_passed_on_comes_back_to_it() {
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        let why = |header: &[u8], word| looping(&Message::parse(header), Some(&list), Some(word));
        let by_moderators = b"X-BeenThere: dev-moderators@lists.example.org\r\n\r\n";
        assert!(why(by_moderators, Word::Moderators).is_some());
        assert_eq!(why(by_moderators, Word::Owner), None, "a moderator asks the owners");
        let by_owners = b"X-BeenThere: dev-owner@lists.example.org\r\n\r\n";
        assert_eq!(why(by_owners, Word::Moderators), None, "an owner asks the moderators");
        assert!(why(by_owners, Word::Request).is_some());
    }

    #[test]
    fn a_mark_is_found_again_however_long_the_address() {
        let list: ListAddress = format!("{}@{}.example.org", "n".repeat(52), "d".repeat(60)).parse().unwrap();
        let marked = [mark(list.as_str()).as_bytes(), b"\r\n"].concat();
        assert!(looping(&Message::parse(&marked), Some(&list), None).is_some());
        let marked = [mark(&list.with_word(Word::Owner, "")).as_bytes(), b"\r\n"].concat();
        assert!(looping(&Message::parse(&marked), Some(&list), Some(Word::Owner)).is_some());
    }
}
