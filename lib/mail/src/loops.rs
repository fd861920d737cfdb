//! Mail that goes round in a loop (RFC 5321 §6.3).

use listmill_core::ListAddress;

use crate::message::Message;

/// More Received fields than this are a loop (RFC 5321 §6.3 asks for at least 100).
const MAX_RECEIVED: usize = 100;

/// Why this message is in a loop, for a log and a reply; none when it is not.
///
/// It has more than 100 Received fields; or this list, if one is given, has sent it before: its List-Id is the list's
/// (RFC 2919), or its List-Post names the list (RFC 2369 §3.4).
pub fn looping(message: &Message<'_>, list: Option<&ListAddress>) -> Option<String> {
    let received = message.named("Received").count();
    if received > MAX_RECEIVED {
        return Some(format!("it has {received} Received fields"));
    }
    let list = list?;
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
        let uri = uri.trim().to_lowercase();
        let Some(address) = uri.strip_prefix("mailto:") else { return false };
        address.split('?').next().unwrap_or_default().replace("%40", "@") == list.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(header: &str) -> Option<String> {
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        looping(&Message::parse(header.as_bytes()), Some(&list))
    }

    #[test]
    fn a_hundred_hops_are_taken_and_one_more_is_a_loop() {
        assert_eq!(why(&"Received: by x\r\n".repeat(100)), None);
        let reason = why(&"received: by x\r\n".repeat(101)).unwrap();
        assert!(reason.contains("101"), "{reason}");
        let message = "Received: by x\r\n".repeat(101);
        assert!(looping(&Message::parse(message.as_bytes()), None).is_some(), "without a list, too");
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
        ] {
            assert_eq!(why(&format!("{field}\r\n\r\n")), None, "{field}");
        }
    }
}
