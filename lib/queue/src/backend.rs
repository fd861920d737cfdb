//! What every queue backend does: the trait, and what goes in and comes out.

use std::fmt;
use std::time::Duration;

use listmill_queue_format::{Entry, EntryId, Queue, Timestamp};
use serde::{Deserialize, Serialize};

use crate::QueueError;
use crate::amqp::AmqpHold;
use crate::disk::DiskHold;
use crate::memory::MemoryHold;

/// Where entries wait between two runners.
///
/// Delivery is *at least once*: an entry that was put is claimed until somebody releases, defers, shunts or removes
/// it, whatever dies in between. Methods block (on the disk, or on the clock in [`claim`](Self::claim)), so they are
/// called from threads of their own, never from an async task. All of them may be called from many threads, and,
/// where the backend is shared, from many processes.
pub trait QueueBackend: Send + Sync {
    /// Stores entries in the queues that they name. They are durable when this returns, all of them.
    ///
    /// One whose `not_before` lies in the future is deferred until then. One whose id is still in its queue (claimable,
    /// claimed, deferred or shunted) is left as it is: a parent that runs twice puts the same ids twice. A backend that cannot tell
    /// ([`knows_repeats`](Self::knows_repeats)) stores it again, and both are carried out.
    ///
    /// # Errors
    /// Nothing counts as stored then: answer "try again later" and put the same entries again. What cannot be undone
    /// (a reader was faster than the failure) carries the same id and so is harmless.
    fn put(&self, entries: &[Entry]) -> Result<(), QueueError>;

    /// Whether a repeated put is recognised. Where it is not, a repeat is as harmless as an entry that comes a second time after a crash.
    fn knows_repeats(&self) -> bool {
        true
    }

    /// Takes the next entry of `queue`; blocks up to `wait` until there is one.
    ///
    /// All of a higher priority class go first, oldest first, except that every fourth claim takes the oldest of any
    /// class. `None` when nothing came, when the queue is paused, or when [`wake`](Self::wake) was called.
    ///
    /// # Errors
    /// The backend cannot be read now. An entry that cannot be read is no error: it is set aside, and the next one comes.
    fn claim(&self, queue: Queue, wait: Duration) -> Result<Option<Claimed>, QueueError>;

    /// Takes one more for who has one in hand, of those that are at hand: neither waits nor asks anybody far away whether there are others.
    ///
    /// # Errors
    /// As [`claim`](Self::claim).
    fn claim_another(&self, queue: Queue) -> Result<Option<Claimed>, QueueError> {
        self.claim(queue, Duration::ZERO)
    }

    /// The entry is done with: it is gone when this returns, whatever process dies. Only a power cut within the next half second may bring it
    /// back; that repeat is as harmless as any other (see above).
    ///
    /// # Errors
    /// The entry may still be there; somebody will claim it again.
    fn release(&self, claim: Claim) -> Result<(), QueueError>;

    /// The same for several entries of one queue: what came of each, in their order. Where that is cheaper they go together.
    fn release_all(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        claims.into_iter().map(|claim| self.release(claim)).collect()
    }

    /// The entry goes back unchanged, to its old place, and can be claimed at once.
    ///
    /// # Errors
    /// The entry is still there, as after a dropped claim.
    fn give_back(&self, claim: Claim) -> Result<(), QueueError>;

