//! Whose transaction is next: the connections are shared out among the parties that want them.
//!
//! How many there are at a moment [`Worth`] says. A transaction holds its connection until the next host has answered, which may be ten minutes. So it is not enough that turns go around:
//! a list whose recipients hang would hold every connection sooner or later. Three rules prevent that:
//!
//! 1. a free connection goes to a letter, if one waits, and else to the list that holds the fewest, of those the one whose turn is longest ago;
//! 2. posts leave one connection free for letters, and letters leave one for a post as long as there is none;
//! 3. a list that holds one leaves another free for a list that holds none, where there are [`ENOUGH`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use listmill_core::Party;
use listmill_queue_format::EntryId;
use tokio::sync::oneshot::{self, Receiver, Sender};

use crate::worth::Worth;

/// With fewer connections than these, none is kept free for other lists: their share would be too large.
const ENOUGH: usize = 5;
/// So many transactions of one entry follow each other when another of the same party waits.
const SHARE: usize = 16;

/// The turns of the connections to the next host.
#[derive(Debug)]
pub(crate) struct Turns {
    begun: Instant,
    /// The number of seats may change.
    varies: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seats: Seats,
    /// How many seats there are.
    worth: Worth,
    waiting: HashMap<Party, VecDeque<(EntryId, Sender<()>)>>,
}

/// Who holds how many connections.
#[derive(Debug)]
struct Seats {
    connections: usize,
    taken: usize,
    held: HashMap<Party, Seat>,
    /// How many turns there have been.
    turns: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Seat {
    held: usize,
    /// The number of the party's last turn.
    last: u64,
}

impl Seats {
    fn new(connections: usize) -> Seats {
        Seats { connections, taken: 0, held: HashMap::new(), turns: 0 }
    }

    fn of(&self, party: &Party) -> Seat {
        self.held.get(party).copied().unwrap_or_default()
    }

    /// Whether the party may take one more: rules 2 and 3.
    fn may_take(&self, party: &Party) -> bool {
        let holds = self.of(party).held > 0;
        let lists_hold = self.taken > self.of(&Party::Letters).held;
        let left_free = match party {
            Party::Letters => usize::from(holds && !lists_hold),
            Party::List(_) => usize::from(lists_hold) + usize::from(holds && self.connections >= ENOUGH),
        };
        self.connections.saturating_sub(self.taken) > left_free
    }

    /// Who is next of those who wait: rule 1.
    fn next<'a>(&self, waiting: impl Iterator<Item = &'a Party>) -> Option<&'a Party> {
        let order = |party: &&Party| {
            let seat = self.of(party);
            (**party != Party::Letters, seat.held, seat.last)
        };
        waiting.filter(|party| self.may_take(party)).min_by_key(order)
    }

    fn take(&mut self, party: &Party) {
        self.turns += 1;
        self.taken += 1;
        let seat = self.held.entry(party.clone()).or_default();
        *seat = Seat { held: seat.held + 1, last: self.turns };
    }

    /// The turn is over; `more`: somebody of this party waits for another.
    fn give_back(&mut self, party: &Party, more: bool) {
        self.taken -= 1;
        let Some(seat) = self.held.get_mut(party) else { return };
        seat.held -= 1;
        // Who has nothing to send has no place in the order, so that it does not grow.
        if seat.held == 0 && !more {
            self.held.remove(party);
        }
    }
}

/// A party's turn: it lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    party: &'a Party,
    entry: EntryId,
}

impl Turn<'_> {
    /// May it go on for another transaction, after so many? While no other party waits, and then until another entry of the same party does and this one
    /// has had its [`SHARE`].
    pub(crate) fn may_go_on(&self, transactions: usize) -> bool {
        let state = self.turns.state();
        if state.seats.taken > state.seats.connections {
            return false;
        }
        let is_other = |(entry, _): &(EntryId, Sender<()>)| *entry != self.entry;
        state
            .waiting
            .iter()
            .all(|(party, line)| party == self.party && (transactions < SHARE || !line.iter().any(is_other)))
    }
}

/// A wait for a turn; dropped, somebody else has it.
struct Wait<'a> {
    turns: &'a Turns,
    party: &'a Party,
    called: Receiver<()>,
}

impl Turns {
    pub(crate) fn new(connections: usize) -> Turns {
        let worth = Worth::new(connections.max(1));
        let seats = Seats::new(worth.open());
        let (begun, varies) = (Instant::now(), worth.open() < connections);
        Turns { begun, varies, state: Mutex::new(State { seats, worth, waiting: HashMap::new() }) }
    }

    /// How many turns there are at the same time, at this moment.
    pub(crate) fn open(&self) -> usize {
        self.state().seats.connections
    }

    /// A transaction has ended.
    pub(crate) fn transaction_ended(&self) {
        if !self.varies {
            return;
        }
        let mut state = self.state();
        let pressed = !state.waiting.is_empty();
        if state.worth.ended(self.begun.elapsed(), pressed) {
            state.seats.connections = state.worth.open();
            tracing::debug!(connections = state.seats.connections, "the number of connections to the relay");
            state.call();
        }
    }

    /// The next host did not take one connection more.
    pub(crate) fn connection_refused(&self) {
        let mut state = self.state();
        let held = state.seats.taken.saturating_sub(1);
        state.worth.refused(self.begun.elapsed(), held);
        state.seats.connections = state.worth.open();
    }

