//! How many connections are worth their while: as many as make it go faster.
//!
//! A next host that answers a dot after 5 ms is fed twice as fast over twice as many connections; one that answers at once, or that waits for its disk,
//! is not. Which it is shows only when it is tried. So while somebody waits for a connection, twice as many are tried; they stay when more
//! transactions end in the same time, and else there are as many as before for a while. Fewer than [`FEW`] are never asked what they bring.

use std::time::Duration;

/// So many are there from the beginning.
pub(crate) const FEW: usize = 10;
/// Transactions of each connection by which a number is judged.
const JUDGED_BY: usize = 3;
/// So much of what they could bring at best more connections must bring: with twice as many, a fifth more transactions. What brings less costs the
/// next host more than it gives us.
const GAIN: f64 = 0.2;
/// For so long it is not tried again what brought nothing.
const REST: Duration = Duration::from_secs(10);
/// For so long it is not tried again what the next host did not take.
const REFUSED: Duration = Duration::from_secs(60);
/// After so long without a transaction nothing is known any more.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A time since the process began.
type At = Duration;

/// How many connections may be open, and what is known of what they bring.
#[derive(Debug)]
pub(crate) struct Worth {
    most: usize,
    open: usize,
    /// Fewer, and how many transactions they ended in a second: these must do better.
    before: Option<(usize, f64)>,
    window: Option<Window>,
    last: At,
    rests_until: At,
}

/// A time in which transactions are counted.
#[derive(Debug)]
struct Window {
    /// The first ones, in which connections are made, do not count.
    first: usize,
    since: At,
    ended: usize,
}

impl Worth {
    /// At most so many.
    pub(crate) fn new(most: usize) -> Worth {
        let (before, window, last, rests_until) = Default::default();
        Worth { most, open: most.min(FEW), before, window, last, rests_until }
    }

    /// How many may be open now.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// A transaction has ended; `pressed`: somebody waits for a connection. True when the number has changed.
    pub(crate) fn ended(&mut self, at: At, pressed: bool) -> bool {
        let was = self.open;
        if at.saturating_sub(std::mem::replace(&mut self.last, at)) > FORGOTTEN {
            (self.open, self.before, self.window) = (self.most.min(FEW), None, None);
        }
        match pressed && at >= self.rests_until {
            true => self.count(at),
            // What nobody waits for cannot be judged.
            false => self.window = None,
        }
        self.open != was
    }

    /// The next host has refused a connection while there were so many: more than these are not asked for.
    pub(crate) fn refused(&mut self, at: At, held: usize) {
        if held > FEW.min(self.most) {
            self.open = held.clamp(FEW, self.open);
            (self.before, self.window, self.rests_until) = (None, None, at + REFUSED);
        }
    }

    fn count(&mut self, at: At) {
        let window = self.window.get_or_insert(Window { first: self.open, since: at, ended: 0 });
        if window.first > 0 {
            (window.first, window.since) = (window.first - 1, at);
            return;
        }
        window.ended += 1;
        if window.ended < JUDGED_BY * self.open {
            return;
        }
        let rate = window.ended as f64 / at.saturating_sub(window.since).as_secs_f64().max(1e-6);
        self.window = None;
        match self.before.take() {
            Some((fewer, slower)) if rate < slower * (1.0 + GAIN * (self.open - fewer) as f64 / fewer as f64) => {
                (self.open, self.rests_until) = (fewer, at + REST);
            }
            _ if self.open < self.most => {
                self.before = Some((self.open, rate));
                self.open = self.most.min(self.open * 2);
            }
            _ => self.rests_until = at + REST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets so many transactions end at a host that ends `rate(open)` of them in a second; the time behind that.
    fn run(worth: &mut Worth, mut at: At, transactions: usize, rate: impl Fn(usize) -> f64) -> At {
        for _ in 0..transactions {
            at += Duration::from_secs_f64(1.0 / rate(worth.open()));
            worth.ended(at, true);
        }
        at
    }

    #[test]
    fn a_host_that_answers_late_gets_as_many_as_there_may_be_and_soon() {
        let mut worth = Worth::new(50);
        assert_eq!(worth.open(), FEW);
        let at = run(&mut worth, At::ZERO, 500, |open| open as f64 / 0.005);
        assert_eq!(worth.open(), 50);
        assert!(at < Duration::from_millis(200), "{at:?}");
    }

    #[test]
    fn a_host_that_is_no_faster_keeps_few_and_is_asked_seldom() {
        let mut worth = Worth::new(50);
        let mut at = At::ZERO;
        let mut more = 0;
        for _ in 0..60 {
            at = run(&mut worth, at, 600, |open| 600.0 - open as f64);
            more += usize::from(worth.open() > FEW);
        }
        assert!(at > Duration::from_secs(50) && more < 8, "{more} of 60 seconds after {at:?}");
    }

    #[test]
    fn it_stays_where_it_stopped_being_faster() {
        let mut worth = Worth::new(100);
        run(&mut worth, At::ZERO, 3000, |open| open.min(20) as f64 / 0.005);
        assert_eq!(worth.open(), 20);
    }

    #[test]
    fn no_more_than_were_taken_are_asked_for_and_never_fewer_than_few() {
        let mut worth = Worth::new(50);
        let at = run(&mut worth, At::ZERO, 500, |open| open as f64 / 0.005);
        worth.refused(at, 31);
        run(&mut worth, at, 500, |open| open as f64 / 0.005);
        assert_eq!(worth.open(), 31);
        worth.refused(at, 3);
        assert_eq!(worth.open(), 31, "with three it says nothing of their number");
        let mut small = Worth::new(4);
        run(&mut small, At::ZERO, 500, |open| open as f64 / 0.005);
        small.refused(at, 4);
        assert_eq!(small.open(), 4);
    }

    #[test]
    fn what_nobody_waits_for_changes_nothing_and_is_forgotten() {
        let mut worth = Worth::new(50);
        for milli in 0..1000 {
            assert!(!worth.ended(Duration::from_millis(milli), false));
        }
        assert_eq!(worth.open(), FEW);
        let at = run(&mut worth, Duration::from_secs(1), 500, |open| open as f64 / 0.005);
        assert_eq!(worth.open(), 50);
        assert!(worth.ended(at + FORGOTTEN * 2, false));
        assert_eq!(worth.open(), FEW);
    }
}
