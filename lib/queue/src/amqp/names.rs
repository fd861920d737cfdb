//! The names of what the program has in the broker. `queue-format/SPEC.md` has them for those who write a runner of their own.

use std::time::Duration;

use listmill_queue_format::{Priority, Queue};

/// The exchange and the queue of the notice board.
pub(super) const DIRECTORY: &str = "listmill.directory";
/// The key of a notice.
pub(super) const NOTICE: &str = "notice";

/// The wait steps in seconds: how long an entry stays in each kind of wait queue.
pub(super) const STEPS: [u64; 6] = [1, 5, 30, 120, 600, 3600];

/// The classes: the most urgent first.
pub(super) const CLASSES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// The exchange to which the entries of a queue are published.
pub(super) fn exchange(queue: Queue) -> String {
    format!("listmill.{queue}")
}

/// The exchange through which entries come back from a wait step.
pub(super) fn due_exchange(queue: Queue) -> String {
    format!("listmill.{queue}.due")
}

/// The broker's queue of a class.
pub(super) fn class_queue(queue: Queue, class: Priority) -> String {
    match class {
        Priority::High => format!("listmill.{queue}.first"),
        Priority::Normal => format!("listmill.{queue}"),
        Priority::Low => format!("listmill.{queue}.last"),
    }
}

/// What was set aside after a software fault.
pub(super) fn shunt_queue(queue: Queue) -> String {
    format!("listmill.{queue}.shunt")
}

/// What does not decode.
pub(super) fn corrupt_queue(queue: Queue) -> String {
    format!("listmill.{queue}.corrupt")
}

/// The mark: nobody claims while something is in it.
pub(super) fn paused_queue(queue: Queue) -> String {
    format!("listmill.{queue}.paused")
}

/// Where an entry waits for one step.
pub(super) fn wait_queue(queue: Queue, seconds: u64) -> String {
    format!("listmill.{queue}.wait.{seconds}")
}

/// The word for a class in a routing key.
pub(super) fn word(class: Priority) -> &'static str {
    match class {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}

/// The routing key of an entry that can be claimed.
pub(super) fn new_key(class: Priority) -> String {
    format!("new.{}", word(class))
}

/// The routing key of an entry that has to wait.
pub(super) fn wait_key(seconds: u64, class: Priority) -> String {
    format!("wait.{seconds}.{}", word(class))
}

/// The step for an entry that has to wait for so long: the longest that does not keep it a quarter longer than that. What comes back too
/// early waits again, so a long wait is a few long steps and then some short ones.
pub(super) fn step(wait: Duration) -> u64 {
    let fits = |step: &&u64| Duration::from_secs(**step) <= wait + wait / 4;
    STEPS.iter().rev().find(fits).copied().unwrap_or(STEPS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_few_steps_and_never_a_quarter_too_long() {
        for wait in [1_u64, 4, 5, 59, 300, 899, 1800, 3600, 14_400, 86_400] {
            let (mut left, mut steps) = (Duration::from_secs(wait), 0);
            let mut waited = Duration::ZERO;
            while !left.is_zero() {
                let step = Duration::from_secs(step(left));
                waited += step;
                left = left.saturating_sub(step);
                steps += 1;
            }
            assert!(waited.as_secs_f64() <= wait as f64 * 1.25 + 1.0, "{wait} s took {waited:?}");
            assert!(steps <= 12 + wait / 3600, "{wait} s took {steps} steps");
        }
        assert_eq!(step(Duration::from_millis(300)), 1);
        assert_eq!(step(Duration::from_millis(4990)), 5);
    }
}
