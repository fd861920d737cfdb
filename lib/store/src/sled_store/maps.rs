//! What lies where: the maps of the store and the form of their records.
//!
//! | map | key | value |
//! | --- | --- | --- |
//! | `l` lists | list | JSON: [`ListRecord`] |
//! | `c` counters | list | JSON: [`Counters`] |
//! | `r` roster of a list | address key | see [`super::member_form`] |
//! | `s` staff of a list | address key | roles |
//! | `h` held posts of a list | number | JSON: `HeldPost` |
//! | `e` the same by entry | entry id, number | - |
//! | `v` held posts of all lists | when they lapse, list, number | - |
//! | `f` message files of held posts, and of those that can come back | number | see [`super::files`] |
//! | `d` decisions of a list | number | JSON: `Decision` |
//! | `w` decisions with a message file | when decided, list, number | - |
//! | `g` all decisions | when decided, list, number | - |
//! | `q` open requests of a list | kind, address key | JSON: `Request` |
//! | `t` the same by handle | handle | key in `q` |
//! | `x` open requests of all lists | when they expire, list, key in `q` | - |
//! | `p` failed deliveries of a list | address key | JSON: `BounceRecord` |
//! | `i` the same of all lists | when due, list, address key | - |
//! | `n` tallies of a list | name | JSON: `BounceTally` |
//! | `k` what they have counted once | name, what | - |
//! | `z` tallies of all lists | since when, list, name | - |
//! | `y` letters that were spent | day, trust, address key or domain | JSON: how many |
//! | `b` bans of a scope | pattern | JSON: `Ban` |
//! | `a` applied | entry id | when, seconds since 1970 |
//! | `o` outbox | entry id, ordinal | see [`super::files`] |
//! | `u` audit log | number | JSON: `AuditRecord` |
//!
//! Numbers are big-endian; times are microseconds, days are counted from 1970, and both have their sign turned so that they sort as
//! numbers. A list, a kind or a tally's name in a key ends in a zero octet.
//! `v`, `w`, `g`, `x`, `i` and `z` are there so that what has had its time is found
//! without a look at what has not; see [`super::tidy`].
//!
//! The schema's number and the signing keys are not in a map; see [`super::meta`].

use std::collections::BTreeMap;

use listmill_core::{BanPattern, BanScope, ListAddress, Timestamp, Unavailable};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::blocks::{Changed, Map, Pages, PagesMut};

/// What is kept of a list besides its people and posts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ListRecord {
    pub(super) created: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) own: BTreeMap<String, String>,
}

/// What is counted of a list, so that nobody has to count it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// People with the role `member`.
    #[serde(default)]
    pub(super) members: u64,
    /// People.
    #[serde(default)]
    pub(super) people: u64,
    /// Held posts.
    #[serde(default)]
    pub(super) held: u64,
    /// Open requests.
    #[serde(default)]
    pub(super) requests: u64,
    /// The last number that a held post was given.
    #[serde(default)]
    pub(super) last_held: u64,
}

pub(super) fn lists() -> Map {
    site_map(b'l')
}

pub(super) fn counters() -> Map {
    site_map(b'c')
}

pub(super) fn roster(list: &ListAddress) -> Map {
    scoped_map(b'r', list.as_str())
}

pub(super) fn staff(list: &ListAddress) -> Map {
    scoped_map(b's', list.as_str())
}

pub(super) fn held(list: &ListAddress) -> Map {
    scoped_map(b'h', list.as_str())
}

pub(super) fn held_files(list: &ListAddress) -> Map {
    scoped_map(b'f', list.as_str())
}

pub(super) fn held_by_entry(list: &ListAddress) -> Map {
    scoped_map(b'e', list.as_str())
}

pub(super) fn times_of_held() -> Map {
    site_map(b'v')
}

pub(super) fn decisions(list: &ListAddress) -> Map {
    scoped_map(b'd', list.as_str())
}

pub(super) fn times_of_files() -> Map {
    site_map(b'w')
}

pub(super) fn times_of_decisions() -> Map {
    site_map(b'g')
}

pub(super) fn requests(list: &ListAddress) -> Map {
    scoped_map(b'q', list.as_str())
}

pub(super) fn handles(list: &ListAddress) -> Map {
    scoped_map(b't', list.as_str())
}

pub(super) fn times_of_requests() -> Map {
    site_map(b'x')
}

pub(super) fn bounces(list: &ListAddress) -> Map {
    scoped_map(b'p', list.as_str())
}

