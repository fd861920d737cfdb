//! A reception that knows a few addresses and keeps what it is given.

use std::sync::{Arc, Condvar, Mutex};

use listmill_intake::{Answer, Reception, Replies, Verdict};
use listmill_queue_format::{EntryId, Envelope, Timestamp};

/// What was stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) envelope: Envelope,
    pub(crate) message: Vec<u8>,
}

/// The site `lists.example.org`:
///
/// | address | what becomes of its mail |
/// | --- | --- |
/// | `dev@`, `ops@`, `jürgen@`, `r0@` to `r1999@`, `postmaster@` | stored |
/// | `small@` | stored up to 500 octets |
/// | `gate@` | stored once the test opens the gate |
/// | `loop@` | refused after the dot, 554 5.4.6 |
/// | `later@` | not stored now |
/// | `broken@` | the reception panics |
/// | `mute@` | the reception forgets to answer |
/// | `liar@` | the reception refuses it with a 250 |
/// | `odd@` | is no address |
/// | `down@` | cannot be said now |
#[derive(Default)]
pub(crate) struct Recorder {
    stored: Mutex<Vec<Stored>>,
    gate: Gate,
}

#[derive(Default)]
struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Recorder {
    /// The largest message, in octets.
    pub(crate) const MAX_SIZE: u64 = 30_000_000;

    /// Everything that was stored, in order.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.stored.lock().unwrap().clone()
    }

    /// The message that was stored last.
    pub(crate) fn last(&self) -> Option<Stored> {
        self.stored.lock().unwrap().last().cloned()
    }

    /// How many messages were stored.
    pub(crate) fn count(&self) -> usize {
        self.stored.lock().unwrap().len()
    }

    /// Waits until a message stands before the gate.
    pub(crate) fn somebody_waits(&self) {
        drop(self.gate.changed.wait_while(self.gate.state.lock().unwrap(), |(waiting, _)| *waiting == 0).unwrap());
    }

    /// Lets messages through the gate.
    pub(crate) fn open(&self) {
        self.gate.state.lock().unwrap().1 = true;
        self.gate.changed.notify_all();
    }

    fn wait_at_the_gate(&self) {
        let mut state = self.gate.state.lock().unwrap();
        state.0 += 1;
        self.gate.changed.notify_all();
        drop(self.gate.changed.wait_while(state, |(_, open)| !*open).unwrap());
    }

    fn answer(local: &str) -> Answer {
        let refused =
            |code, status: &str, text: &str| Answer::Refused { code, status: status.into(), text: text.into() };
        match local {
            "loop" => refused(554, "5.4.6", "the message\r\nloops \u{2014} it has been here before"),
            "later" => Answer::Later { text: "the disk is full".into() },
            "liar" => refused(250, "2.0.0", "fine"),
            _ => Answer::Stored(EntryId::fresh(Timestamp::UNIX_EPOCH, [0; 10])),
        }
    }
}

fn local(address: &str) -> &str {
    address.strip_suffix("@lists.example.org").unwrap_or("")
}

impl Reception for Recorder {
    fn recipient(&self, address: &str) -> Verdict {
        let local = local(address);
        let numbered = local.strip_prefix('r').and_then(|number| number.parse().ok()).is_some_and(|n: u32| n < 2_000);
        match local {
            "small" => Verdict::Accept { max_size: 500 },
            "odd" => Verdict::Invalid("that is no address".into()),
            "down" => Verdict::Unavailable("the store is away".into()),
            "dev" | "ops" | "jürgen" | "postmaster" | "gate" | "loop" | "later" | "broken" | "mute" | "liar" => {
                Verdict::Accept { max_size: 0 }
            }
            _ if numbered => Verdict::Accept { max_size: 0 },
            _ => Verdict::Unknown,
        }
    }

    fn accept(&self, mut envelope: Envelope, message: Arc<[u8]>, replies: Replies) -> Vec<Answer> {
        let locals: Vec<String> = envelope.recipients.iter().map(|address| local(address).to_owned()).collect();
        assert!(!locals.contains(&"broken".to_owned()), "a reception may be broken");
        if locals.contains(&"mute".to_owned()) {
            return Vec::new();
        }
        if locals.contains(&"gate".to_owned()) {
            self.wait_at_the_gate();
        }
        let answers: Vec<Answer> = locals.iter().map(|local| Recorder::answer(local)).collect();
        let is_stored = |answer: &Answer| matches!(answer, Answer::Stored(_));
        if replies == Replies::Together && !answers.iter().all(is_stored) {
            return answers;
        }
        let mut stored = answers.iter().map(is_stored);
        envelope.recipients.retain(|_| stored.next() == Some(true));
        if !envelope.recipients.is_empty() {
            self.stored.lock().unwrap().push(Stored { envelope, message: message.to_vec() });
        }
        answers
    }

    fn postmaster(&self) -> Option<String> {
        Some("postmaster@lists.example.org".to_owned())
    }

    fn max_message_size(&self) -> u64 {
        Recorder::MAX_SIZE
    }
}
