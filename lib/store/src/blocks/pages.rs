//! Where blocks lie, and the draft of a batch over it.

use std::collections::BTreeMap;
use std::ops::Bound;

use listmill_core::Unavailable;

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A sorted map of bytes that can be read.
pub(crate) trait Pages {
    /// The value of this key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable>;

    /// The last pair whose key is below this one.
    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable>;

    /// The first pair whose key is above this one.
    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable>;
}

/// A sorted map of bytes that can be written.
pub(crate) trait PagesMut: Pages {
    /// Sets the value of a key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);

    /// Takes a key away.
    fn remove(&mut self, key: Vec<u8>);
}

/// Changes over pages that nobody else sees until they are applied in one go.
pub(crate) struct Draft<P> {
    base: P,
    changed: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<P: Pages> Draft<P> {
    /// No change yet.
    pub(crate) fn new(base: P) -> Self {
        Draft { base, changed: BTreeMap::new() }
    }

    /// Each changed key with its new value; none where it goes.
    pub(crate) fn into_changes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.changed
    }

    /// The nearest pair of the base, in the direction of `next`, that the draft leaves as it is.
    fn unchanged(
        &self,
        key: &[u8],
        next: impl Fn(&[u8]) -> Result<Option<Pair>, Unavailable>,
    ) -> Result<Option<Pair>, Unavailable> {
        let mut found = next(key)?;
        while let Some((key, _)) = found.as_ref().filter(|(key, _)| self.changed.contains_key(key)) {
            found = next(key)?;
        }
        Ok(found)
    }
}

impl<P: Pages> Pages for Draft<P> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        let base = self.unchanged(key, |key| self.base.below(key))?;
        let mut changed = self.changed.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).rev();
        let draft = changed.find_map(kept);
        Ok(base.max(draft))
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        let base = self.unchanged(key, |key| self.base.above(key))?;
        let mut changed = self.changed.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded));
        let draft = changed.find_map(kept);
        Ok(match (base, draft) {
            (Some(base), Some(draft)) => Some(base.min(draft)),
            (base, draft) => base.or(draft),
        })
    }
}

impl<P: Pages> PagesMut for Draft<P> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changed.insert(key, Some(value));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.changed.insert(key, None);
    }
}

fn kept((key, value): (&Vec<u8>, &Option<Vec<u8>>)) -> Option<Pair> {
    Some((key.clone(), value.clone()?))
}
