//! A sorted map in blocks.

use std::iter::Peekable;

use listmill_core::Unavailable;

use super::block::{self, FEW_ITEMS, GOOD_BYTES, GOOD_ITEMS, Item, MAX_BYTES, MAX_ITEMS};
use super::pages::{Pages, PagesMut, Pair};

/// A longer value lies in parts: three of this length make a block that can be cut.
const LONG: usize = MAX_BYTES / 3;
/// A part has at most so many octets.
const PART: usize = 4 << 10;
/// Parts lie apart from every map: no map's name begins with this.
const PARTS: u8 = b'~';

/// The name of a sorted map: all its blocks have it in front of their fence.
///
/// A map's keys are compared as bytes. Where a name has a variable length, it ends in a zero octet that it does not have elsewhere, so that
/// no map's name is the beginning of another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    name: Vec<u8>,
}

impl Map {
    /// The map with this name, which is not the beginning of another map's name.
    pub(crate) fn new(name: Vec<u8>) -> Self {
        debug_assert!(name.first().is_some_and(|first| *first != PARTS), "parts lie apart");
        Map { name }
    }

    /// The value of a key.
    pub(crate) fn get(&self, pages: &impl Pages, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        let Some((_, page)) = self.block_of(pages, key)? else { return Ok(None) };
        block::find(&page, key)?.map(|item| self.value(pages, item)).transpose()
    }

