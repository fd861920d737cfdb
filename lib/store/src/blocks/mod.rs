//! Sorted maps in blocks over a sorted map of bytes.
//!
//! sled pays some 250 octets of memory for each key and syncs nothing that is larger than 128 KiB on a leaf, so nothing that grows
//! with members or posts has a key of its own: 32 to 64 items, sorted, make one value of at most [`block::MAX_BYTES`].
//! A block's key is a fence: no item in it sorts below. So an item is found in the last block whose fence is not above it; a new first
//! block has the empty fence. A value too long for a block lies in parts beside the map.

mod block;
mod map;
mod pages;
#[cfg(test)]
mod tests;

pub(crate) use block::{read_length, write_length};
pub(crate) use map::Map;
pub(crate) use pages::{Changed, Draft, Layer, Pages, PagesMut, Pair};
