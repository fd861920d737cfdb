//! The token of an unsubscribe address: it lets one person leave one list, and nothing else.
//!
//! `bob__example.net.MAC`: the member's address, then 26 base32 digits, a keyed digest of 128 bits over list, member and
//! action. In lower case throughout, and read in either case. Every octet of the local part but letters, digits, `.`,
//! `-` and `+` is written `_XX`: nothing in a token needs an escape in a `mailto:` URI (RFC 6068 §2).

use data_encoding::BASE32_NOPAD;
use listmill_core::{Address, ListAddress, SigningKeys};

use crate::escape::Escape;
use crate::mac::{self, Purpose};

const ESCAPE: Escape = Escape { mark: '_', at: "__" };
const MAC_OCTETS: usize = 16;

/// The token with which `member` leaves `list`.
pub fn unsubscribe_token(keys: &SigningKeys, list: &ListAddress, member: &Address) -> String {
    let key = member.key();
    let mac: [u8; MAC_OCTETS] = mac::sign(keys, Purpose::Unsubscribe, &fields(list, &key));
    let mac = BASE32_NOPAD.encode(&mac).to_ascii_lowercase();
    let (local, domain) = key.rsplit_once('@').unwrap_or((key.as_str(), ""));
    format!("{}.{mac}", ESCAPE.write(local, domain))
}

/// Who leaves `list` with this token; none when it is not one of ours for this list and this action.
pub fn read_unsubscribe(keys: &SigningKeys, list: &ListAddress, token: &str) -> Option<Address> {
    let token = token.to_ascii_lowercase();
    let (member, mac) = token.rsplit_once('.')?;
    let member: Address = ESCAPE.read(member)?.parse().ok()?;
    let mac = BASE32_NOPAD.decode(mac.to_ascii_uppercase().as_bytes()).ok()?;
    let mac: &[u8; MAC_OCTETS] = mac.as_slice().try_into().ok()?;
    mac::verify(keys, Purpose::Unsubscribe, &fields(list, &member.key()), mac).then_some(member)
}

fn fields<'a>(list: &'a ListAddress, member: &'a str) -> [&'a [u8]; 2] {
    [list.as_str().as_bytes(), member.as_bytes()]
}