    /// At most `limit` items behind `after`, in order; from the first on when it is none.
    pub(crate) fn page(
        &self,
        pages: &impl Pages,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, Unavailable> {
        let mut found = Vec::new();
        self.walk(pages, after, |item| {
            let more = found.len() < limit;
            if more {
                found.push((item.key.to_vec(), self.value(pages, item)?));
            }
            Ok(more)
        })?;
        Ok(found)
    }

    /// Hands over each item, in order.
    pub(crate) fn each(
        &self,
        pages: &impl Pages,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Unavailable>,
    ) -> Result<(), Unavailable> {
        self.walk(pages, None, |item| visit(item.key, &self.value(pages, item)?).map(|()| true))
    }

    /// Hands over the items behind `after`, until it is told that this is enough.
    fn walk(
        &self,
        pages: &impl Pages,
        after: Option<&[u8]>,
        mut visit: impl FnMut(Item<'_>) -> Result<bool, Unavailable>,
    ) -> Result<(), Unavailable> {
        let mut next = self.block_of(pages, after.unwrap_or_default())?;
        if next.is_none() {
            next = self.block_above(pages, &self.name)?;
        }
        while let Some((fence, page)) = next {
            for item in block::parse(&page)? {
                if after.is_none_or(|after| item.key > after) && !visit(item)? {
                    return Ok(());
                }
            }
            next = self.block_above(pages, &fence)?;
        }
        Ok(())
    }

    /// The last item.
    pub(crate) fn last(&self, pages: &impl Pages) -> Result<Option<Pair>, Unavailable> {
        let Some((_, page)) = self.block_below(pages, &self.end())? else { return Ok(None) };
        match block::parse(&page)?.last() {
            Some(item) => Ok(Some((item.key.to_vec(), self.value(pages, *item)?))),
            None => Ok(None),
        }
    }

    /// Sets the value of a key; true when it had one.
    pub(crate) fn insert(&self, pages: &mut impl PagesMut, key: &[u8], value: &[u8]) -> Result<bool, Unavailable> {
        let (fence, page) = self.block_for(pages, key)?;
        let mut items = block::parse(&page)?;
        let shortened = self.put_long(pages, key, value);
        let item = Item { key, value: shortened.as_deref().unwrap_or(value), parts: shortened.is_some() };
        let had = match items.binary_search_by(|item| item.key.cmp(key)) {
            Ok(at) => {
                self.drop_parts_behind(pages, items[at], if item.parts { value.len() } else { 0 })?;
                items[at] = item;
                true
            }
            Err(at) => {
                items.insert(at, item);
                false
            }
        };
        self.put_blocks(pages, fence, &items)?;
        Ok(had)
    }

    /// Adds items, sorted by key and each key once; a key that has a value keeps it. For each item: it was added.
    pub(crate) fn add_all(&self, pages: &mut impl PagesMut, run: &[Pair]) -> Result<Vec<bool>, Unavailable> {
        debug_assert!(run.is_sorted_by(|a, b| a.0 < b.0), "a run is sorted and has no key twice");
        let mut added = Vec::with_capacity(run.len());
        let mut rest = run.iter().peekable();
        while let Some((key, _)) = rest.peek() {
            let (fence, page) = self.block_for(pages, key)?;
            let end = self.block_above(pages, &fence)?.map(|(fence, _)| fence);
            let ours = |key: &[u8]| end.as_ref().is_none_or(|end| key < &end[self.name.len()..]);
            self.add_to_block(pages, (fence, &page), &mut rest, ours, &mut added)?;
        }
        Ok(added)
    }

    /// Adds the items of a run that belong to one block.
    fn add_to_block<'r>(
        &self,
        pages: &mut impl PagesMut,
        (fence, page): (Vec<u8>, &[u8]),
        rest: &mut Peekable<impl Iterator<Item = &'r Pair>>,
        ours: impl Fn(&[u8]) -> bool,
        added: &mut Vec<bool>,
    ) -> Result<(), Unavailable> {
        let mut run = Vec::new();
        while let Some((key, value)) = rest.next_if(|(key, _)| ours(key)) {
            run.push((key, value));
        }
        let old = block::parse(page)?;
        let mut shortened = Vec::with_capacity(run.len());
        for (key, value) in &run {
            let new = old.binary_search_by(|item| item.key.cmp(key)).is_err();
            added.push(new);
            shortened.push(if new { self.put_long(pages, key, value) } else { None });
        }
        let new = added[added.len() - run.len()..].iter().zip(run.iter().zip(&shortened)).filter(|(new, _)| **new);
        let new = new.map(|(_, ((key, value), short))| Item {
            key,
            value: short.as_deref().unwrap_or(value),
            parts: short.is_some(),
        });
        let items = merge(old.iter().copied(), new);
        self.put_blocks(pages, fence, &items)
    }

    /// Takes a key away; true when it had a value.
    pub(crate) fn remove(&self, pages: &mut impl PagesMut, key: &[u8]) -> Result<bool, Unavailable> {
        let Some((fence, page)) = self.block_of(pages, key)? else { return Ok(false) };
        let mut items = block::parse(&page)?;
        let Ok(at) = items.binary_search_by(|item| item.key.cmp(key)) else { return Ok(false) };
        self.drop_parts_behind(pages, items[at], 0)?;
        items.remove(at);
        if items.len() < FEW_ITEMS && self.join(pages, &fence, &items)? {
            return Ok(true);
        }
        self.put_blocks(pages, fence, &items)?;
        Ok(true)
    }

    /// Joins what is left of a block with a neighbour; false when neither has room.
    fn join(&self, pages: &mut impl PagesMut, fence: &[u8], items: &[Item<'_>]) -> Result<bool, Unavailable> {
        if let Some((before, page)) = self.block_below(pages, fence)? {
            let joined = [&block::parse(&page)?, items].concat();
            if block::fits(&joined, GOOD_ITEMS, GOOD_BYTES) {
                pages.remove(fence.to_vec());
                self.put_blocks(pages, before, &joined)?;
                return Ok(true);
            }
        }
        if let Some((behind, page)) = self.block_above(pages, fence)? {
            let joined = [items, &block::parse(&page)?].concat();
            if block::fits(&joined, GOOD_ITEMS, GOOD_BYTES) {
                pages.remove(behind);
                self.put_blocks(pages, fence.to_vec(), &joined)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes every key away.
    pub(crate) fn clear(&self, pages: &mut impl PagesMut) -> Result<(), Unavailable> {
        let mut next = self.block_of(pages, &[])?;
        if next.is_none() {
            next = self.block_above(pages, &self.name)?;
        }
        while let Some((fence, page)) = next {
            for item in block::parse(&page)? {
                self.drop_parts_behind(pages, item, 0)?;
            }
            next = self.block_above(pages, &fence)?;
            pages.remove(fence);
        }
        Ok(())
    }

    /// The block in which a key lies, if it is there at all.
    fn block_of(&self, pages: &impl Pages, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        // What is below this is not above the key.
        self.block_below(pages, &[self.name.as_slice(), key, &[0]].concat())
    }

    /// The block into which a key goes: its own, or the first, which may be a new one.
    fn block_for(&self, pages: &impl Pages, key: &[u8]) -> Result<Pair, Unavailable> {
        Ok(self.block_of(pages, key)?.unwrap_or_else(|| (self.name.clone(), block::encode(&[]))))
    }

    fn block_below(&self, pages: &impl Pages, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(pages.below(key)?.filter(|(fence, _)| fence.starts_with(&self.name)))
    }

    fn block_above(&self, pages: &impl Pages, fence: &[u8]) -> Result<Option<Pair>, Unavailable> {
        Ok(pages.above(fence)?.filter(|(fence, _)| fence.starts_with(&self.name)))
    }

    /// The first key behind all those that begin with the map's name.
    fn end(&self) -> Vec<u8> {
        let mut end = self.name.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return end;
            }
        }
        vec![PARTS]
    }

    /// Writes items as the block of `fence` and as many behind it as they need; removes the block when there are none.
    fn put_blocks(&self, pages: &mut impl PagesMut, fence: Vec<u8>, items: &[Item<'_>]) -> Result<(), Unavailable> {
        let last = items.len().saturating_sub(1);
        let (full, one) = items.split_at(last);
        let grows_at_its_end = !block::fits(items, MAX_ITEMS, MAX_BYTES)
            && block::fits(full, MAX_ITEMS, MAX_BYTES)
            && self.block_above(pages, &fence)?.is_none();
        // A log only ever grows at its end, and half-full blocks behind it would stay so for ever.
        let pieces = if grows_at_its_end { vec![full, one] } else { block::cut(items) };
        if pieces.is_empty() {
            pages.remove(fence.clone());
        }
        for (at, piece) in pieces.into_iter().enumerate() {
            let key = if at == 0 { fence.clone() } else { [self.name.as_slice(), piece[0].key].concat() };
            pages.put(key, block::encode(piece));
        }
        Ok(())
    }

    /// The value of an item, put together where it lies in parts.
    fn value(&self, pages: &impl Pages, item: Item<'_>) -> Result<Vec<u8>, Unavailable> {
        if !item.parts {
            return Ok(item.value.to_vec());
        }
        let length = block::read_length(&mut &*item.value)?;
        let mut value = Vec::with_capacity(length.min(1 << 20));
        for part in 0..length.div_ceil(PART) {
            value.extend(pages.get(&self.part_key(item.key, part))?.ok_or_else(block::damaged)?);
        }
        if value.len() == length { Ok(value) } else { Err(block::damaged()) }
    }

    /// Puts a long value into parts; gives what stands in the block in its place.
    fn put_long(&self, pages: &mut impl PagesMut, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        if value.len() <= LONG {
            return None;
        }
        for (at, part) in value.chunks(PART).enumerate() {
            pages.put(self.part_key(key, at), part.to_vec());
        }
        let mut length = Vec::new();
        block::write_length(&mut length, value.len());
        Some(length)
    }

    /// Removes the parts of an item that a value of `length` octets has no use for.
    fn drop_parts_behind(&self, pages: &mut impl PagesMut, item: Item<'_>, length: usize) -> Result<(), Unavailable> {
        if item.parts {
            let old = block::read_length(&mut &*item.value)?;
            for part in length.div_ceil(PART)..old.div_ceil(PART) {
                pages.remove(self.part_key(item.key, part));
            }
        }
        Ok(())
    }

    fn part_key(&self, key: &[u8], part: usize) -> Vec<u8> {
        let part = u32::try_from(part).expect("no value has 2^32 parts: it would not fit into memory");
        [&[PARTS], self.name.as_slice(), key, &part.to_be_bytes()].concat()
    }
}

/// Two sorted runs without a common key as one.
fn merge<'a>(old: impl Iterator<Item = Item<'a>>, new: impl Iterator<Item = Item<'a>>) -> Vec<Item<'a>> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    let mut merged = Vec::with_capacity(old.size_hint().0 + new.size_hint().1.unwrap_or(0));
    loop {
        let next = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if b.key < a.key => new.next(),
            (Some(_), _) => old.next(),
            (None, _) => new.next(),
        };
        match next {
            Some(item) => merged.push(item),
            None => return merged,
        }
    }
}
