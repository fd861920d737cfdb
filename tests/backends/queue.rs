//! What the tests of queue backends share: entries to put, and waiting for events instead of sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use listmill_queue::{Claimed, QueueBackend};
use listmill_queue_format::{Entry, EntryId, Envelope, Priority, Queue, Timestamp};

/// Long enough for anything that must happen; a test that waits for so long has failed.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// For a claim that must find nothing: what is there would be found at once.
pub(crate) const NOW: Duration = Duration::ZERO;

/// A new entry for the auth queue, with a message that says `text`.
pub(crate) fn entry(text: &str) -> Entry {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut chance = [0; 10];
    chance[..4].copy_from_slice(&std::process::id().to_be_bytes());
    chance[6..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let id = EntryId::fresh(Timestamp::now(), chance);
    let envelope = Envelope {
        sender: "alice@example.net".to_owned(),
        recipients: vec!["dev@lists.example.org".to_owned()],
        ..Envelope::default()
    };
    let message = format!("From: alice@example.net\r\nSubject: {text}\r\n\r\nHello.\r\n");
    let mut entry = Entry::arrived(id, Timestamp::now(), envelope, Arc::from(message.as_bytes()));
    entry.queue = Queue::Auth;
    entry
}

/// The same, in a class.
pub(crate) fn entry_of(priority: Priority, text: &str) -> Entry {
    Entry { priority, ..entry(text) }
}

/// The instant so long from now.
pub(crate) fn in_future(wait: Duration) -> Timestamp {
    Timestamp::now() + wait
}

/// Claims from the auth queue; fails when nothing comes.
pub(crate) fn claim(queues: &dyn QueueBackend) -> Claimed {
    queues.claim(Queue::Auth, SOON).expect("the queue can be read").expect("there is an entry")
}

/// Nothing can be claimed from the auth queue.
pub(crate) fn is_empty(queues: &dyn QueueBackend) -> bool {
    queues.claim(Queue::Auth, NOW).expect("the queue can be read").is_none()
}

/// What the message of an entry says.
pub(crate) fn text(entry: &Entry) -> String {
    let message = String::from_utf8_lossy(&entry.message);
    let subject = message.lines().find_map(|line| line.strip_prefix("Subject: "));
    subject.unwrap_or_default().to_owned()
}

/// Claims and releases until nothing comes; what the messages said, in order.
pub(crate) fn drain(queues: &dyn QueueBackend) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(claimed) = queues.claim(Queue::Auth, NOW).expect("the queue can be read") {
        texts.push(text(&claimed.entry));
        queues.release(claimed.claim).expect("the claim can be released");
    }
    texts
}