    /// Replaces the claimed entry by `entry`: the same id and queue with another `not_before`, `attempts`, `trace`,
    /// distribution list. It can be claimed when `not_before` has come; without one, at once, behind all others.
    ///
    /// # Errors
    /// The entry is still there as it was, as after a dropped claim.
    fn defer(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError>;

    /// Sets the claimed entry aside for an operator, and the reason with it.
    ///
    /// # Errors
    /// The entry is still there, as after a dropped claim.
    fn shunt(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError>;

    /// How many entries are where, without reading any.
    ///
    /// # Errors
    /// The backend cannot be read now.
    fn status(&self, queue: Queue) -> Result<QueueStatus, QueueError>;

    /// Which of these entries of a queue can be claimed or are claimed; `None` when the backend cannot tell.
    ///
    /// # Errors
    /// The backend cannot be read now.
    fn waiting(&self, queue: Queue, ids: &[EntryId]) -> Result<Option<Vec<EntryId>>, QueueError> {
        let _ = (queue, ids);
        Ok(None)
    }

    /// At most `limit` entries of a queue in one state, in the order of their turn; reads no messages.
    ///
    /// # Errors
    /// The backend cannot be read now, or has nothing to look into there ([`Kind::Unsupported`](crate::Kind::Unsupported)).
    fn list(&self, queue: Queue, state: State, limit: usize) -> Result<Vec<Listed>, QueueError>;

    /// The entry with this id, wherever it is; the first in the order of [`Queue::ALL`].
    ///
    /// # Errors
    /// The backend cannot be read now.
    fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError>;

    /// Makes a shunted or deferred entry claimable now, behind all others; `false` when there is none with this id.
    ///
    /// # Errors
    /// The entry is where it was.
    fn retry(&self, id: EntryId) -> Result<bool, QueueError>;

    /// Destroys an entry: an operator's decision. `false` when there is none with this id, or when it is claimed.
    ///
    /// # Errors
    /// The entry may still be there.
    fn remove(&self, id: EntryId) -> Result<bool, QueueError>;

    /// Stops or resumes claims from a queue, in every process; claimed entries are not touched, and put goes on.
    ///
    /// # Errors
    /// The queue is as it was.
    fn set_paused(&self, queue: Queue, paused: bool) -> Result<(), QueueError>;

    /// From now on at most `places` entries of `queue` are in hand in this process, and no party ([`Party`](listmill_core::Party)) has so many of
    /// them that there are none for another: a claim passes over the entries of one that has its share, until it has given one back. A backend
    /// that does not know whose its entries are does nothing.
    fn share(&self, queue: Queue, places: usize) {
        let _ = (queue, places);
    }

    /// Ends every claim that is blocked in this process now; they return `None`. For shutdown.
    fn wake(&self);

    /// This process claims no more from `queue`, though it may from others: what the backend has taken ahead for it goes back to whoever
    /// claims next. Claims in hand are not touched. A backend that takes nothing ahead has nothing to do.
    ///
    /// # Errors
    /// What was taken ahead may stay with this process until it ends.
    fn leave(&self, queue: Queue) -> Result<(), QueueError> {
        let _ = queue;
        Ok(())
    }
}

/// An entry that was claimed, and the claim to it.
#[derive(Debug)]
pub struct Claimed {
    /// The entry.
    pub entry: Entry,
    /// To be released, given back, deferred or shunted.
    pub claim: Claim,
}

/// The right to an entry that nobody else has now.
///
/// Dropping it unfinished is as if the process had died: somebody takes the entry over, within a second or so.
#[must_use = "a dropped claim is taken over by somebody else"]
pub struct Claim {
    pub(crate) queue: Queue,
    pub(crate) id: EntryId,
    pub(crate) hold: Hold,
}

/// What each backend keeps in a claim.
pub(crate) enum Hold {
    Amqp(AmqpHold),
    Disk(DiskHold),
    Memory(MemoryHold),
}

impl Claim {
    /// The queue that the entry was claimed from.
    pub fn queue(&self) -> Queue {
        self.queue
    }

    /// The entry's id.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// How often a process has died, or may have died, with the entry in hand since somebody last got on with it. A backend that sets such entries aside itself
    /// (a broker has a delivery limit) does not tell.
    pub fn tries(&self) -> u8 {
        match &self.hold {
            Hold::Disk(hold) => hold.tries(),
            Hold::Amqp(_) | Hold::Memory(_) => 0,
        }
    }

    /// Whoever has the entry in hand gets on with it, though it is not done: should the process die, that is try number one.
    pub fn got_on(&self) {
        if let Hold::Disk(hold) = &self.hold {
            hold.got_on();
        }
    }

    /// Whether nobody else can have a claim to the same entry while this one lives. A broker that restarts hands out again what is in hand.
    pub fn is_exclusive(&self) -> bool {
        match self.hold {
            Hold::Amqp(_) => false,
            Hold::Disk(_) | Hold::Memory(_) => true,
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({} of {})", self.id, self.queue)
    }
}

/// Why an entry was shunted; kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShuntReason {
    /// The stage that could not decide it.
    pub stage: String,
    /// Why, for a person.
    pub reason: String,
    /// The stack trace of a software fault; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// When.
    pub at: Timestamp,
}

/// Where in its queue an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Can be claimed.
    New,
    /// Somebody works on it.
    Claimed,
    /// Waits for a clock.
    Deferred,
    /// Set aside after a software fault.
    Shunted,
    /// Set aside because its bytes do not decode.
    Corrupt,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Claimed => "claimed",
            State::Deferred => "deferred",
            State::Shunted => "shunted",
            State::Corrupt => "corrupt",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many entries of a queue are where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// The queue.
    pub queue: Queue,
    /// Entries that can be claimed or are claimed: the work there is now. A broker does not tell what it has handed to other processes,
    /// which is then missing here and in `claimed`.
    pub depth: u64,
    /// Those of them that are claimed.
    pub claimed: u64,
    /// Entries that wait for a clock.
    pub deferred: u64,
    /// Entries set aside after a software fault.
    pub shunted: u64,
    /// Files set aside because they are no entries.
    pub corrupt: u64,
    /// For how many seconds the oldest entry counted in `depth` has been there; `None` when `depth` is 0, or when the backend cannot tell.
    pub oldest_s: Option<u64>,
    /// Entries that wait on this host until the broker takes them; counted nowhere else. When the broker cannot be asked,
    /// nothing else is counted.
    #[serde(default)]
    pub unsent: u64,
    /// Nobody may claim from it.
    pub paused: bool,
}

/// One entry of a list of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The entry without its message and distribution list; `None` where its line 1 cannot be read.
    pub entry: Option<Box<Entry>>,
    /// The name that it has in the backend, for a person; control characters are escaped.
    pub name: String,
    /// The size of its message file in bytes.
    pub bytes: u64,
    /// Since when it has been in its place; when it is due, for a deferred one.
    pub at: Option<Timestamp>,
    /// Why it is shunted or corrupt.
    pub why: Option<String>,
}

/// One entry that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The queue that it is in.
    pub queue: Queue,
    /// Where in it.
    pub state: State,
    /// Its message file.
    pub bytes: Vec<u8>,
    /// Why it is shunted.
    pub why: Option<ShuntReason>,
}
