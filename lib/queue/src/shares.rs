//! How many entries of one queue each party has in hand in this process, and whether it may have one more.

use std::cell::Cell;
use std::collections::HashMap;

use listmill_core::Party;
use listmill_queue_format::EntryId;

/// So many places posts leave to letters.
const FOR_LETTERS: usize = 2;

/// The shares of the parties in the entries that are in hand.
///
/// A party may have one more as long as it has fewer than there are places left. So the first takes half of them, whoever comes then half of the
/// rest: however many entries of one list wait, and however long those in hand take, there are places for others.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// Entries that can be in hand at once; none: nobody is held to a share.
    places: Option<usize>,
    in_hand: HashMap<EntryId, Party>,
    counts: HashMap<Party, usize>,
    /// Somebody has been passed over since a claim has ended.
    passed_over: Cell<bool>,
}

impl Shares {
    /// From now on so many entries can be in hand at once.
    pub(crate) fn set_places(&mut self, places: usize) {
        self.places = Some(places);
    }

    /// Whether the party may have one more; one that nobody knows may.
    pub(crate) fn allow(&self, party: Option<&Party>) -> bool {
        let (Some(places), Some(party)) = (self.places, party) else { return true };
        let has = self.counts.get(party).copied().unwrap_or_default();
        let left = places.saturating_sub(self.in_hand.len());
        let allowed = match party {
            Party::Letters => has < left,
            Party::List(_) => has < left.saturating_sub(FOR_LETTERS),
        };
        self.passed_over.set(self.passed_over.get() || !allowed);
        allowed
    }

    /// The party has this one in hand.
    pub(crate) fn took(&mut self, id: EntryId, party: Party) {
        if self.places.is_some() && self.in_hand.insert(id, party.clone()).is_none() {
            *self.counts.entry(party).or_default() += 1;
        }
    }

    /// It is in hand no more; whether one that was passed over may have its turn now.
    pub(crate) fn ended(&mut self, id: EntryId) -> bool {
        let Some(party) = self.in_hand.remove(&id) else { return false };
        if let Some(count) = self.counts.get_mut(&party) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&party);
            }
        }
        self.passed_over.replace(false)
    }

    /// Nothing is in hand any more.
    pub(crate) fn clear(&mut self) {
        *self = Shares { places: self.places, ..Shares::default() };
    }
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::Timestamp;

    use super::*;

    fn id(number: u8) -> EntryId {
        EntryId::fresh(Timestamp::UNIX_EPOCH, [number; 10])
    }

    fn list(name: &str) -> Party {
        Party::List(name.into())
    }

    /// Lets the party take as many as it may.
    fn fill(shares: &mut Shares, party: &Party) -> usize {
        let mut took = 0;
        while shares.allow(Some(party)) {
            let number = u8::try_from(shares.in_hand.len()).unwrap();
            shares.took(id(number), party.clone());
            took += 1;
        }
        took
    }

    #[test]
    fn each_takes_half_of_what_is_left_and_posts_leave_some_to_letters() {
        let mut shares = Shares::default();
        shares.set_places(22);
        let took: Vec<usize> = ["a", "b", "c", "d"].map(|name| fill(&mut shares, &list(name))).into();
        assert_eq!(took, [10, 5, 3, 1]);
        assert_eq!(fill(&mut shares, &Party::Letters), 2);
        let mut shares = Shares::default();
        shares.set_places(4);
        assert_eq!(fill(&mut shares, &list("a")), 1, "one entry is always in hand");
        assert_eq!(fill(&mut shares, &Party::Letters), 2);
    }

    #[test]
    fn who_was_passed_over_is_called_when_one_ends() {
        let mut shares = Shares::default();
        shares.set_places(4);
        shares.took(id(1), list("a"));
        assert!(!shares.ended(id(1)), "nobody was");
        shares.took(id(1), list("a"));
        assert!(!shares.allow(Some(&list("a"))) && shares.allow(None));
        assert!(shares.ended(id(1)) && !shares.ended(id(1)));
        assert!(shares.allow(Some(&list("a"))) && shares.counts.is_empty());
    }

    #[test]
    fn without_places_nobody_is_held_to_anything() {
        let mut shares = Shares::default();
        (0..100).for_each(|number| shares.took(id(number), list("a")));
        assert!(shares.allow(Some(&list("a"))) && shares.in_hand.is_empty());
    }
}
