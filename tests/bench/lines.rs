//! Sockets that never block, all looked after by one thread: what the sink and the sender are made of, so that neither costs more than it must.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// What a line has room for at first.
const ROOM: usize = 128 << 10;
/// So many lines are told of at once.
const AT_ONCE: usize = 256;

/// Says which of many sockets can be read from.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Poll { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(AT_ONCE) })
    }

    /// From now on it is said of this one, by its number.
    pub(crate) fn add(&self, socket: &impl AsFd, number: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number), epoll::EventFlags::IN)?)
    }

    /// Waits until there is something to read, or for so long; hands over the numbers.
    pub(crate) fn wait(&mut self, most: Option<Duration>, numbers: &mut Vec<u64>) -> io::Result<()> {
        let most = most.map(|most| Timespec::try_from(most).map_err(|_| ErrorKind::InvalidInput)).transpose()?;
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), most.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            waited => drop(waited?),
        }
        numbers.clear();
        numbers.extend(self.events.iter().map(|event| event.data.u64()));
        Ok(())
    }
}

/// One connection, with what was read and not yet looked at.
pub(crate) struct Line {
    stream: TcpStream,
    read: Vec<u8>,
    from: usize,
    to: usize,
}

impl Line {
    /// The connection, which waits for nothing from now on.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Line { stream, read: vec![0; ROOM], from: 0, to: 0 })
    }

    /// Reads what is there. False when the other side has ended.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to == self.read.len() && self.from > 0 {
            self.read.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        } else if self.to == self.read.len() {
            self.read.resize(self.to * 2, 0);
        }
        match self.stream.read(&mut self.read[self.to..]) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.to += read;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What was read and not yet taken.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.read[self.from..self.to]
    }

    /// So many octets are done with.
    pub(crate) fn take(&mut self, octets: usize) {
        self.from += octets;
    }

    /// Sends all of it. Where the other side takes no more, waits for that one line.
    pub(crate) fn send(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match self.stream.write(octets) {
                Ok(written) => octets = &octets[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.stream, PollFlags::OUT)], None)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
