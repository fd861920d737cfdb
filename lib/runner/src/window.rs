//! The window of a long list: its pages are written no faster than outbound takes them.
//!
//! A page is the message and some hundred lines. Without a limit a list of a million members has all of its pages in outbound's queue minutes after
//! the post, and while the smarthost is slow or away that is what fills the disk.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use listmill_core::Stage;
use listmill_core::settings::Copies;
use listmill_queue::{Claimed, QueueError};
use listmill_queue_format::{Entry, EntryId, Queue};

use crate::worker::AT_ONCE;
use crate::{Carried, Runner, Shell};

/// For so long a page waits that must, for the first time since one was written: a quick smarthost takes a page in this time, and must not wait for the next.
const SOON: Duration = Duration::from_millis(20);
/// Then twice as long each time, up to this; and always more with the size of its message, which is written again.
const WAIT: Duration = Duration::from_millis(250);
/// And at most so long.
const LONGEST: Duration = Duration::from_secs(30);
/// So often a page is written though the smarthost seems to be away.
const TRY: Duration = Duration::from_secs(60);
/// Octets of a message that cost another second.
const A_SECOND: u64 = 1 << 20;
/// Where nobody can say which pages still wait, so many entries of outbound are many.
const MANY: u64 = 256;
/// And then a list gets a page in so much time.
const PACE: Duration = Duration::from_secs(5);

/// The runner of the stage that gives a post its distribution list, page by page, as many ahead as the window allows.
pub struct PagingWorker<S> {
    /// The stage.
    pub stage: S,
    /// What it has written and outbound has not taken.
    pub window: Window,
}

/// The pages of each list that this process has written, as far as they may still wait. After a restart it begins anew: then there are at most
/// as many again.
#[derive(Debug)]
pub struct Window {
    ahead: Ahead,
    page: fn(&Entry) -> EntryId,
    lists: Mutex<HashMap<String, Pages>>,
    /// When a page was written last while the smarthost seemed to be away.
    tried: Mutex<Option<Instant>>,
}

/// How many pages of a list may wait, besides the first of each post.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// Where each copy is a transaction of its own: all connections can work on one page.
    pub personal: usize,
    /// Where all copies are the same: a page may be one transaction, which one connection works on.
    pub shared: usize,
}

#[derive(Debug)]
struct Pages {
    waiting: VecDeque<EntryId>,
    last: Instant,
    /// For so long the next page waits, if it must.
    pause: Duration,
}

impl Window {
    /// At most so many pages of a list wait; `page` tells the id of the outbound entry that an entry's page becomes.
    pub fn new(ahead: Ahead, page: fn(&Entry) -> EntryId) -> Window {
        Window { ahead, page, lists: Mutex::default(), tried: Mutex::default() }
    }

    /// How many pages of this list may wait.
    fn most(&self, shell: &Shell, list: &str) -> usize {
        let known = || shell.store.as_ref()?.list(&list.parse().ok()?).ok()?;
        let is_shared = known().is_some_and(|list| list.settings.copies == Copies::Shared);
        if is_shared { self.ahead.shared } else { self.ahead.personal }
    }