pub(super) fn times_of_bounces() -> Map {
    site_map(b'i')
}

pub(super) fn tallies(list: &ListAddress) -> Map {
    scoped_map(b'n', list.as_str())
}

pub(super) fn counted_once(list: &ListAddress) -> Map {
    scoped_map(b'k', list.as_str())
}

pub(super) fn times_of_tallies() -> Map {
    site_map(b'z')
}

pub(super) fn spent() -> Map {
    site_map(b'y')
}

pub(super) fn bans(scope: &BanScope) -> Map {
    scoped_map(b'b', &scope.to_string())
}

pub(super) fn applied() -> Map {
    site_map(b'a')
}

pub(super) fn outbox() -> Map {
    site_map(b'o')
}

pub(super) fn audit() -> Map {
    site_map(b'u')
}

fn site_map(letter: u8) -> Map {
    Map::new(vec![letter, 0])
}

/// Neither a list's address nor "site" has a zero octet.
fn scoped_map(letter: u8, scope: &str) -> Map {
    Map::new([&[letter], scope.as_bytes(), &[0]].concat())
}

/// Whether these changes are about the lists themselves: what is there, and with which settings.
pub(super) fn have_lists(changes: &Changed) -> bool {
    // A setting that is long lies in parts, but the record has its length, and is written with them.
    changes.range(vec![b'l', 0]..vec![b'l', 1]).next().is_some()
}

/// Every map of a list that is there for this list alone.
pub(super) fn all_of(list: &ListAddress) -> [Map; 12] {
    [
        roster(list),
        staff(list),
        held(list),
        held_by_entry(list),
        held_files(list),
        decisions(list),
        requests(list),
        handles(list),
        bounces(list),
        tallies(list),
        counted_once(list),
        bans(&BanScope::List(list.clone())),
    ]
}

/// Hands over the address of each list.
pub(super) fn each_list(
    pages: &impl Pages,
    mut visit: impl FnMut(&ListAddress) -> Result<(), Unavailable>,
) -> Result<(), Unavailable> {
    lists().each(pages, |key, _| visit(&key_list(key)?))
}

/// The list that a key is.
pub(super) fn key_list(key: &[u8]) -> Result<ListAddress, Unavailable> {
    let text = std::str::from_utf8(key).map_err(|error| damaged("list", &error.to_string()))?;
    text.parse().map_err(|error: listmill_core::ListNameError| damaged("list", &error.to_string()))
}

/// The key of a ban: the case of an address does not count.
pub(super) fn ban_key(pattern: &BanPattern) -> Vec<u8> {
    match pattern {
        BanPattern::Address(address) => address.key().into_bytes(),
        BanPattern::Domain(_) | BanPattern::Subdomains(_) => pattern.to_string().into_bytes(),
    }
}

/// A number as a key.
pub(super) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number that a key is.
pub(super) fn key_number(key: &[u8]) -> Result<u64, Unavailable> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| damaged("a number", "it is not eight octets long"))
}

/// The counters of a list; all zero when it has none.
pub(super) fn counters_of(pages: &impl Pages, list: &ListAddress) -> Result<Counters, Unavailable> {
    Ok(get_json(pages, &counters(), list.as_str().as_bytes())?.unwrap_or_default())
}

/// One record in JSON.
pub(super) fn get_json<T: DeserializeOwned>(
    pages: &impl Pages,
    map: &Map,
    key: &[u8],
) -> Result<Option<T>, Unavailable> {
    map.get(pages, key)?.map(|value| from_json(&value)).transpose()
}

/// Sets one record in JSON; true when there was one.
pub(super) fn put_json<T: Serialize>(
    pages: &mut impl PagesMut,
    map: &Map,
    key: &[u8],
    record: &T,
) -> Result<bool, Unavailable> {
    map.insert(pages, key, &to_json(record))
}

/// The JSON of a record.
pub(super) fn to_json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record is made of structs and of maps with text keys")
}

/// The record of this JSON.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unavailable> {
    serde_json::from_slice(json).map_err(|error| damaged(std::any::type_name::<T>(), &error.to_string()))
}

/// What is said of a record that cannot be read.
pub(super) fn damaged(what: &str, why: &str) -> Unavailable {
    let what = what.rsplit("::").next().unwrap_or(what);
    Unavailable { reason: format!("a record ({what}) is damaged, or a newer release has written it: {why}") }
}
