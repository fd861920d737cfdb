//! The lane for entries that may be deadly: whoever died twice with an entry in hand, or may have, has it in hand apart from others of that kind the next time.
//!
//! When a process dies, each entry that it had in hand has had a try that ended so, though one of them at most is to blame. The first time all of them are
//! tried again, beside each other. After the second they go one at a time, over all queues of the process, and beside entries alone with which nobody has
//! died yet: then it is known which one it was. (`specs/decisions/0045-a-deadly-entry.md`)

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// From so many tries on an entry does not go beside one in doubt.
const SUSPECTED: u8 = 1;
/// From so many tries on it is in doubt, and goes beside none that is suspected.
const DOUBTFUL: u8 = 2;

/// Where suspects go together, or one in doubt without them.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Traffic>);

#[derive(Debug, Default)]
struct Traffic {
    suspects: usize,
    is_one_in_doubt: bool,
}

/// The right to go; until it is dropped others may have to wait.
#[derive(Debug)]
pub(super) struct Way {
    lane: Arc<Lane>,
    is_in_doubt: bool,
}

impl Lane {
    /// The right to go after so many tries, `Some(None)` where none is needed; `None`: not now.
    pub(super) fn enter(self: &Arc<Self>, tries: u8) -> Option<Option<Way>> {
        if tries < SUSPECTED {
            return Some(None);
        }
        let mut traffic = self.traffic();
        let is_in_doubt = tries >= DOUBTFUL;
        if traffic.is_one_in_doubt || (is_in_doubt && traffic.suspects > 0) {
            return None;
        }
        if is_in_doubt {
            traffic.is_one_in_doubt = true;
        } else {
            traffic.suspects += 1;
        }
        Some(Some(Way { lane: Arc::clone(self), is_in_doubt }))
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let mut traffic = self.lane.traffic();
        if self.is_in_doubt {
            traffic.is_one_in_doubt = false;
        } else {
            traffic.suspects -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_doubt_goes_without_suspects_and_beside_all_others() {
        let lane = Arc::new(Lane::default());
        let is_free = |tries| lane.enter(tries).is_some();
        let (first, second) = (lane.enter(1).unwrap(), lane.enter(1).unwrap());
        assert!(!is_free(2), "two suspects are on their way");
        drop(first);
        assert!(!is_free(2), "one is");
        drop(second);
        let doubtful = lane.enter(2).unwrap();
        assert!(doubtful.is_some());
        assert!(!is_free(3) && !is_free(1), "it would be blamed for what they do");
        assert!(lane.enter(0).unwrap().is_none(), "nobody has died with this one");
        drop(doubtful);
        assert!(is_free(3) && is_free(1));
    }
}
