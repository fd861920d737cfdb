//! What the smarthost said, counted, and how long it took.

use std::collections::BTreeMap;

use listmill_queue_format::{Outcome, Timestamp};
use serde::{Deserialize, Serialize};

/// Replies that are told apart. What is beyond is counted by its class, so that no smarthost can make the page long.
const KINDS: usize = 200;

/// Seconds from acceptance to the smarthost's 250, as bounds of the histogram.
pub(crate) const BOUNDS: [f64; 12] = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// What the smarthost has said since the process started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Recipients by the reply about them: `"451 4.2.1"`; `"0 4.4.1"` where there was none, `"4xx other"` for the rest of a class.
    pub replies: BTreeMap<String, u64>,
    /// How long those with a 2xx had been with us.
    pub latency: Latency,
}

/// A histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many fell below each bound and above the one before it; the last one: above all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of them together, in milliseconds.
    pub sum_ms: u64,
}

impl Tally {
    /// One recipient of a message that was accepted at `arrived`.
    pub(crate) fn count(&mut self, arrived: Timestamp, outcome: &Outcome) {
        let class = outcome.code / 100;
        let mut key = format!("{} {}", outcome.code, outcome.status);
        let is_known = self.replies.contains_key(&key);
        if !is_known && (self.replies.len() >= KINDS || !is_status(&outcome.status)) {
            key = format!("{class}xx other");
        }
        *self.replies.entry(key).or_default() += 1;
        if class == 2 {
            let took = outcome.at.duration_since(arrived).as_millis();
            self.latency.count(u64::try_from(took).unwrap_or(0));
        }
    }

    /// Those of another process as well.
    pub(crate) fn add(&mut self, other: &Tally) {
        for (reply, count) in &other.replies {
            *self.replies.entry(reply.clone()).or_default() += count;
        }
        self.latency.counts.iter_mut().zip(other.latency.counts).for_each(|(ours, theirs)| *ours += theirs);
        self.latency.sum_ms += other.latency.sum_ms;
    }
}

impl Latency {
    fn count(&mut self, millis: u64) {
        let below = |bound: &&f64| (millis as f64) <= **bound * 1000.0;
        let at = BOUNDS.iter().position(|bound| below(&bound)).unwrap_or(BOUNDS.len());
        self.counts[at] += 1;
        self.sum_ms = self.sum_ms.saturating_add(millis);
    }
}

/// An enhanced status code of RFC 3463: nothing else becomes a label.
fn is_status(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: u16, status: &str, second: i64) -> Outcome {
        let at = Timestamp::from_second(second).unwrap();
        Outcome { at, code, status: status.to_owned(), text: String::new(), other: Default::default() }
    }

    #[test]
    fn no_smarthost_makes_the_page_long() {
        let mut tally = Tally::default();
        for number in 0..1000 {
            tally.count(Timestamp::UNIX_EPOCH, &outcome(450, &format!("4.7.{number}"), 0));
        }
        tally.count(Timestamp::UNIX_EPOCH, &outcome(550, "5.1.1\"} 1\nevil 1", 0));
        assert_eq!(tally.replies.len(), KINDS + 2);
        assert_eq!(tally.replies["4xx other"], 800);
        assert_eq!(tally.replies["5xx other"], 1);
        assert_eq!(tally.replies.values().sum::<u64>(), 1001);
    }

    #[test]
    fn only_what_was_delivered_has_a_latency() {
        let mut tally = Tally::default();
        tally.count(Timestamp::UNIX_EPOCH, &outcome(250, "2.0.0", 1));
        tally.count(Timestamp::UNIX_EPOCH, &outcome(250, "2.0.0", 100_000));
        tally.count(Timestamp::UNIX_EPOCH, &outcome(451, "4.2.1", 1));
        let mut both = tally.clone();
        both.add(&tally);
        assert_eq!((both.latency.counts[1], both.latency.counts[BOUNDS.len()]), (2, 2));
        assert_eq!(both.latency.sum_ms, 2 * 100_001_000);
        assert_eq!(both.replies["451 4.2.1"], 2);
    }
}
