//! Whose turn it is: the places of the entries that can be claimed, bounded in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as At;

use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId};

use crate::shares::Shares;
use crate::{State, clock};

/// Every so many claims the oldest entry goes, whatever its class, so that no class starves.
const OLDEST_EVERY: u64 = 4;

/// The place of an entry in its queue. Places sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// When it was put here, or is due, in microseconds since 1970.
    pub(crate) micros: u64,
    /// The digit of its priority class; 1 is the most urgent.
    pub(crate) rank: u8,
    /// Whose place it is.
    pub(crate) id: EntryId,
}

impl Place {
    /// Where an entry belongs that is put now: behind all that are there, or, when it must wait, where it will be due.
    ///
    /// The time is that of the writing, not of the message's arrival: the later pages of a long distribution list stand
    /// behind the posts of other lists that came meanwhile.
    pub(crate) fn of(entry: &Entry) -> (State, Self) {
        let due = entry.not_before.map(clock::micros).filter(|due| *due > clock::now());
        let state = if due.is_some() { State::Deferred } else { State::New };
        (state, Place { micros: due.unwrap_or_else(clock::next), rank: entry.priority.rank(), id: entry.id })
    }
}

/// The oldest places of a set that may be larger than memory should hold.
#[derive(Debug)]
pub(crate) struct Oldest {
    /// With the party, where it is known.
    places: BTreeMap<Place, Option<Party>>,
    cap: usize,
    /// There are (or may be) places behind the last one that are not listed here.
    more: bool,
}

impl Oldest {
    pub(crate) fn new(cap: usize) -> Self {
        Oldest { places: BTreeMap::new(), cap, more: false }
    }

    /// False when it was listed already.
    pub(crate) fn insert(&mut self, place: Place, party: Option<Party>) -> bool {
        // Behind the last one listed stand others that are not: this one is of their kind.
        if self.more && self.places.last_key_value().is_none_or(|(last, _)| place > *last) {
            return true;
        }
        let new = match self.places.entry(place) {
            At::Vacant(empty) => {
                empty.insert(party);
                true
            }
            At::Occupied(mut known) => {
                if party.is_some() {
                    known.insert(party);
                }
                false
            }
        };
        if self.places.len() > self.cap {
            self.places.pop_last();
            self.more = true;
        }
        new
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        self.places.remove(place);
    }

    pub(crate) fn first(&self) -> Option<Place> {
        self.places.first_key_value().map(|(place, _)| *place)
    }

    /// The first whose party may have one more in hand.
    fn first_allowed(&self, shares: &Shares) -> Option<Place> {
        self.places.iter().find(|(_, party)| shares.allow(party.as_ref())).map(|(place, _)| *place)
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
}

/// The claimable places of one queue by class, the oldest of each.
#[derive(Debug)]
pub(crate) struct Lineup {
    classes: [Oldest; 10],
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// This one's.
    Of(Place),
    /// A class is listed only in part and that part is used up: read the queue again.
    Unknown,
    /// Nobody's.
    Nobody,
}

fn is_for_the_oldest(claims: u64) -> bool {
    claims % OLDEST_EVERY == OLDEST_EVERY - 1
}

impl Lineup {
    /// At most `cap` places of each class are kept.
    pub(crate) fn new(cap: usize) -> Self {
        Lineup { classes: std::array::from_fn(|_| Oldest::new(cap)) }
    }

    /// False when it was listed already.
    pub(crate) fn insert(&mut self, place: Place, party: Option<Party>) -> bool {
        self.class(place).insert(place, party)
    }

    pub(crate) fn remove(&mut self, place: &Place) {
        self.class(*place).remove(place);
    }

    /// Whose turn it is after `claims` claims; who has its share in hand is passed over. The place is taken out.
    pub(crate) fn next(&mut self, claims: u64, shares: &Shares) -> Turn {
        let turn = self.turn(claims, shares);
        if let Turn::Of(place) = turn {
            self.remove(&place);
        }
        turn
    }

    /// As [`next`](Self::next), from two lineups of one queue; whether the place was in the second.
    pub(crate) fn next_of(first: &mut Self, second: &mut Self, claims: u64, shares: &Shares) -> (Turn, bool) {
        let before = |a: Place, b: Place| if is_for_the_oldest(claims) { a < b } else { (a.rank, a) < (b.rank, b) };
        match (first.turn(claims, shares), second.turn(claims, shares)) {
            (Turn::Of(a), Turn::Of(b)) if before(b, a) => (second.next(claims, shares), true),
            (Turn::Nobody, Turn::Of(_) | Turn::Unknown) => (second.next(claims, shares), true),
            _ => (first.next(claims, shares), false),
        }
    }

