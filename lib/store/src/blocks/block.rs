//! One block: its items as bytes.
//!
//! ```text
//! block  = version (1 octet: 1) item*
//! item   = length of key, key, 2 × length of value (+ 1 when the value lies in parts), value
//! ```
//! Lengths are LEB128. Where the value lies in parts, what stands here is its length as LEB128.

use listmill_core::Unavailable;

const VERSION: u8 = 1;

/// A block has at most so many items.
pub(super) const MAX_ITEMS: usize = 64;
/// A block with items of its neighbour has at most so many, and a new one about so many: room to grow without a split.
pub(super) const GOOD_ITEMS: usize = 48;
/// A block with fewer items is joined with its neighbour.
pub(super) const FEW_ITEMS: usize = 16;
/// A block has at most so many octets (if it has more than one item). sled puts 16 values on a leaf, and a leaf above 128 KiB into a
/// file that it does not sync: 16 times this is well below.
pub(super) const MAX_BYTES: usize = 6 << 10;
/// A new block has about so many octets.
pub(super) const GOOD_BYTES: usize = 4 << 10;

/// One item of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// The key.
    pub(super) key: &'a [u8],
    /// The value, or its length where it lies in parts.
    pub(super) value: &'a [u8],
    /// The value lies in parts.
    pub(super) parts: bool,
}

impl Item<'_> {
    fn bytes(&self) -> usize {
        // Three octets of length each is the most that fits into a block.
        self.key.len() + self.value.len() + 6
    }
}

/// The items of a block, in order.
pub(super) fn parse(block: &[u8]) -> Result<Vec<Item<'_>>, Unavailable> {
    let mut rest = items_of(block)?;
    let mut items = Vec::with_capacity(GOOD_ITEMS);
    while let Some(item) = next(&mut rest)? {
        items.push(item);
    }
    Ok(items)
}

/// The item of this key.
pub(super) fn find<'b>(block: &'b [u8], key: &[u8]) -> Result<Option<Item<'b>>, Unavailable> {
    let mut rest = items_of(block)?;
    while let Some(item) = next(&mut rest)? {
        if item.key >= key {
            return Ok(Some(item).filter(|item| item.key == key));
        }
    }
    Ok(None)
}

/// What stands behind the version.
fn items_of(block: &[u8]) -> Result<&[u8], Unavailable> {
    let (version, items) = block.split_first().ok_or_else(damaged)?;
    if *version != VERSION {
        return Err(Unavailable { reason: format!("a block has form {version}, which this release does not know") });
    }
    Ok(items)
}

/// Reads one item, and moves behind it.
fn next<'b>(rest: &mut &'b [u8]) -> Result<Option<Item<'b>>, Unavailable> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key_len = read_length(rest)?;
    let key = take(rest, key_len)?;
    let value_len = read_length(rest)?;
    let value = take(rest, value_len >> 1)?;
    Ok(Some(Item { key, value, parts: value_len & 1 == 1 }))
}

/// The bytes of a block.
pub(super) fn encode(items: &[Item<'_>]) -> Vec<u8> {
    let mut block = Vec::with_capacity(1 + items.iter().map(Item::bytes).sum::<usize>());
    block.push(VERSION);
    for item in items {
        write_length(&mut block, item.key.len());
        block.extend_from_slice(item.key);
        write_length(&mut block, item.value.len() << 1 | usize::from(item.parts));
        block.extend_from_slice(item.value);
    }
    block
}

/// These items make one block.
pub(super) fn fits(items: &[Item<'_>], max_items: usize, max_bytes: usize) -> bool {
    items.len() <= max_items && (items.len() <= 1 || items.iter().map(Item::bytes).sum::<usize>() <= max_bytes)
}

/// Cuts items into pieces that each make a block: one if they fit, else pieces with room to grow.
pub(super) fn cut<'a, 'b>(mut items: &'b [Item<'a>]) -> Vec<&'b [Item<'a>]> {
    if fits(items, MAX_ITEMS, MAX_BYTES) {
        return if items.is_empty() { Vec::new() } else { vec![items] };
    }
    // Two even pieces rather than a full one and a crumb.
    let bytes = items.iter().map(Item::bytes).sum::<usize>();
    let pieces = items.len().div_ceil(GOOD_ITEMS).max(bytes.div_ceil(GOOD_BYTES));
    let (good_items, good_bytes) = (items.len().div_ceil(pieces), bytes.div_ceil(pieces).min(GOOD_BYTES));
    let mut cut = Vec::with_capacity(pieces);
    while !items.is_empty() {
        let mut bytes = 0;
        let within = items.iter().take(good_items).take_while(|item| {
            bytes += item.bytes();
            bytes <= good_bytes + item.bytes() / 2
        });
        let (piece, rest) = items.split_at(within.count().max(1));
        cut.push(piece);
        items = rest;
    }
    cut
}

/// Appends a length as LEB128.
pub(crate) fn write_length(to: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        to.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
}

/// Reads a length as LEB128, and moves behind it.
pub(crate) fn read_length(from: &mut &[u8]) -> Result<usize, Unavailable> {
    let mut length = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, rest) = from.split_first().ok_or_else(damaged)?;
        *from = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(damaged())
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], Unavailable> {
    let (taken, rest) = from.split_at_checked(length).ok_or_else(damaged)?;
    *from = rest;
    Ok(taken)
}

/// What is said of bytes that no block has.
pub(super) fn damaged() -> Unavailable {
    Unavailable { reason: "a block of the store is damaged; restore the store from a backup".to_owned() }
}
