//! What all connections share: the reception, and the budgets.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::desk::Desk;
use crate::{Limits, Reception, Verdict};

/// What all connections share.
pub(crate) struct Service {
    /// The name of this host.
    pub(crate) host: String,
    /// The limits.
    pub(crate) limits: Limits,
    /// The memory for messages.
    pub(crate) memory: Memory,
    /// Where messages wait to be stored.
    pub(crate) desk: Arc<Desk>,
    reception: Arc<dyn Reception>,
    calls: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(host: String, reception: Arc<dyn Reception>, limits: Limits) -> Self {
        // One message must always fit, or it would be put off for ever.
        let memory = limits.memory.max(reception.max_message_size());
        Service {
            host,
            memory: Memory::new(memory, limits.memory_wait),
            desk: Arc::new(Desk::new(Arc::clone(&reception), limits.calls)),
            calls: Arc::new(Semaphore::new(limits.calls.max(1))),
            reception,
            limits,
        }
    }

    /// The largest message that is taken: one that does not fit into memory cannot be.
    pub(crate) fn max_message_size(&self) -> u64 {
        match self.reception.max_message_size() {
            0 => self.limits.memory,
            limit => limit,
        }
    }

    /// The largest message that is taken for a recipient with this limit of its own; 0 for one without.
    pub(crate) fn limit(&self, own: u64) -> u64 {
        let limit = self.max_message_size();
        if own == 0 { limit } else { own.min(limit) }
    }

    /// There is room for a message of so many octets.
    pub(crate) fn has_room(&self, octets: Option<u64>) -> bool {
        self.reception.has_room(octets.unwrap_or(0))
    }

    /// What the bare `<postmaster>` stands for.
    pub(crate) fn postmaster(&self) -> Option<String> {
        self.reception.postmaster()
    }

    /// What the reception says of a recipient: at once if it can, for another thread costs more than the answer; else on a blocking thread,
    /// and nothing when it panicked.
    pub(crate) async fn recipient(&self, address: &str) -> Option<Verdict> {
        if let Some(verdict) = self.reception.recipient_at_once(address) {
            return Some(verdict);
        }
        let asked = address.to_owned();
        self.ask(move |reception| reception.recipient(&asked)).await
    }

    /// Asks the reception on a blocking thread; nothing when it panicked.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&dyn Reception) -> T + Send + 'static) -> Option<T> {
        let permit = Arc::clone(&self.calls).acquire_owned().await.expect("the semaphore is never closed");
        let reception = Arc::clone(&self.reception);
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            question(&*reception)
        });
        answer.await.inspect_err(|error| tracing::error!(%error, "the reception failed, the client tries again")).ok()
    }
}

/// The memory that arriving messages may use together.
pub(crate) struct Memory {
    budget: Arc<Semaphore>,
    total: u32,
    wait: Duration,
}

/// What one message may use; given back when it is dropped.
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
    units: u32,
}

/// The unit of the budget: semaphores count in 32 bits.
const UNIT: u64 = 1 << 10;

impl Memory {
    fn new(octets: u64, wait: Duration) -> Self {
        let total = units(octets).max(1);
        Memory { budget: Arc::new(Semaphore::new(total as usize)), total, wait }
    }

    /// A share of that many octets; nothing when there was none in time.
    pub(crate) async fn share(&self, octets: u64) -> Option<Share> {
        let units = units(octets).min(self.total);
        Some(Share { permit: self.acquire(units).await?, units })
    }

    async fn acquire(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        let permit = timeout(self.wait, Arc::clone(&self.budget).acquire_many_owned(units)).await.ok()?;
        Some(permit.expect("the semaphore is never closed"))
    }
}

impl Share {
    /// Makes the share so large; false when that was not possible in time.
    pub(crate) async fn grow(&mut self, memory: &Memory, octets: u64) -> bool {
        let more = units(octets).min(memory.total).saturating_sub(self.units);
        let Some(permit) = memory.acquire(more).await else { return false };
        self.permit.merge(permit);
        self.units += more;
        true
    }

    /// Octets of the share.
    pub(crate) fn octets(&self) -> u64 {
        u64::from(self.units) * UNIT
    }
}

fn units(octets: u64) -> u32 {
    u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site whose limit is this.
    struct Site(u64);

    impl Reception for Site {
        fn recipient(&self, _: &str) -> crate::Verdict {
            crate::Verdict::Unknown
        }

        fn accept(&self, _: listmill_queue_format::Envelope, _: Arc<[u8]>, _: crate::Replies) -> Vec<crate::Answer> {
            Vec::new()
        }

        fn max_message_size(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn without_a_limit_the_memory_is_the_limit() {
        let of = |site, own| {
            let limits = Limits { memory: 1_000, ..Limits::default() };
            Service::new("mx.example.org".into(), Arc::new(Site(site)), limits).limit(own)
        };
        assert_eq!([of(500, 0), of(500, 100), of(500, 900), of(2_000, 0)], [500, 100, 500, 2_000]);
        assert_eq!([of(0, 0), of(0, 100), of(0, 9_000)], [1_000, 100, 1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_waits_for_memory_and_gives_it_back() {
        let memory = Memory::new(10 * UNIT, Duration::from_secs(30));
        let mut first = memory.share(6 * UNIT).await.unwrap();
        assert!(memory.share(5 * UNIT).await.is_none(), "nobody gave anything back");
        assert!(first.grow(&memory, 10 * UNIT).await);
        assert_eq!(first.octets(), 10 * UNIT);
        assert!(first.grow(&memory, 99 * UNIT).await, "all there is, is all there is");
        let (second, ()) = tokio::join!(memory.share(99 * UNIT), async { drop(first) });
        assert_eq!(second.map(|share| share.octets()), Some(10 * UNIT));
    }
}
