//! An SMTP sink that keeps no message and counts every copy: one thread for all connections, replies held back while commands are in the buffer.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::{memchr, memmem};

use crate::Failure;
use crate::lines::{Line, Poll};
use crate::tally::Tally;

/// How often whoever waits for copies looks.
const LOOK: Duration = Duration::from_millis(2);
/// What the epoll says of the listener.
const LISTENER: u64 = 0;
const END: &[u8] = b"\r\n.\r\n";

/// The sink, listening. It ends when this is dropped.
pub(crate) struct Sink {
    /// Where.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    ended: AtomicBool,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Starts listening on a port that the system chooses.
    pub(crate) fn start() -> Result<Self, Failure> {
        Sink::slow(Duration::ZERO)
    }

    /// The same, and each message is answered so much later.
    pub(crate) fn slow(delay: Duration) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let for_it = Arc::clone(&shared);
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            if let Err(error) = Server::new(listener, for_it, delay).and_then(|mut server| server.serve()) {
                eprintln!("bench: the sink has ended: {error}");
            }
        })?;
        Ok(Sink { address, shared })
    }

    /// What has arrived.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally()
    }

    /// Waits until `copies` distinct copies are there. False when none has come for `patience`.
    pub(crate) fn wait_for(&self, copies: usize, patience: Duration) -> bool {
        self.wait(copies, patience, |tally| tally.copies)
    }

    /// The same for letters.
    pub(crate) fn wait_for_letters(&self, letters: usize, patience: Duration) -> bool {
        self.wait(letters, patience, |tally| tally.letters.len())
    }

    /// The sink is not to wake anybody: whoever waits looks now and then, and when the last copy came is known all the same.
    fn wait(&self, wanted: usize, patience: Duration, count: impl Fn(&Tally) -> usize) -> bool {
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            let now = count(&self.tally());
            if now >= wanted {
                return true;
            }
            if now > before {
                (before, moved) = (now, Instant::now());
            } else if moved.elapsed() > patience {
                return false;
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // It is woken by somebody who comes.
        TcpStream::connect(self.address).ok();
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    shared: Arc<Shared>,
    delay: Duration,
    sessions: HashMap<u64, Session>,
    /// Those whose message is answered then, in order.
    held: VecDeque<(Instant, u64)>,
}

impl Server {
    fn new(listener: TcpListener, shared: Arc<Shared>, delay: Duration) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER)?;
        Ok(Server { poll, listener, shared, delay, sessions: HashMap::new(), held: VecDeque::new() })
    }

    fn serve(&mut self) -> io::Result<()> {
        let (mut ready, mut next) = (Vec::new(), LISTENER + 1);
        while !self.shared.ended.load(Ordering::SeqCst) {
            let most = self.held.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            self.poll.wait(most, &mut ready)?;
            for number in &ready {
                match *number {
                    LISTENER => self.accept(&mut next)?,
                    number => self.read(number),
                }
            }
            while let Some((_, number)) = self.held.pop_front_if(|(due, _)| *due <= Instant::now()) {
                if let Some(session) = self.sessions.get_mut(&number) {
                    session.replies.extend_from_slice(b"250 2.0.0 ok\r\n");
                    session.held = false;
                    self.go_on(number);
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, next: &mut u64) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let mut session = Session::new(Line::new(stream)?);
                    session.line.send(b"220 sink.example.org ESMTP\r\n").ok();
                    self.poll.add(&session.line, *next)?;
                    self.sessions.insert(*next, session);
                    *next += 1;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // It has gone again.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&mut self, number: u64) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        match session.line.fill() {
            Ok(true) if session.held => {}
            Ok(true) => self.go_on(number),
            // A client that goes away in the middle has delivered nothing: that is found by the count.
            Ok(false) | Err(_) => self.close(number),
        }
    }

    /// Does all that was asked for and not yet done, and answers.
    fn go_on(&mut self, number: u64) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let mut next = Next::More;
        while matches!(next, Next::More) {
            next = session.step(&self.shared, !self.delay.is_zero());
        }
        if matches!(next, Next::Hold) {
            self.held.push_back((Instant::now() + self.delay, number));
        }
        // Replies to pipelined commands leave together (RFC 2920 §3.2).
        let sent = session.line.send(&session.replies);
        session.replies.clear();
        if sent.is_err() || matches!(next, Next::Quit) {
            self.close(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(session) = self.sessions.remove(&number) {
            self.shared.tally().open -= usize::from(session.counted);
        }
    }
}

/// What a session does next.
enum Next {
    /// There may be another command.
    More,
    /// It waits for the client.
    Read,
    /// It lets the client wait.
    Hold,
    Quit,
}

struct Session {
    line: Line,
    replies: Vec<u8>,
    return_path: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    in_message: bool,
    /// So much of the message has been looked at in vain for its end.
    looked: usize,
    held: bool,
    /// It has brought a message.
    counted: bool,
}

impl Session {
    fn new(line: Line) -> Self {
        let (replies, return_path, recipients) = Default::default();
        Session { line, replies, return_path, recipients, in_message: false, looked: 0, held: false, counted: false }
    }

    fn step(&mut self, shared: &Shared, hold: bool) -> Next {
        if self.in_message {
            return self.message(shared, hold);
        }
        let Some(end) = memchr(b'\n', self.line.unread()) else { return Next::Read };
        let command = &self.line.unread()[..=end];
        let word = command.first_chunk::<4>().map(|word| word.map(|octet| octet.to_ascii_uppercase()));
        let reply: &[u8] = match word.as_ref().map(|word| &word[..]) {
            Some(b"EHLO") => {
                b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
            }
            Some(b"MAIL") => {
                self.return_path = path(command).to_vec();
                self.recipients.clear();
                b"250 2.1.0 ok\r\n"
            }
            Some(b"RCPT") => {
                self.recipients.push(path(command).to_vec());
                b"250 2.1.5 ok\r\n"
            }
            Some(b"DATA") => {
                (self.in_message, self.looked) = (true, 0);
                b"354 go on\r\n"
            }
            Some(b"RSET" | b"NOOP" | b"HELO") => b"250 2.0.0 ok\r\n",
            Some(b"QUIT") => b"221 2.0.0 bye\r\n",
            _ => b"500 5.5.1 no\r\n",
        };
        self.replies.extend_from_slice(reply);
        self.line.take(end + 1);
        if word.is_some_and(|word| &word == b"QUIT") { Next::Quit } else { Next::More }
    }

    fn message(&mut self, shared: &Shared, hold: bool) -> Next {
        let unread = self.line.unread();
        let Some(end) = memmem::find(&unread[self.looked..], END) else {
            self.looked = unread.len().saturating_sub(END.len() - 1);
            return Next::Read;
        };
        let end = self.looked + end;
        let mut tally = shared.tally();
        tally.note(&unread[..end + 2], &self.return_path, &self.recipients);
        if !std::mem::replace(&mut self.counted, true) {
            tally.open += 1;
            tally.most_open = tally.most_open.max(tally.open);
        }
        drop(tally);
        self.line.take(end + END.len());
        (self.in_message, self.held) = (false, hold);
        if hold {
            return Next::Hold;
        }
        self.replies.extend_from_slice(b"250 2.0.0 ok\r\n");
        Next::More
    }
}

/// What stands between the angle brackets.
fn path(command: &[u8]) -> &[u8] {
    let from = memchr(b'<', command).map_or(0, |at| at + 1);
    let rest = &command[from..];
    &rest[..memchr(b'>', rest).unwrap_or_default()]
}
