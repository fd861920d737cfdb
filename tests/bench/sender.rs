//! What sends: the posts and mails that are handed in, and the trivial sender beside which our own is held.
//!
//! One thread for all connections. MAIL, RCPT and DATA of a transaction leave together (RFC 2920), the message when its 354 is there. *Riding*,
//! those of the next transaction leave with the end of the message, so that a message costs one round trip and not two.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use memchr::memchr;

use crate::Failure;
use crate::lines::{Line, Poll};

/// How long nothing may be answered before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be sent, and how.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// LMTP: its greeting, and a reply for each recipient.
    pub(crate) lmtp: bool,
    pub(crate) connections: usize,
    pub(crate) riding: bool,
    pub(crate) transactions: usize,
    /// Appends MAIL and each RCPT of a transaction; how many recipients it has.
    pub(crate) envelope: &'a dyn Fn(usize, &mut Vec<u8>) -> usize,
    /// Appends its message, without the final dot.
    pub(crate) message: &'a dyn Fn(usize, &mut Vec<u8>),
}

impl Load<'_> {
    /// Sends it; how long it took, from the first connection to the last reply.
    pub(crate) fn send(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let mut poll = Poll::new()?;
        let mut sessions = Vec::new();
        let connections = self.connections.min(self.transactions);
        for number in 0..connections {
            let line = Line::new(TcpStream::connect(self.address)?)?;
            poll.add(&line, number as u64)?;
            sessions.push(Session { line, out: Vec::new(), awaited: Awaited::Greeting, current: 0, next: None });
        }
        let (mut work, mut ready) = (Work { load: self, begun: 0, done: 0 }, Vec::new());
        while work.done < self.transactions {
            poll.wait(Some(PATIENCE), &mut ready)?;
            if ready.is_empty() {
                return Err(format!("nothing is answered any more, after {} transactions", work.done).into());
            }
            for number in &ready {
                sessions[usize::try_from(*number)?].read(&mut work)?;
            }
        }
        let took = begun.elapsed();
        sessions.iter_mut().for_each(|session| drop(session.line.send(b"QUIT\r\n")));
        Ok(took)
    }
}

/// How far it is.
struct Work<'a> {
    load: &'a Load<'a>,
    begun: usize,
    done: usize,
}

/// What the next replies are to.
#[derive(Clone, Copy)]
enum Awaited {
    Greeting,
    Hello,
    /// MAIL, RCPT and DATA: so many are still to come, the last of them a 354.
    Envelope(usize),
    /// The message: so many are still to come.
    Message(usize),
    /// There is nothing more to do here.
    Nothing,
}

struct Session {
    line: Line,
    out: Vec<u8>,
    awaited: Awaited,
    /// The transaction whose replies come, with its recipients.
    current: usize,
    /// What rides on the end of it: the number of the transaction, and its recipients.
    next: Option<(usize, usize)>,
}

impl Session {
    fn read(&mut self, work: &mut Work<'_>) -> Result<(), Failure> {
        if !self.line.fill()? {
            return match self.awaited {
                Awaited::Nothing => Ok(()),
                _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            };
        }
        while let Some(end) = memchr(b'\n', self.line.unread()) {
            let line = &self.line.unread()[..end];
            // All but the last line of a reply have a hyphen behind the code.
            let last = line.get(3) != Some(&b'-');
            if last {
                let wanted = self.awaited.code();
                if !line.starts_with(wanted) {
                    let (wanted, came) = (String::from_utf8_lossy(wanted), String::from_utf8_lossy(line));
                    return Err(format!("{wanted} was expected, and {came:?} came").into());
                }
            }
            self.line.take(end + 1);
            if last {
                self.replied(work);
            }
        }
        if !self.out.is_empty() {
            self.line.send(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn replied(&mut self, work: &mut Work<'_>) {
        match &mut self.awaited {
            Awaited::Greeting => {
                let hello = if work.load.lmtp { "LHLO" } else { "EHLO" };
                self.out.extend_from_slice(format!("{hello} bench.example.net\r\n").as_bytes());
                self.awaited = Awaited::Hello;
            }
            Awaited::Envelope(left) | Awaited::Message(left) if *left > 1 => *left -= 1,
            Awaited::Envelope(_) => self.message(work),
            Awaited::Hello | Awaited::Message(_) => {
                work.done += usize::from(matches!(self.awaited, Awaited::Message(_)));
                let next = self.next.take().or_else(|| self.envelope(work));
                self.awaited = next.map_or(Awaited::Nothing, |(number, recipients)| {
                    self.current = number;
                    Awaited::Envelope(recipients + 2)
                });
            }
            Awaited::Nothing => {}
        }
    }

    /// Begins the next transaction, if there is one more.
    fn envelope(&mut self, work: &mut Work<'_>) -> Option<(usize, usize)> {
        let number = work.begun;
        (number < work.load.transactions).then(|| {
            work.begun += 1;
            let recipients = (work.load.envelope)(number, &mut self.out);
            self.out.extend_from_slice(b"DATA\r\n");
            (number, recipients)
        })
    }

    fn message(&mut self, work: &mut Work<'_>) {
        (work.load.message)(self.current, &mut self.out);
        self.out.extend_from_slice(b".\r\n");
        self.awaited = Awaited::Message(1);
        if work.load.riding {
            self.next = self.envelope(work);
        }
    }
}

impl Awaited {
    fn code(self) -> &'static [u8] {
        match self {
            Awaited::Greeting => b"220",
            Awaited::Envelope(1) => b"354",
            _ => b"250",
        }
    }
}
