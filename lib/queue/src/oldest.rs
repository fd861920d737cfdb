//! The oldest places of a set, with whose they are: as many as memory should hold, and more while nobody among those may have a turn.

use std::collections::btree_map::Entry as At;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use listmill_core::Party;

use crate::lineup::Place;
use crate::shares::Shares;

/// A set of which all places known are passed over is known in twice as many, up to this.
const MOST_KNOWN: usize = 1 << 20;
/// So many parties that have their share may stand before where the next search begins.
const MOST_AHEAD: usize = 8;
/// The oldest places of a set that may be larger than memory should hold.
///
/// A place takes 36 octets, and some 80 with its part of the tree: 0.3 MB for the 4,096 that a disk queue begins with, 80 MB for the million that it may
/// come to.
#[derive(Debug)]
pub(crate) struct Oldest {
    /// With the number of the party, where that is known.
    places: BTreeMap<Place, u32>,
    parties: Parties,
    pub(crate) cap: usize,
    /// To what the cap goes back.
    least: usize,
    /// There are (or may be) places behind the last one that are not listed here.
    more: bool,
    ahead: Ahead,
}

/// The parties by number: their names stand in memory once.
#[derive(Debug, Default)]
struct Parties {
    names: Vec<Party>,
    numbers: HashMap<Party, u32>,
}

/// Where the search for somebody whose turn it is need not begin again each time, while those who have their share wait before all others.
#[derive(Debug, Default)]
struct Ahead {
    /// Each place up to this one is of one of these parties.
    until: Option<Place>,
    parties: Vec<u32>,
}

/// The number of whoever is not known.
const NOBODY_KNOWN: u32 = 0;

impl Parties {
    fn number(&mut self, party: Option<Party>) -> u32 {
        let Some(party) = party else { return NOBODY_KNOWN };
        if let Some(number) = self.numbers.get(&party) {
            return *number;
        }
        self.names.push(party.clone());
        let number = u32::try_from(self.names.len()).unwrap_or(NOBODY_KNOWN);
        self.numbers.insert(party, number);
        number
    }

    fn name(&self, number: u32) -> Option<&Party> {
        self.names.get((number as usize).checked_sub(1)?)
    }
}

impl Oldest {
    pub(crate) fn new(cap: usize) -> Self {
        let (places, parties, ahead) = (BTreeMap::new(), Parties::default(), Ahead::default());
        Oldest { places, parties, cap, least: cap, more: false, ahead }
    }

    /// An empty one that may become as large.
    pub(crate) fn as_large(&self) -> Self {
        Oldest { cap: self.cap, ..Oldest::new(self.least) }
    }

    /// False when it was listed already.
    pub(crate) fn insert(&mut self, place: Place, party: Option<Party>) -> bool {
        // Behind the last one listed stand others that are not: this one is of their kind.
        if self.more && self.places.last_key_value().is_none_or(|(last, _)| place > *last) {
            return true;
        }
        let number = self.parties.number(party);
        let new = match self.places.entry(place) {
            At::Vacant(empty) => {
                empty.insert(number);
                true
            }
            At::Occupied(mut known) => {
                if number != NOBODY_KNOWN {
                    known.insert(number);
                }
                false
            }
        };
        if self.ahead.until.is_some_and(|until| place <= until) && !self.ahead.parties.contains(&number) {
            self.ahead.until = self.places.range(..place).next_back().map(|(before, _)| *before);
        }
        if self.places.len() > self.cap {
            self.places.pop_last();
            self.more = true;
        }
        new
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        self.places.remove(place);
        if self.places.is_empty() {
            (self.parties, self.ahead) = (Parties::default(), Ahead::default());
        }
    }

    pub(crate) fn first(&self) -> Option<Place> {
        self.places.first_key_value().map(|(place, _)| *place)
    }

    /// The first whose party may have one more in hand.
    pub(crate) fn first_allowed(&mut self, shares: &Shares) -> Option<Place> {
        let may = |number: u32| shares.allow(self.parties.name(number));
        // Once one of those ahead may have its turn, it is looked for among them.
        let passed = self.ahead.until.filter(|_| !self.ahead.parties.iter().any(|number| may(*number)));
        let mut ahead = if passed.is_some() { std::mem::take(&mut self.ahead) } else { Ahead::default() };
        let mut refused = vec![false; self.parties.names.len() + 1];
        let (mut found, mut is_gapless) = (None, true);
        for (place, number) in self.places.range((passed.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)) {
            let index = *number as usize;
            if !refused[index] && may(*number) {
                found = Some(*place);
                break;
            }
            refused[index] = true;
            is_gapless = is_gapless && ahead.takes(*place, *number);
        }
        let is_among_them = found.is_some_and(|found| self.ahead.until.is_some_and(|until| found <= until));
        if !is_among_them {
            self.ahead = ahead;
        }
        found
    }

