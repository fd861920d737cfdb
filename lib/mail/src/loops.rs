//! Mail that goes round in a loop (RFC 5321 §6.3).

use listmill_core::ListAddress;

use crate::message::Message;

/// More Received fields than this are a loop (RFC 5321 §6.3 asks for at least 100).
const MAX_RECEIVED: usize = 100;

/// Why this message is in a loop, for a log and a reply; none when it is not.
pub fn looping(message: &Message<'_>, list: Option<&ListAddress>) -> Option<String> {
    let received = message.named("Received").count();
    if received > MAX_RECEIVED {
        return Some(format!("it has {received} Received fields"));
    }
    let list = list?;
    let own_id = format!("<{}>", list.list_id());
    if message.raw("List-Id").any(|value| value.to_ascii_lowercase().ends_with(&own_id)) {
        return Some(format!("it has this list's List-Id, {}", list.list_id()));
    }
    let post = format!("<mailto:{list}");
    if message.raw("List-Post").any(|value| value.to_ascii_lowercase().contains(&post)) {
        return Some(format!("its List-Post names this list, {list}"));
    }
    None
}
