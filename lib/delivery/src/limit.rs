//! How many recipients the next host takes in one transaction, once it has said that it takes no more (RFC 5321 §4.5.3.1.10).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Reply;
use crate::work::is_too_many;

/// So long it is kept to. Then the next host may have been told to take more.
const KEPT: Duration = Duration::from_secs(600);
/// As many as every server must take (RFC 5321 §4.5.3.1.8): who refuses more than so many and does not say plainly why is asked for no fewer.
const EVERY: usize = 100;

/// What all connections to a next host know of that.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    most: Mutex<Option<(usize, Instant)>>,
}

impl Limit {
    /// The most recipients of a transaction.
    pub(crate) fn most(&self) -> usize {
        let mut most = self.lock();
        if most.is_some_and(|(_, until)| until <= Instant::now()) {
            *most = None;
        }
        most.map_or(usize::MAX, |(most, _)| most)
    }

    /// These are the replies to the recipients of one transaction, of which some were too many.
    pub(crate) fn learn(&self, replies: &[Reply]) {
        let Some(taken) = taken(replies) else { return };
        let most = taken.min(self.most());
        if self.lock().replace((most, Instant::now() + KEPT)).is_none() {
            tracing::info!(
                "the relay takes {most} recipients in a transaction: for ten minutes it is asked for no more"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.most.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many were taken before all others were too many; none where it is not so, because then it is not their number.
fn taken(replies: &[Reply]) -> Option<usize> {
    let first = replies.iter().position(is_too_many)?;
    let (before, others) = replies.split_at(first);
    if before.is_empty() || !others.iter().all(is_too_many) {
        return None;
    }
    let is_plain = others.iter().any(|reply| reply.status == "4.5.3");
    Some(if is_plain { before.len() } else { before.len().max(EVERY) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(codes: &[(u16, &str, usize)]) -> Vec<Reply> {
        let reply = |(code, status, count): &(u16, &str, usize)| {
            vec![Reply { code: *code, status: (*status).to_owned(), text: String::new() }; *count]
        };
        codes.iter().flat_map(reply).collect()
    }

    #[test]
    fn a_number_is_learnt_only_where_it_is_one() {
        let (good, many, vague) = ((250, "2.0.0"), (452, "4.5.3"), (452, "4.0.0"));
        let with = |(code, status): (u16, &'static str), count| (code, status, count);
        for (codes, most) in [
            (vec![with(good, 3), with(many, 2)], Some(3)),
            (vec![with(good, 3), with(vague, 2)], Some(EVERY)),
            (vec![with(good, 200), with(vague, 2)], Some(200)),
            (vec![with(good, 3), with(many, 1), with(good, 1)], None),
            (vec![with(many, 4)], None),
            (vec![with(good, 4)], None),
            (vec![with(good, 1), (452, "4.3.1", 3)], None),
        ] {
            assert_eq!(taken(&replies(&codes)), most, "{codes:?}");
        }
    }

    #[test]
    fn the_smallest_number_is_kept_to() {
        let limit = Limit::default();
        assert_eq!(limit.most(), usize::MAX);
        for (taken, most) in [(300, 300), (200, 200), (250, 200)] {
            limit.learn(&replies(&[(250, "2.0.0", taken), (452, "4.5.3", 1)]));
            assert_eq!(limit.most(), most);
        }
    }
}
