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

/// Each changed key with its new value; none where it goes.
pub(crate) type Changed = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Pages with changes laid over them.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a, P> {
    base: P,
    changed: &'a Changed,
}

impl<'a, P: Pages> Layer<'a, P> {
    /// These changes over those pages.
    pub(crate) fn new(base: P, changed: &'a Changed) -> Self {
        Layer { base, changed }
    }

    /// The nearest pair of the base, in the direction of `next`, that the changes leave as it is.
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

impl<P: Pages> Pages for Layer<'_, P> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        let base = self.unchanged(key, |key| self.base.below(key))?;
        let mut changed = self.changed.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).rev();
        Ok(nearer(base, changed.find_map(kept), |changed, base| changed > base))
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        let base = self.unchanged(key, |key| self.base.above(key))?;
        let mut changed = self.changed.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded));
        Ok(nearer(base, changed.find_map(kept), |changed, base| changed < base))
    }
}

impl<P: Pages> Pages for &P {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        (**self).get(key)
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        (**self).below(key)
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        (**self).above(key)
    }
}

/// Changes over pages that nobody else sees until they are applied in one go.
pub(crate) struct Draft<P> {
    base: P,
    changed: Changed,
}

impl<P: Pages> Draft<P> {
    /// No change yet.
    pub(crate) fn new(base: P) -> Self {
        Draft { base, changed: Changed::new() }
    }

    /// What is changed.
    pub(crate) fn into_changes(self) -> Changed {
        self.changed
    }

    fn pages(&self) -> Layer<'_, &P> {
        Layer::new(&self.base, &self.changed)
    }
}

impl<P: Pages> Pages for Draft<P> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        self.pages().get(key)
    }

    fn below(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        self.pages().below(key)
    }

    fn above(&self, key: &[u8]) -> Result<Option<Pair>, Unavailable> {
        self.pages().above(key)
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

fn kept<'c>((key, value): (&'c Vec<u8>, &'c Option<Vec<u8>>)) -> Option<(&'c Vec<u8>, &'c Vec<u8>)> {
    Some((key, value.as_ref()?))
}

/// Of a pair of the base and one of the changes that whose key is nearer.
fn nearer(
    base: Option<Pair>,
    changed: Option<(&Vec<u8>, &Vec<u8>)>,
    is_nearer: impl Fn(&Vec<u8>, &Vec<u8>) -> bool,
) -> Option<Pair> {
    let changed = changed.filter(|(key, _)| base.as_ref().is_none_or(|(base, _)| is_nearer(key, base)));
    changed.map(|(key, value)| (key.clone(), value.clone())).or(base)
}
