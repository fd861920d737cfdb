//! The wire once EHLO has been said: what is asked leaves in one write, replies are read one by one.
//!
//! The bounds are those of [`Wire`](super::wire::Wire): a reply has so long, a block so long to be taken, and nothing is asked while something
//! stands there that was not.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{sleep, timeout};

use super::wire::{Link, Uninvited, closed, late, poll_silent};
use super::wire_reply::{ReplyReader, Said};

/// Octets of replies that are read before whoever waits for them asks.
const MAX_AHEAD: usize = 1 << 20;

/// A link and what has been read of it.
pub(super) struct Pipe {
    link: Link,
    replies: ReplyReader,
    /// How long a write may stand still.
    block: Duration,
}

/// Not all of it has left.
#[derive(Debug)]
pub(super) struct Unsent {
    /// Why.
    pub(super) error: io::Error,
    /// So many octets have.
    pub(super) sent: usize,
    /// The next host had said something that it was not asked, other than a goodbye.
    pub(super) out_of_step: bool,
}

impl Pipe {
    pub(super) fn new(link: Link, replies: ReplyReader, block: Duration) -> Pipe {
        Pipe { link, replies, block }
    }

    /// Sends these one behind the other, with one write as far as the socket takes it.
    pub(super) async fn send(&mut self, parts: [&[u8]; 3]) -> Result<(), Unsent> {
        let nothing = |Uninvited { error, out_of_step }| Unsent { error, sent: 0, out_of_step };
        poll_fn(|cx| poll_silent(&mut self.link, &mut self.replies, cx)).await.map_err(nothing)?;
        let all: usize = parts.iter().map(|part| part.len()).sum();
        let mut sent = 0;
        let failed = |error, sent| Unsent { error, sent, out_of_step: false };
        while sent < all {
            match self.write(&rest(parts, sent)).await {
                Ok(0) => return Err(failed(io::ErrorKind::WriteZero.into(), sent)),
                Ok(count) => sent += count,
                Err(error) => return Err(failed(error, sent)),
            }
        }
        self.limited(Link::poll_flush).await.map_err(|error| failed(error, sent))
    }

    /// Writes what the link takes. While it takes nothing, what is said meanwhile is read: RFC 2920 §3.1, a next host that is answering many
    /// commands takes no more of them until somebody reads, and both would wait for each other.
    async fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut patience = pin!(sleep(self.block));
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = self.link.poll_write_vectored(cx, parts) {
                    return Poll::Ready(done);
                }
                match self.poll_replies(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            patience.as_mut().poll(cx).map(|()| Err(late("the next host takes no more data", self.block)))
        })
        .await
    }

    /// Reads what is there.
    fn poll_replies(&mut self, cx: &mut std::task::Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0_u8; 4096];
        let mut read = ReadBuf::new(&mut bytes);
        std::task::ready!(self.link.poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Err(closed()));
        }
        self.replies.take(read.filled());
        let is_too_much = self.replies.waiting() > MAX_AHEAD;
        Poll::Ready(if is_too_much {
            Err(io::Error::other("the next host says more than it was asked"))
        } else {
            Ok(())
        })
    }

    /// What the link does, within the time that a block has.
    async fn limited<T>(
        &mut self,
        mut does: impl FnMut(&mut Link, &mut std::task::Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        let mut patience = pin!(sleep(self.block));
        poll_fn(|cx| match does(&mut self.link, cx) {
            Poll::Pending => {
                patience.as_mut().poll(cx).map(|()| Err(late("the next host takes no more data", self.block)))
            }
            done => done,
        })
        .await
    }

    /// The next reply, whatever it says.
    pub(super) async fn reply(&mut self, patience: Duration) -> io::Result<Said> {
        if let Some(said) = self.replies.next()? {
            return Ok(said);
        }
        match timeout(patience, self.read_reply()).await {
            Ok(said) => said,
            Err(_) => Err(late("no reply in time", patience)),
        }
    }

    async fn read_reply(&mut self) -> io::Result<Said> {
        loop {
            poll_fn(|cx| self.poll_replies(cx)).await?;
            if let Some(said) = self.replies.next()? {
                return Ok(said);
            }
        }
    }
}

/// The parts without their first so many octets.
fn rest(parts: [&[u8]; 3], mut sent: usize) -> [IoSlice<'_>; 3] {
    parts.map(|part| {
        let skipped = sent.min(part.len());
        sent -= skipped;
        IoSlice::new(&part[skipped..])
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use tokio::net::TcpStream;

    use super::*;

    /// One that answers each line before it takes the next, over sockets that hold little.
    fn answering(commands: usize) -> (TcpStream, std::thread::JoinHandle<()>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut host, _) = listener.accept().unwrap();
        for small in [&socket, &host] {
            rustix::net::sockopt::set_socket_recv_buffer_size(small, 32 * 1024).unwrap();
            rustix::net::sockopt::set_socket_send_buffer_size(small, 32 * 1024).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        let host = std::thread::spawn(move || {
            let reply = format!("250 {}\r\n", "x".repeat(2000));
            for line in BufReader::new(host.try_clone().unwrap()).lines().take(commands) {
                line.unwrap();
                host.write_all(reply.as_bytes()).unwrap();
            }
        });
        (TcpStream::from_std(socket).unwrap(), host)
    }

    #[tokio::test]
    async fn who_answers_before_all_has_been_asked_is_read() {
        let (socket, host) = answering(400);
        let mut pipe = Pipe::new(Link::Plain(socket), ReplyReader::default(), Duration::from_secs(60));
        let commands = format!("RCPT TO:<{}@lists.example.org>\r\n", "a".repeat(500)).repeat(400);
        pipe.send([commands.as_bytes(), b"", b""]).await.unwrap();
        for _ in 0..400 {
            assert_eq!(pipe.reply(Duration::from_secs(60)).await.unwrap().0, 250);
        }
        host.join().unwrap();
    }

    #[test]
    fn the_rest_begins_where_the_last_write_ended() {
        let parts: [&[u8]; 3] = [b"ab", b"", b"cde"];
        for sent in 0..=5 {
            let left: Vec<u8> = rest(parts, sent).iter().flat_map(|part| part.to_vec()).collect();
            assert_eq!(left, b"abcde"[sent..]);
        }
    }
}
