//! An SMTP sink that keeps no message and counts every copy: one thread a connection, replies held back while commands are in the buffer.
//!
//! A copy is a pair of a post (its `X-Bench-Post` field) and a recipient (`member0000042@…`). So a copy that is missing, doubled, or
//! asked for by nobody is known exactly, and not by a sum.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Failure;

/// The field that says which post a message is.
pub(crate) const POST_FIELD: &str = "X-Bench-Post: ";

/// The address of a member.
pub(crate) fn member(number: usize) -> String {
    format!("member{number:07}@example.net")
}

/// What has arrived.
#[derive(Default)]
pub(crate) struct Tally {
    /// For each post, which members have it, a bit each.
    seen: BTreeMap<usize, Vec<u64>>,
    /// Distinct copies.
    pub(crate) copies: usize,
    /// Copies that had arrived before.
    pub(crate) doubled: usize,
    /// Letters, which are of no post: the recipient, and where an answer goes.
    pub(crate) letters: Vec<(String, String)>,
    /// What no scenario has asked for.
    pub(crate) strange: Vec<String>,
    /// Distinct return paths.
    pub(crate) return_paths: HashSet<u64>,
    /// Of the last copy of each member, the return path; kept by whoever puts a map here.
    pub(crate) paths: Option<HashMap<usize, String>>,
    /// When the last one came.
    pub(crate) last: Option<Instant>,
}

impl Tally {
    fn note(&mut self, kind: Kind, return_path: &str, recipients: &[String]) {
        let post = match kind {
            Kind::Post(number) => Some(number),
            Kind::Other => None,
            Kind::Letter(reply_to) => {
                self.letters.extend(recipients.iter().map(|recipient| (recipient.clone(), reply_to.clone())));
                self.last = Some(Instant::now());
                return;
            }
        };
        for recipient in recipients {
            let number =
                recipient.strip_prefix("member").and_then(|rest| rest.split_once('@')?.0.parse::<usize>().ok());
            let (Some(post), Some(number)) = (post, number) else {
                self.strange.push(format!("<{recipient}> from <{return_path}>"));
                continue;
            };
            if let Some(paths) = &mut self.paths {
                paths.insert(number, return_path.to_owned());
            }
            let bits = self.seen.entry(post).or_default();
            bits.resize(bits.len().max(number / 64 + 1), 0);
            let bit = 1 << (number % 64);
            if bits[number / 64] & bit == 0 {
                self.copies += 1;
            } else {
                self.doubled += 1;
            }
            bits[number / 64] |= bit;
        }
        let mut hasher = DefaultHasher::new();
        (post, return_path).hash(&mut hasher);
        self.return_paths.insert(hasher.finish());
        self.last = Some(Instant::now());
    }

    /// Fails unless each of `posts` posts reached each of `members` members exactly once, with a return path of its own.
    pub(crate) fn check(&self, posts: usize, members: usize) -> Result<(), Failure> {
        let missing = posts * members - self.copies.min(posts * members);
        let beyond =
            self.seen.iter().filter(|(post, bits)| **post >= posts || bits.len() > members.div_ceil(64)).count();
        if missing + self.doubled + beyond + self.strange.len() > 0 || self.return_paths.len() != self.copies {
            let strange = self.strange.first().map(String::as_str).unwrap_or_default();
            let paths = self.return_paths.len();
            let (doubled, odd) = (self.doubled, self.strange.len() + beyond);
            return Err(format!(
                "{missing} copies missing, {doubled} doubled, {odd} asked for by nobody {strange}, {paths} return paths"
            )
            .into());
        }
        Ok(())
    }
}

/// What a message is.
enum Kind {
    /// A copy of this post.
    Post(usize),
    /// A letter of the list's own, and its Reply-To; empty without one.
    Letter(String),
    /// Neither.
    Other,
}

/// The sink, listening.
pub(crate) struct Sink {
    /// Where.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    grew: Condvar,
}

impl Sink {
    /// Starts listening on a port that the system chooses.
    pub(crate) fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let for_all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&for_all);
                // A client that goes away in the middle has delivered nothing: that is found by the count.
                std::thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        Ok(Sink { address, shared })
    }

    /// What has arrived.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `copies` distinct copies are there. False when none has come for `patience`.
    pub(crate) fn wait_for(&self, copies: usize, patience: Duration) -> bool {
        self.wait(copies, patience, |tally| tally.copies)
    }

    /// The same for letters.
    pub(crate) fn wait_for_letters(&self, letters: usize, patience: Duration) -> bool {
        self.wait(letters, patience, |tally| tally.letters.len())
    }

    fn wait(&self, wanted: usize, patience: Duration, count: impl Fn(&Tally) -> usize) -> bool {
        let mut tally = self.tally();
        while count(&tally) < wanted {
            let before = count(&tally);
            let waited = self.shared.grew.wait_timeout(tally, patience).unwrap_or_else(PoisonError::into_inner);
            tally = waited.0;
            if waited.1.timed_out() && count(&tally) == before {
                return false;
            }
        }
        true
    }
}

/// One connection.
fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut to = stream.try_clone()?;
    let mut from = BufReader::with_capacity(64 << 10, stream);
    let (mut line, mut replies) = (Vec::new(), b"220 sink.example.org ESMTP\r\n".to_vec());
    let (mut return_path, mut recipients) = (String::new(), Vec::new());
    loop {
        // Replies to pipelined commands leave together (RFC 2920 §3.2).
        if from.buffer().is_empty() {
            to.write_all(&replies)?;
            replies.clear();
        }
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let word = String::from_utf8_lossy(line.get(..4).unwrap_or(&line)).to_ascii_uppercase();
        let reply: &[u8] = match word.as_str() {
            "EHLO" => {
                b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
            }
            "MAIL" => {
                (return_path, recipients) = (path(&line), Vec::new());
                b"250 2.1.0 ok\r\n"
            }
            "RCPT" => {
                recipients.push(path(&line));
                b"250 2.1.5 ok\r\n"
            }
            "DATA" => {
                replies.extend_from_slice(b"354 go on\r\n");
                to.write_all(&replies)?;
                replies.clear();
                let kind = read_message(&mut from, &mut line)?;
                shared.tally.lock().unwrap_or_else(PoisonError::into_inner).note(kind, &return_path, &recipients);
                shared.grew.notify_all();
                b"250 2.0.0 ok\r\n"
            }
            "RSET" | "NOOP" | "HELO" => b"250 2.0.0 ok\r\n",
            "QUIT" => return to.write_all(b"221 2.0.0 bye\r\n"),
            _ => b"500 5.5.1 no\r\n",
        };
        replies.extend_from_slice(reply);
    }
}

/// What stands between the angle brackets.
fn path(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'))
        .map(|(path, _)| path.to_owned())
        .unwrap_or_default()
}

/// Reads a message to its final dot, and says what it is.
fn read_message(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Kind> {
    let (mut post, mut letter, mut reply_to) = (None, false, String::new());
    loop {
        line.clear();
        if from.read_until(b'\n', line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(post.map_or(if letter { Kind::Letter(reply_to) } else { Kind::Other }, Kind::Post));
        }
        if post.is_none() && line.starts_with(POST_FIELD.as_bytes()) {
            post = String::from_utf8_lossy(&line[POST_FIELD.len()..]).trim().parse().ok();
        }
        letter |= line.starts_with(b"Auto-Submitted: auto-");
        if reply_to.is_empty() && line.starts_with(b"Reply-To: ") {
            reply_to = path(line);
        }
    }
}