    /// All that are listed are passed over, and behind them are others: they must be read as well.
    pub(crate) fn is_too_small(&mut self, shares: &Shares) -> bool {
        let may_grow = self.more && self.cap < MOST_KNOWN && !self.places.is_empty();
        may_grow && self.first_allowed(shares).is_none()
    }

    /// From the next reading on more are listed; as many as before, if fewer are left of those.
    pub(crate) fn grow(&mut self) {
        if self.places.len() > self.cap / 2 {
            self.cap = (self.cap * 2).min(MOST_KNOWN);
        }
    }

    /// Few are left: from the next reading on no more are listed than at first.
    pub(crate) fn shrink(&mut self) {
        if !self.more && self.places.len() <= self.least {
            self.cap = self.least;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Nothing is listed, and yet there may be something: the set must be read again.
    pub(crate) fn is_used_up(&self) -> bool {
        self.places.is_empty() && self.more
    }

    /// Takes out every place whose time has come.
    pub(crate) fn take_until(&mut self, micros: u64) -> Vec<Place> {
        let mut due = Vec::new();
        while let Some(first) = self.first().filter(|first| first.micros <= micros) {
            self.places.remove(&first);
            due.push(first);
        }
        due
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        self.places.keys().copied()
    }

    /// With the parties, as far as they are known.
    pub(crate) fn into_known(self) -> impl Iterator<Item = (Place, Option<Party>)> {
        let parties = self.parties;
        self.places.into_iter().map(move |(place, number)| (place, parties.name(number).cloned()))
    }
}

impl Ahead {
    /// The next place, of this party, stands here as well, unless there are too many parties.
    fn takes(&mut self, place: Place, number: u32) -> bool {
        let is_new = !self.parties.contains(&number);
        if is_new && self.parties.len() == MOST_AHEAD {
            return false;
        }
        if is_new {
            self.parties.push(number);
        }
        self.until = Some(place);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::{EntryId, Timestamp};

    fn place(rank: u8, micros: u64) -> Place {
        let mut chance = [rank; 10];
        chance[..8].copy_from_slice(&micros.to_be_bytes());
        Place { micros, rank, id: EntryId::fresh(Timestamp::UNIX_EPOCH, chance) }
    }

    #[test]
    fn what_is_due_is_taken_out_in_order() {
        let mut oldest = Oldest::new(10);
        for micros in [30, 10, 20] {
            oldest.insert(place(5, micros), None);
        }
        assert_eq!(oldest.take_until(20), [place(5, 10), place(5, 20)]);
        assert_eq!(oldest.first(), Some(place(5, 30)));
    }

    proptest::proptest! {
        /// Whatever is put, removed and in hand: the search that begins behind those that were passed over finds what one from the start finds.
        #[test]
        fn the_search_leaves_nobody_out(steps in proptest::collection::vec((0..4_u8, 0..60_u64, 0..12_u8), 1..200)) {
            let mut shares = Shares::default();
            shares.set_places(14);
            let (mut oldest, mut expected) = (Oldest::new(50), BTreeMap::new());
            for (step, micros, number) in steps {
                let (place, party) = (place(5, micros), (number > 0).then(|| Party::List(number.to_string().into())));
                match (step, party) {
                    (0 | 1, party) => {
                        oldest.insert(place, party.clone());
                        let known = expected.entry(place).or_insert(None);
                        *known = party.or(known.take());
                    }
                    (2, _) => {
                        oldest.remove(&place);
                        expected.remove(&place);
                        shares.ended(place.id);
                    }
                    (_, Some(party)) => shares.took(place.id, party),
                    (_, None) => {}
                }
                if expected.len() > 50 {
                    expected.pop_last();
                }
                let first = expected.iter().find(|(_, party)| shares.allow(party.as_ref())).map(|(place, _)| *place);
                if !oldest.more {
                    proptest::prop_assert_eq!(oldest.first_allowed(&shares), first);
                }
            }
        }
    }
}
