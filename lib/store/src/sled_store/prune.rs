//! Which ids are applied is forgotten after a while: nobody commits a batch again that is a month old.

use listmill_core::{Timestamp, Unavailable};

use super::commit::outbox_of;
use super::maps;
use crate::blocks::{Pages, PagesMut};

/// For so long an id stays known, in seconds.
const KEEP: i64 = 30 * 86_400;
/// One commit in so many looks at ids; so many at a time. Four a commit: the whole map in a quarter of the time that it took to grow.
const EVERY: u32 = 64;
const AT_ONCE: usize = 256;

/// Where pruning stands.
#[derive(Default)]
pub(super) struct Pruning {
    commits: u32,
    /// The last key that was looked at.
    cursor: Option<Vec<u8>>,
}

/// The value of an applied id.
pub(super) fn applied_value(at: Timestamp) -> [u8; 8] {
    at.as_second().to_be_bytes()
}

impl Pruning {
    /// Counts a commit; with some, removes ids that were applied long before `now` and have nothing in the outbox.
    pub(super) fn step(&mut self, pages: &mut impl PagesMut, now: Timestamp) -> Result<(), Unavailable> {
        self.commits = self.commits.wrapping_add(1);
        if self.commits % EVERY != 1 {
            return Ok(());
        }
        let page = maps::applied().page(pages, self.cursor.as_deref(), AT_ONCE)?;
        self.cursor = page.last().filter(|_| page.len() == AT_ONCE).map(|(id, _)| id.clone());
        for (id, at) in page {
            let at = at.try_into().map(i64::from_be_bytes);
            let at = at.map_err(|_| maps::damaged("applied id", "it has no time"))?;
            if at < now.as_second() - KEEP && !has_outbox(pages, &id)? {
                maps::applied().remove(pages, &id)?;
            }
        }
        Ok(())
    }
}

fn has_outbox(pages: &impl Pages, id: &[u8]) -> Result<bool, Unavailable> {
    Ok(!outbox_of(pages, id)?.is_empty())
}
