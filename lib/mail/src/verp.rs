//! Return paths of which each names its recipient (VERP) and proves that we wrote it.
//!
//! `dev-bounces+bob=example.net.TAG@lists.example.org`: the recipient, then a tag of 24 base32 digits that holds the day,
//! a short form of the post's id and 80 bits of a keyed digest over list, recipient and both. So a bounce that somebody
//! made up blames nobody, and one that is taken up again later can be told by its day.
//!
//! In the recipient's local part every octet but letters, digits, `.`, `-`, `+` and `_` is written `=XX`; the tag is what
//! stands behind the last `.`, the domain what stands behind the last `=` before it. The whole is ASCII, whatever the
//! address is. With a list name of up to 10 characters and a recipient of up to 20 the local part keeps within the 64
//! octets of RFC 5321 §4.5.3.1.1; longer ones go beyond, which is what every VERP does, and mail systems take it.

use data_encoding::{BASE32_NOPAD, Encoding};
use listmill_core::{Address, ListAddress, SigningKeys, Timestamp, Word};
use listmill_queue_format::EntryId;

use crate::escape::Escape;
use crate::mac::{self, Purpose};

const ESCAPE: Escape = Escape { mark: '=', at: "=" };
const MAC_OCTETS: usize = 10;
const BASE32: Encoding = BASE32_NOPAD;

/// What a return path of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerpClaim {
    /// To whom the copy went.
    pub recipient: Address,
    /// The day on which it was sent, in days since 1970.
    pub day: u16,
    post: [u8; 3],
}

impl VerpClaim {
    /// The copy was one of this post's.
    pub fn is_of(&self, post: EntryId) -> bool {
        self.post == short(post)
    }

    /// How many days have passed since the copy was sent; 0 for one from the future.
    pub fn age_days(&self, now: Timestamp) -> u16 {
        day(now).saturating_sub(self.day)
    }
}

/// The envelope sender of the copy of `post` that goes to `recipient` on the day of `at`.
pub fn return_path(
    keys: &SigningKeys,
    list: &ListAddress,
    recipient: &Address,
    post: EntryId,
    at: Timestamp,
) -> String {
    let [d0, d1] = day(at).to_be_bytes();
    let [p0, p1, p2] = short(post);
    let said = [d0, d1, p0, p1, p2];
    let mac: [u8; MAC_OCTETS] = mac::sign(keys, Purpose::ReturnPath, &fields(list, &recipient.key(), &said));
    let mut tag = said.to_vec();
    tag.extend_from_slice(&mac);
    let tag = BASE32.encode(&tag).to_ascii_lowercase();
    let recipient = ESCAPE.write(recipient.local(), recipient.domain());
    list.with_word(Word::Bounces, &format!("{recipient}.{tag}"))
}

/// What the detail of a `bounces` address says; none when it is not one that we wrote for this list.
///
/// Letters may have changed case on their way. Whether it is too old is the caller's question.
pub fn read(keys: &SigningKeys, list: &ListAddress, detail: &str) -> Option<VerpClaim> {
    let (recipient, tag) = detail.rsplit_once('.')?;
    let recipient: Address = ESCAPE.read(recipient)?.parse().ok()?;
    let tag = BASE32.decode(tag.to_ascii_uppercase().as_bytes()).ok()?;
    let (said, mac) = tag.split_at_checked(5)?;
    let mac: &[u8; MAC_OCTETS] = mac.try_into().ok()?;
    if !mac::verify(keys, Purpose::ReturnPath, &fields(list, &recipient.key(), said), mac) {
        return None;
    }
    let &[d0, d1, p0, p1, p2] = said else { return None };
    Some(VerpClaim { recipient, day: u16::from_be_bytes([d0, d1]), post: [p0, p1, p2] })
}

fn fields<'a>(list: &'a ListAddress, recipient: &'a str, said: &'a [u8]) -> [&'a [u8]; 3] {
    [list.as_str().as_bytes(), recipient.as_bytes(), said]
}

fn day(at: Timestamp) -> u16 {
    u16::try_from(at.as_second().div_euclid(86_400).max(0)).unwrap_or(u16::MAX)
}

/// The last octets of the id: they are chance or a digest, the first ones are the time.
fn short(post: EntryId) -> [u8; 3] {
    let &[.., a, b, c] = post.as_bytes();
    [a, b, c]
}
