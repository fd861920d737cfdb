//! The wire: the stream that lettre's connection reads from and writes to, until EHLO and AUTH are over; then it becomes a [`Pipe`].
//!
//! It stands between lettre and the socket because a next host may be broken or hostile, and because of what lettre's
//! connection leaves open:
//!
//! * **time**: a reply has so long from the last write on, a block so long to be taken; lettre waits for ever.
//! * **bounds**: lettre reads a reply line of any length. Here a line, and the lines of a reply, have a limit.
//! * **replies as they are**: other bytes than UTF-8, a bare LF, a code without text, and codes as 571 are errors to lettre. Here
//!   they are replies; what is handed on is a form that lettre reads, what we report is what was said.
//! * **nothing ahead of time**: lines are handed on one at a time, so that what a man in the middle sends behind the
//!   reply to STARTTLS stays here, is seen, and ends the connection (RFC 3207 §4.2, CVE-2021-38371).
//! * **no reply to what was not asked**: what is there before a command leaves is not its reply, and whose it is nobody knows.
//!   The command stays here and the connection has ended: a refusal never falls on the next recipient.
//! * **few packets**: what is written waits until lettre asks for the reply, so that a message leaves together with its final dot.
//! * **LMTP**: lettre greets with EHLO; for LMTP (RFC 2033 §4.1) it becomes LHLO.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncTokioStream;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::client::TlsStream;

use super::pipe::Pipe;
use super::wire_reply::{ReplyReader, Said};

/// What is written waits up to this many bytes.
const MAX_WAITING: usize = 128 * 1024;

/// The socket, encrypted or not.
pub(crate) enum Link {
    /// As it is.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two.
    Gone,
}

/// The state behind a [`Wire`].
struct State {
    link: Link,
    peer: SocketAddr,
    waiting: Vec<u8>,
    written: usize,
    replies: ReplyReader,
    /// How long the next reply may take, from its first poll on.
    patience: Duration,
    /// How long a write may stand still.
    block: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    lmtp: bool,
}

/// A handle on the wire: lettre has one, the conversation another.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Mutex<State>>);

impl Wire {
    /// A wire over this link.
    pub(crate) fn new(link: Link, peer: SocketAddr, block: Duration, lmtp: bool) -> Wire {
        Wire(Arc::new(Mutex::new(State {
            link,
            peer,
            waiting: Vec::new(),
            written: 0,
            replies: ReplyReader::default(),
            patience: block,
            block,
            timer: None,
            lmtp,
        })))
    }

    /// How long the next reply may take.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.state().patience = patience;
    }

    /// The last whole reply, as it was said.
    pub(crate) fn last_reply(&self) -> Option<Said> {
        self.state().replies.last()
    }

    /// The link, and what has been read of it beyond the last reply: the conversation goes on without lettre.
    pub(super) fn into_pipe(self) -> Pipe {
        let mut state = self.state();
        let link = std::mem::replace(&mut state.link, Link::Gone);
        Pipe::new(link, std::mem::take(&mut state.replies), state.block)
    }

    /// Nothing of what was written last has gone out.
    #[cfg(test)]
    fn is_unsent(&self) -> bool {
        let state = self.state();
        !state.waiting.is_empty() && state.written == 0
    }

    /// Takes the socket for the TLS handshake; none when the next host has said more than it was asked.
    pub(crate) fn take_plain(&self) -> Option<TcpStream> {
        let mut state = self.state();
        if !state.replies.is_drained() {
            return None;
        }
        match std::mem::replace(&mut state.link, Link::Gone) {
            Link::Plain(socket) => Some(socket),
            _ => None,
        }
    }

    /// Goes on over this link.
    pub(crate) fn put(&self, link: Link) {
        self.state().link = link;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.written == 0 && !self.waiting.is_empty() {
            ready!(poll_silent(&mut self.link, &mut self.replies, cx)).map_err(|uninvited| uninvited.error)?;
        }
        while self.written < self.waiting.len() {
            let rest = &self.waiting[self.written..];
            match self.link.poll_write(cx, rest) {
                Poll::Pending => return self.poll_late(cx, self.block, "the next host takes no more data"),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.timer = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        match self.link.poll_flush(cx) {
            Poll::Pending => return self.poll_late(cx, self.block, "the next host takes no more data"),
            Poll::Ready(done) => done?,
        }
        if self.written > 0 {
            self.waiting.clear();
            self.written = 0;
            self.timer = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_line(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.replies.hand_on(out)? {
                if self.replies.is_between() {
                    self.timer = None;
                }
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0_u8; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            match self.link.poll_read(cx, &mut read) {
                Poll::Pending => return self.poll_late(cx, self.patience, "no reply in time"),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    return Poll::Ready(Err(closed()));
                }
                Poll::Ready(Ok(())) => self.replies.take(read.filled()),
            }
        }
    }

    /// Waits, but not for ever.
    fn poll_late(&mut self, cx: &mut Context<'_>, limit: Duration, what: &'static str) -> Poll<io::Result<()>> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(late(what, limit)))
    }
}

pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the next host closed the connection")
}

pub(super) fn late(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} ({} s)", limit.as_secs()))
}

/// There was something to read that nobody had asked for, or the end.
pub(super) struct Uninvited {
    /// What, in words.
    pub(super) error: io::Error,
    /// It was neither the end nor a goodbye.
    pub(super) out_of_step: bool,
}

impl Uninvited {
    fn end(error: io::Error) -> Uninvited {
        Uninvited { error, out_of_step: false }
    }
}

/// An error when there is input although nothing has been asked since the last reply. Waits for no more than the
/// runtime's knowledge of what the socket has already.
pub(super) fn poll_silent(
    link: &mut Link,
    replies: &mut ReplyReader,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Uninvited>> {
    if replies.is_drained() {
        let mut bytes = [0_u8; 1024];
        let mut read = ReadBuf::new(&mut bytes);
        match ready!(link.poll_input(cx, &mut read)).map_err(Uninvited::end)? {
            Input::None => return Poll::Ready(Ok(())),
            Input::End => return Poll::Ready(Err(Uninvited::end(closed()))),
            Input::Some => replies.take(read.filled()),
        }
    }
    // RFC 5321 §3.8: a host may say 421 and leave at any time. What it said before is as true as ever.
    let said = replies.uninvited();
    let text = format!("the next host said {said:?} without being asked");
    let error = io::Error::new(io::ErrorKind::InvalidData, text);
    Poll::Ready(Err(Uninvited { error, out_of_step: !said.starts_with("421") }))
}

/// What there is to read.
enum Input {
    None,
    Some,
    End,
}

/// Is there input, or an end? Asks the kernel and not the runtime, which may not have heard of it yet.
fn has_input(socket: &TcpStream) -> io::Result<bool> {
    let mut byte = [0_u8; 1];
    match rustix::net::recv(socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Link {
    /// What there is to read at this moment, read.
    fn poll_input(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<Input>> {
        loop {
            // Nobody is to be woken by what is not there.
            match self.poll_read(&mut Context::from_waker(Waker::noop()), out) {
                Poll::Ready(Ok(())) if out.filled().is_empty() => return Poll::Ready(Ok(Input::End)),
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(Input::Some)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            let socket = match self {
                Link::Plain(socket) => &*socket,
                Link::Tls(stream) => stream.get_ref().0,
                Link::Gone => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
            // Within TLS it need not be a reply: session tickets come like this (RFC 8446 §4.6.1).
            if !has_input(socket)? {
                return Poll::Ready(Ok(Input::None));
            }
            ready!(socket.poll_read_ready(cx))?;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Link::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Link::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Link::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, parts),
            Link::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Link::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Link::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Link::Plain(socket) => Pin::new(socket).poll_read(cx, out),
            Link::Tls(stream) => Pin::new(stream).poll_read(cx, out),
            Link::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Link::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Link::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Link::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_out(cx))?;
        state.poll_line(cx, out)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.waiting.len() >= MAX_WAITING {
            ready!(state.poll_out(cx))?;
        }
        state.timer = None;
        let greeting = state.lmtp && bytes.starts_with(b"EHLO ");
        state.lmtp &= !greeting;
        state.waiting.extend_from_slice(bytes);
        if greeting {
            let at = state.waiting.len() - bytes.len();
            state.waiting[at] = b'L';
            state.waiting[at + 1] = b'H';
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// What was written goes out when the reply is asked for.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().link.poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.state().peer)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("peer", &self.state().peer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A question over a wire on which this has arrived; one thread, so that only the kernel has heard of it.
    async fn asked_behind(arrived: &[u8], and_closes: bool) -> (io::Error, Wire) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = listener.local_addr().unwrap();
        let socket = TcpStream::connect(peer).await.unwrap();
        let (mut host, _) = listener.accept().unwrap();
        let mut wire = Wire::new(Link::Plain(socket), peer, Duration::from_millis(50), false);
        host.write_all(arrived).unwrap();
        let host = (!and_closes).then_some(host);
        wire.write_all(b"MAIL FROM:<>\r\n").await.unwrap();
        let error = wire.read_u8().await.unwrap_err();
        drop(host);
        (error, wire)
    }

    #[tokio::test]
    async fn nothing_is_asked_while_there_is_something_that_was_not() {
        for (arrived, and_closes, kind) in [
            (&b"550 5.1.1 no such user\r\n"[..], false, io::ErrorKind::InvalidData),
            (b"2", false, io::ErrorKind::InvalidData),
            (b"421 4.3.2 shutting down\r\n", true, io::ErrorKind::InvalidData),
            (b"", true, io::ErrorKind::UnexpectedEof),
        ] {
            let (error, wire) = asked_behind(arrived, and_closes).await;
            assert_eq!((error.kind(), wire.is_unsent()), (kind, true), "{error}");
        }
        let (error, wire) = asked_behind(b"", false).await;
        assert_eq!((error.kind(), wire.is_unsent()), (io::ErrorKind::TimedOut, false), "asked, and not answered");
    }
}
