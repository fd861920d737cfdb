//! Keys that have several parts.

use listmill_core::{Address, HeldPost, ListAddress, Request, RequestKind, Timestamp, Trust, Unavailable};

use super::maps;

const DAY: i64 = 86_400;

/// A held post in the index by entry.
pub(super) fn by_entry(post: &HeldPost) -> Vec<u8> {
    [post.entry.as_bytes().as_slice(), &maps::number_key(post.id)].concat()
}

/// A held post in the index by the time at which it lapses.
pub(super) fn lapse(post: &HeldPost) -> Vec<u8> {
    timed(post.expires, &post.list, &maps::number_key(post.id))
}

/// A request among those of its list.
pub(super) fn request(kind: RequestKind, address: &Address) -> Vec<u8> {
    [kind.name().as_bytes(), &[0], address.key().as_bytes()].concat()
}

/// The key of this request.
pub(super) fn of_request(open: &Request) -> Vec<u8> {
    request(open.kind, &open.address)
}

/// What is counted once, under the name of a tally.
pub(super) fn once(name: &str, once: &str) -> Vec<u8> {
    [name.as_bytes(), &[0], once.as_bytes()].concat()
}

/// Something of a list, `what`, in an index by time.
pub(super) fn timed(at: Timestamp, list: &ListAddress, what: &[u8]) -> Vec<u8> {
    [&ordered(at.as_microsecond()), list.as_str().as_bytes(), &[0], what].concat()
}

/// Whether the time in such a key is `micros` microseconds before `now`, or longer ago.
pub(super) fn is_over(key: &[u8], micros: i64, now: Timestamp) -> bool {
    key.get(..8).is_some_and(|at| at <= ordered(now.as_microsecond().saturating_sub(micros)).as_slice())
}

/// The list of such a key, and what it is of that list.
pub(super) fn untimed(key: &[u8]) -> Result<(ListAddress, Vec<u8>), Unavailable> {
    let parts = key.get(8..).and_then(|rest| {
        let end = rest.iter().position(|octet| *octet == 0)?;
        Some((&rest[..end], &rest[end + 1..]))
    });
    let (list, what) = parts.ok_or_else(|| maps::damaged("time", "its key is too short"))?;
    Ok((maps::key_list(list)?, what.to_vec()))
}

/// What was spent on the day of `at`: for the address, and for its domain.
pub(super) fn spent(address: &Address, trust: Trust, at: Timestamp) -> [Vec<u8>; 2] {
    let day = at.as_second().div_euclid(DAY);
    [spent_of(day, trust, false, &address.key()), spent_of(day, trust, true, address.domain())]
}

/// What was spent on this day for an address, or for a domain.
pub(super) fn spent_of(day: i64, trust: Trust, domain: bool, name: &str) -> Vec<u8> {
    let trust = match trust {
        Trust::Stranger => b's',
        Trust::Known => b'k',
    };
    let whose = if domain { b'd' } else { b'a' };
    [ordered(day).as_slice(), &[trust, whose], name.as_bytes()].concat()
}

/// The number that [`ordered`] has made octets of.
pub(super) fn number(octets: [u8; 8]) -> i64 {
    i64::from_be_bytes(octets) ^ i64::MIN
}

/// The day (UTC) of `at`, with which the key of what was spent begins.
pub(super) fn day(at: Timestamp) -> [u8; 8] {
    ordered(at.as_second().div_euclid(DAY))
}

/// A number that may be negative, as octets that sort as it does.
fn ordered(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}