    fn turn(&self, claims: u64, shares: &Shares) -> Turn {
        if is_for_the_oldest(claims) { self.oldest(shares) } else { self.most_urgent(shares) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.first().is_none())
    }

    /// So many are listed.
    pub(crate) fn len(&self) -> usize {
        self.classes.iter().map(|class| class.places.len()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        self.classes.iter().flat_map(Oldest::iter)
    }

    /// With the parties, as far as they are known.
    pub(crate) fn into_known(self) -> impl Iterator<Item = (Place, Option<Party>)> {
        self.classes.into_iter().flat_map(|class| class.places)
    }

    fn most_urgent(&self, shares: &Shares) -> Turn {
        for class in &self.classes {
            match class.first_allowed(shares) {
                Some(place) => return Turn::Of(place),
                None if class.is_used_up() => return Turn::Unknown,
                None => {}
            }
        }
        Turn::Nobody
    }

    fn oldest(&self, shares: &Shares) -> Turn {
        if self.classes.iter().any(Oldest::is_used_up) {
            return Turn::Unknown;
        }
        self.classes.iter().filter_map(|class| class.first_allowed(shares)).min().map_or(Turn::Nobody, Turn::Of)
    }

    fn class(&mut self, place: Place) -> &mut Oldest {
        let last = self.classes.len() - 1;
        &mut self.classes[usize::from(place.rank).min(last)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::Timestamp;

    fn place(rank: u8, micros: u64) -> Place {
        let mut chance = [rank; 10];
        chance[..8].copy_from_slice(&micros.to_be_bytes());
        Place { micros, rank, id: EntryId::fresh(Timestamp::UNIX_EPOCH, chance) }
    }

    fn times(lineup: &mut Lineup) -> Vec<u64> {
        let mut times = Vec::new();
        while let Turn::Of(place) = lineup.next(times.len() as u64, &Shares::default()) {
            times.push(place.micros);
        }
        times
    }

    #[test]
    fn urgent_ones_go_first_and_every_fourth_claim_takes_the_oldest() {
        let mut lineup = Lineup::new(100);
        for micros in 10..16 {
            lineup.insert(place(1, micros), None);
        }
        lineup.insert(place(9, 1), None);
        lineup.insert(place(5, 2), None);
        assert_eq!(times(&mut lineup), [10, 11, 12, 1, 13, 14, 15, 2]);
    }

    #[test]
    fn a_lineup_keeps_the_oldest_of_each_class_and_says_when_they_are_used_up() {
        let mut lineup = Lineup::new(2);
        for micros in [5, 3, 4, 1, 2] {
            lineup.insert(place(5, micros), None);
        }
        lineup.insert(place(9, 7), None);
        assert_eq!(lineup.next(0, &Shares::default()), Turn::Of(place(5, 1)));
        lineup.insert(place(5, 6), None); // not listed: 3 to 5 are before it
        assert_eq!(lineup.next(0, &Shares::default()), Turn::Of(place(5, 2)));
        assert_eq!(lineup.next(0, &Shares::default()), Turn::Unknown, "not the 7 of a lower class");
        assert_eq!(lineup.next(3, &Shares::default()), Turn::Unknown, "nor as the oldest");
        lineup.insert(place(5, 0), None);
        assert_eq!(lineup.next(0, &Shares::default()), Turn::Unknown, "a used-up class is read again before anything");
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

    #[test]
    fn who_has_its_share_in_hand_is_passed_over() {
        let (mut lineup, mut shares) = (Lineup::new(100), Shares::default());
        shares.set_places(4);
        let (a, b) = (Party::List("a".into()), Party::List("b".into()));
        shares.took(place(5, 0).id, a.clone());
        for micros in 1..4 {
            lineup.insert(place(5, micros), Some(a.clone()));
        }
        assert_eq!(lineup.next(0, &shares), Turn::Nobody);
        lineup.insert(place(9, 4), Some(b));
        assert_eq!(lineup.next(0, &shares), Turn::Of(place(9, 4)), "although its class is lower");
        lineup.insert(place(9, 5), Some(Party::Letters));
        assert_eq!(lineup.next(3, &shares), Turn::Of(place(9, 5)), "although others are older");
        lineup.insert(place(9, 6), None);
        assert_eq!(lineup.next(0, &shares), Turn::Of(place(9, 6)), "whose it is will be seen");
        shares.ended(place(5, 0).id);
        assert_eq!(lineup.next(0, &shares), Turn::Of(place(5, 1)));
    }
}
