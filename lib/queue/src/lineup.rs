//! Whose turn it is: the places of the entries that can be claimed, bounded in memory.

use listmill_core::Party;
use listmill_queue_format::{Entry, EntryId};

use crate::oldest::Oldest;
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
    /// A class is listed only in part, and of that part it is nobody's: read the queue again.
    Unknown,
    /// Nobody's.
    Nobody,
}

fn is_for_the_oldest(claims: u64) -> bool {
    claims % OLDEST_EVERY == OLDEST_EVERY - 1
}

impl Lineup {
    /// At most `cap` places of each class are kept; more, while all of those are passed over.
    pub(crate) fn new(cap: usize) -> Self {
        Lineup { classes: std::array::from_fn(|_| Oldest::new(cap)) }
    }

    /// An empty one, for what is read again: it keeps as many as this one would.
    pub(crate) fn as_large(&self) -> Self {
        Lineup { classes: self.classes.each_ref().map(Oldest::as_large) }
    }

    /// What this one has is known by the one that was read meanwhile.
    pub(crate) fn into_newer(self, mut newer: Self) -> Self {
        for (old, newer) in self.classes.iter().zip(&mut newer.classes) {
            newer.cap = newer.cap.max(old.cap);
        }
        for (place, party) in self.classes.into_iter().flat_map(Oldest::into_known) {
            newer.insert(place, party);
        }
        newer.classes.iter_mut().for_each(Oldest::shrink);
        newer
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
        match turn {
            Turn::Of(place) => self.remove(&place),
            Turn::Unknown => self
                .classes
                .iter_mut()
                .filter_map(|class| class.is_too_small(shares).then_some(class))
                .for_each(Oldest::grow),
            Turn::Nobody => {}
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

    fn turn(&mut self, claims: u64, shares: &Shares) -> Turn {
        if is_for_the_oldest(claims) { self.oldest(shares) } else { self.most_urgent(shares) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.first().is_none())
    }

    /// So many are listed.
    pub(crate) fn len(&self) -> usize {
        self.classes.iter().map(|class| class.len()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Place> {
        self.classes.iter().flat_map(Oldest::iter)
    }

    fn most_urgent(&mut self, shares: &Shares) -> Turn {
        for class in &mut self.classes {
            match class.first_allowed(shares) {
                Some(place) => return Turn::Of(place),
                None if class.is_used_up() || class.is_too_small(shares) => return Turn::Unknown,
                None => {}
            }
        }
        Turn::Nobody
    }

    fn oldest(&mut self, shares: &Shares) -> Turn {
        if self.classes.iter_mut().any(|class| class.is_used_up() || class.is_too_small(shares)) {
            return Turn::Unknown;
        }
        self.classes.iter_mut().filter_map(|class| class.first_allowed(shares)).min().map_or(Turn::Nobody, Turn::Of)
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

    /// The shares of a party `a` that has one of four places, which is all it may have.
    fn shares_of_a() -> (Party, Shares) {
        let (a, mut shares) = (Party::List("a".into()), Shares::default());
        shares.set_places(4);
        shares.took(place(5, 0).id, a.clone());
        (a, shares)
    }

    #[test]
    fn while_all_known_are_passed_over_more_are_read_and_in_the_end_fewer_again() {
        let (a, shares) = shares_of_a();
        let there: Vec<Place> = (1..=20).map(|micros| place(5, micros)).collect();
        let read = |lineup: Lineup| {
            let mut newer = lineup.as_large();
            for place in &there {
                newer.insert(*place, None);
            }
            lineup.into_newer(newer)
        };
        let mut lineup = read(Lineup::new(4));
        let (mut readings, mut looked_at) = (1, 0);
        loop {
            match lineup.next(0, &shares) {
                Turn::Of(place) if place.micros == 18 => break,
                Turn::Of(place) => {
                    looked_at += 1;
                    lineup.insert(place, Some(a.clone()));
                }
                Turn::Unknown => {
                    readings += 1;
                    lineup = read(lineup);
                }
                Turn::Nobody => panic!("18 is somebody else's"),
            }
        }
        assert_eq!(readings, 4, "4, 8, 16 and all of them");
        assert_eq!(looked_at, 17 + 3, "each once, but for the last of those that were known");
        let rest = lineup.into_newer(Lineup::new(4).as_large());
        assert_eq!(rest.classes[5].cap, 32);
        assert_eq!(Lineup::new(4).into_newer(rest.as_large()).classes[5].cap, 4);
    }
}