    /// Why this page must wait now.
    fn holds(&self, shell: &Shell, list: &str) -> Result<Option<&'static str>, QueueError> {
        if shell.health.troubles().contains_key("smarthost") && !self.may_try() {
            return Ok(Some("the smarthost is away"));
        }
        let Some((ids, last)) = self.pages(list) else { return Ok(None) };
        let Some(waiting) = shell.queues.waiting(Queue::Outbound, &ids)? else {
            let many = shell.queues.status(Queue::Outbound)?.depth >= MANY;
            return Ok((many && last.elapsed() < PACE).then_some("there is much in outbound's queue"));
        };
        let is_full = waiting.len() >= self.most(shell, list).max(1);
        let mut lists = self.lists();
        if let Some(pages) = lists.get_mut(list) {
            // Not those that have been written since.
            pages.waiting.retain(|id| waiting.contains(id) || !ids.contains(id));
            if pages.waiting.is_empty() {
                lists.remove(list);
            }
        }
        Ok(is_full.then_some("as many pages of the list wait as may"))
    }

    /// Whether a page is to be written though the smarthost seems to be away: now and then one is, of whatever list, because only a delivery tells that
    /// it is there again, or that it was one message at which it hung up.
    fn may_try(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let may = tried.is_none_or(|last| last.elapsed() >= TRY);
        if may {
            *tried = Some(Instant::now());
        }
        may
    }

    fn pages(&self, list: &str) -> Option<(Vec<EntryId>, Instant)> {
        self.lists().get(list).map(|pages| (pages.waiting.iter().copied().collect(), pages.last))
    }

    /// For how long the next page of this list waits now that it must.
    fn pause(&self, list: &str) -> Duration {
        self.lists().get_mut(list).map_or(WAIT, |pages| {
            let longer = (pages.pause * 2).min(WAIT);
            std::mem::replace(&mut pages.pause, longer)
        })
    }

    fn wrote(&self, list: String, page: EntryId) {
        let mut lists = self.lists();
        let now = Instant::now();
        let pages = lists.entry(list).or_insert_with(|| Pages { waiting: VecDeque::new(), last: now, pause: SOON });
        (pages.last, pages.pause) = (now, SOON);
        pages.waiting.push_back(page);
        // Several threads may be at it, and several posts; where nobody can say what waits, nothing is ever taken out.
        if pages.waiting.len() > 2 * self.ahead.personal.max(self.ahead.shared) {
            pages.waiting.pop_front();
        }
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<String, Pages>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this becomes a page of a list that is not the first of its post.
fn is_later(claimed: &Claimed) -> bool {
    claimed.entry.facts.cursor.is_some() && claimed.entry.list.is_some()
}

/// How long a page with a message of this size waits, which would wait for `pause` without one.
fn wait(size: usize, pause: Duration) -> Duration {
    let more = Duration::from_millis(u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(1000) / A_SECOND);
    (pause + more).min(LONGEST)
}

impl<S: Stage + Send + Sync> Runner for PagingWorker<S> {
    fn queue(&self) -> Queue {
        S::READS
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    /// First pages are not counted: each post has one, and they go with the posts of other lists.
    fn carry(&self, shell: &Shell, batch: Vec<Claimed>) -> Vec<Carried> {
        let (later, first): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_later);
        let mut carried = shell.carry(&self.stage, first);
        carried.extend(later.into_iter().map(|claimed| self.page(shell, claimed)));
        carried
    }
}

impl<S: Stage> PagingWorker<S> {
    /// Carries out one that is not the first of its post, if the window of its list has room.
    fn page(&self, shell: &Shell, claimed: Claimed) -> Carried {
        let list = claimed.entry.list.clone().unwrap_or_default();
        match self.window.holds(shell, &list) {
            Ok(None) => {}
            Ok(Some(reason)) => {
                let wait = wait(claimed.entry.message.len(), self.window.pause(&list));
                return shell.let_wait(claimed, wait, reason);
            }
            // What cannot be asked does not hold up: the put will tell.
            Err(error) => tracing::debug!("the window cannot see how much waits: {error}"),
        }
        let page = (self.window.page)(&claimed.entry);
        let carried = shell.carry(&self.stage, vec![claimed]).pop().expect("each entry is carried out");
        if carried == Carried::Done {
            self.window.wrote(list, page);
        }
        carried
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use listmill_core::settings::Cascade;
    use listmill_core::{Commit, StoreChange};
    use listmill_queue::MemoryQueues;
    use listmill_queue_format::{Envelope, Timestamp};
    use listmill_store::{SledStore, Store as _};

    use super::*;
    use crate::trail::Trail;
    use crate::{Health, Room};

    fn shell() -> Shell {
        Shell {
            queues: Arc::new(MemoryQueues::new()),
            store: None,
            directory: None,
            host: "mill.example.org".to_owned(),
            health: Health::default(),
            trail: Trail::default(),
            room: Room::default(),
        }
    }

    fn page(number: u8) -> Entry {
        let now = Timestamp::UNIX_EPOCH;
        let message = b"Subject: x\r\n\r\n".as_slice().into();
        let mut entry = Entry::arrived(EntryId::fresh(now, [number; 10]), now, Envelope::default(), message);
        entry.queue = Queue::Outbound;
        entry
    }

    #[test]
    fn a_list_waits_when_its_window_is_full_and_no_other_does() {
        let (shell, window) = (shell(), Window::new(Ahead { personal: 2, shared: 3 }, |entry| entry.id));
        let holds = |list| window.holds(&shell, list).unwrap();
        for number in 1..=2 {
            assert_eq!(holds("a"), None);
            shell.queues.put(&[page(number)]).unwrap();
            window.wrote("a".to_owned(), page(number).id);
        }
        assert_eq!((holds("a").is_some(), holds("b")), (true, None));
        let claimed = shell.queues.claim(Queue::Outbound, Duration::ZERO).unwrap().unwrap();
        assert!(holds("a").is_some(), "what is in hand waits as well");
        shell.queues.release(claimed.claim).unwrap();
        assert_eq!(holds("a"), None);
        assert!(shell.queues.remove(page(2).id).unwrap());
        assert_eq!((holds("a"), window.lists().len()), (None, 0), "nothing is remembered of who has nothing waiting");
    }

    #[test]
    fn of_a_list_with_shared_copies_more_may_wait() {
        let dir = tempfile::tempdir().unwrap();
        let store = SledStore::open(dir.path(), Cascade::default()).unwrap();
        let own = [("copies".to_owned(), "shared".to_owned())].into();
        let created = StoreChange::CreateList { list: "shared@example.org".parse().unwrap(), own };
        let (id, at) = (page(0).id, Timestamp::UNIX_EPOCH);
        let (by, why) = ("operator".to_owned(), "a test".to_owned());
        store.commit(&Commit { id, at, by, why, changes: vec![created], outgoing: Vec::new() }).unwrap();
        let shell = Shell { store: Some(Arc::new(store)), ..shell() };
        let window = Window::new(Ahead { personal: 2, shared: 3 }, |entry| entry.id);
        let most = ["shared@example.org", "unknown@example.org", ""].map(|list| window.most(&shell, list));
        assert_eq!(most, [3, 2, 2]);
    }

    #[test]
    fn one_page_a_minute_is_written_for_a_smarthost_that_is_away() {
        let (shell, window) = (shell(), Window::new(Ahead { personal: 2, shared: 3 }, |entry| entry.id));
        shell.health.trouble("smarthost", Some("connection refused".to_owned()));
        assert!(window.holds(&shell, "a").unwrap().is_none(), "one a minute, to see whether it is there again");
        assert!(window.holds(&shell, "b").unwrap().is_some(), "of whatever list");
        assert!(window.holds(&shell, "a").unwrap().is_some());
        shell.health.trouble("smarthost", None);
        assert_eq!(window.holds(&shell, "a").unwrap(), None);
    }

    #[test]
    fn a_large_message_waits_longer_because_it_is_written_again() {
        assert_eq!(wait(0, WAIT), WAIT);
        assert_eq!(wait(10 << 20, WAIT), WAIT + Duration::from_secs(10));
        assert_eq!(wait(1 << 30, WAIT), LONGEST);
    }

    #[test]
    fn the_wait_is_short_as_long_as_pages_are_taken() {
        let window = Window::new(Ahead { personal: 2, shared: 3 }, |entry| entry.id);
        assert_eq!(window.pause("a"), WAIT, "nothing of it is known to wait");
        window.wrote("a".to_owned(), page(1).id);
        let pauses: Vec<_> = (0..6).map(|_| window.pause("a")).collect();
        assert_eq!(pauses, [SOON, SOON * 2, SOON * 4, SOON * 8, WAIT, WAIT]);
        window.wrote("a".to_owned(), page(2).id);
        assert_eq!(window.pause("a"), SOON);
    }
}