    /// Waits for a turn of this party, for this entry of its.
    pub(crate) async fn turn<'a>(&'a self, party: &'a Party, entry: EntryId) -> Turn<'a> {
        let (call, called) = oneshot::channel();
        let mut wait = Wait { turns: self, party, called };
        {
            let mut state = self.state();
            state.waiting.entry(party.clone()).or_default().push_back((entry, call));
            state.call();
        }
        (&mut wait.called).await.expect("who calls stays as long as somebody waits");
        // The call has been received: from here on it is the turn that must end, and no longer the wait.
        Turn { turns: self, party, entry }
    }

    fn end(&self, party: &Party) {
        let mut state = self.state();
        let more = state.waiting.contains_key(party);
        state.seats.give_back(party, more);
        state.call();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Calls whoever may take a turn now.
    fn call(&mut self) {
        while let Some(party) = self.seats.next(self.waiting.keys()).cloned() {
            let Some(line) = self.waiting.get_mut(&party) else { return };
            let first = line.pop_front();
            let more = !line.is_empty();
            if !more {
                self.waiting.remove(&party);
            }
            self.seats.take(&party);
            // Who has gone meanwhile is passed over.
            if first.is_none_or(|(_, first)| first.send(()).is_err()) {
                self.seats.give_back(&party, more);
            }
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.called.close();
        if self.called.try_recv().is_ok() {
            self.turns.end(self.party);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.end(self.party);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    /// What is there at once.
    fn now<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// An entry.
    fn one() -> EntryId {
        EntryId::fresh(listmill_queue_format::Timestamp::UNIX_EPOCH, [1; 10])
    }

    fn list(name: &str) -> Party {
        Party::List(name.into())
    }

    /// Lets the party take as many as it may.
    fn fill(seats: &mut Seats, party: &Party) -> usize {
        let mut took = 0;
        while seats.may_take(party) {
            seats.take(party);
            took += 1;
        }
        took
    }

    #[test]
    fn what_one_list_leaves_free_is_there_for_another_and_for_letters() {
        let (a, b, c) = (list("a"), list("b"), list("c"));
        let mut seats = Seats::new(10);
        assert_eq!(fill(&mut seats, &a), 8);
        assert_eq!(fill(&mut seats, &b), 1);
        assert_eq!(fill(&mut seats, &c), 0, "the last is for letters");
        assert_eq!(fill(&mut seats, &Party::Letters), 1);
        let mut seats = Seats::new(10);
        assert_eq!(fill(&mut seats, &Party::Letters), 9);
        assert_eq!(fill(&mut seats, &a), 1);
        assert_eq!(fill(&mut seats, &b), 0);
    }

    #[test]
    fn a_few_connections_are_not_kept_from_the_only_list() {
        for (connections, held) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (20, 18)] {
            assert_eq!(fill(&mut Seats::new(connections), &list("a")), held, "of {connections}");
        }
        assert_eq!(fill(&mut Seats::new(1), &Party::Letters), 1);
    }

    #[test]
    fn letters_first_then_who_holds_the_fewest_then_who_has_waited_longest() {
        let (a, b, c, letters) = (list("a"), list("b"), list("c"), Party::Letters);
        let mut seats = Seats::new(10);
        for party in [&a, &a, &b, &c, &letters] {
            seats.take(party);
        }
        let all = [&a, &b, &c, &letters];
        assert_eq!(seats.next(all.into_iter()), Some(&letters));
        assert_eq!(seats.next([&a, &b, &c].into_iter()), Some(&b), "its turn is longer ago than that of c");
        seats.take(&b);
        assert_eq!(seats.next([&a, &b, &c].into_iter()), Some(&c));
    }

    #[test]
    fn a_turn_that_ends_calls_the_next_and_a_wait_that_is_given_up_is_passed_over() {
        let turns = Turns::new(1);
        let (a, b) = (list("a"), list("b"));
        let first = now(pin!(turns.turn(&a, one()))).expect("nobody is before it");
        {
            let given_up = pin!(turns.turn(&a, one()));
            assert!(now(given_up).is_none());
        }
        let mut second = Box::pin(turns.turn(&b, one()));
        assert!(now(second.as_mut()).is_none());
        drop(first);
        let turn = now(second.as_mut()).expect("it was called");
        let mut third = Box::pin(turns.turn(&a, one()));
        assert!(now(third.as_mut()).is_none());
        drop(turn); // calls the third
        drop(third); // which has gone
        assert!(now(pin!(turns.turn(&b, one()))).is_some());
        assert!(turns.state().seats.held.is_empty() && turns.state().waiting.is_empty());
    }

    proptest! {
        /// Whatever comes and goes: nobody waits while a connection is free that it may take, and no list keeps the others out.
        #[test]
        fn there_is_always_room_for_a_letter_or_one_that_holds_none(
            connections in 2_usize..30, steps in proptest::collection::vec((0_usize..5, any::<bool>()), 0..300)
        ) {
            let parties = [Party::Letters, list("a"), list("b"), list("c"), list("d")];
            let mut seats = Seats::new(connections);
            for (who, takes) in steps {
                let party = &parties[who];
                if takes && seats.may_take(party) {
                    seats.take(party);
                } else if !takes && seats.of(party).held > 0 {
                    seats.give_back(party, false);
                }
                prop_assert!(seats.taken <= connections);
                prop_assert_eq!(seats.taken, seats.held.values().map(|seat| seat.held).sum::<usize>());
                prop_assert!(seats.of(&Party::Letters).held > 0 || seats.may_take(&Party::Letters));
                let most = parties[1..].iter().map(|list| seats.of(list).held).max().unwrap_or_default();
                prop_assert!(connections < ENOUGH || most <= connections - 2);
            }
        }
    }
}
