//! One connection as the dialogue sees it: lines and octets in, replies out, and a clock over both.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::reply::Reply;

/// Octets that are read at once.
const CHUNK: usize = 32 << 10;
/// Replies that are gathered before they are sent although more commands are there (RFC 2920 §3.2).
const MAX_OUTPUT: usize = 16 << 10;
/// How long, and how much, a closed connection is still read, so that what was sent last is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 1 << 20;

/// What carries a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// When the server was told to stop; nothing as long as it was not.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// Waits until the server is told to stop, and says when that was.
pub(crate) async fn stopped(stop: &mut Stop) -> Instant {
    match stop.wait_for(Option::is_some).await.map(|at| *at) {
        Ok(Some(at)) => at,
        // The server is gone, and with it whoever could stop.
        _ => std::future::pending().await,
    }
}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    stop: Stop,
    reply_limit: Duration,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All has been said.
    Said,
    /// The client is gone, or does not read its replies.
    Gone,
    /// The client has used up its time.
    Slow,
    /// The server was told to stop.
    Stopping,
}

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its CRLF.
    Text(Vec<u8>),
    /// Longer than allowed; it has been dropped.
    TooLong,
    /// It ended in LF alone.
    BareLf,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, stop: Stop, reply_limit: Duration) -> Self {
        Wire { stream, stop, reply_limit, input: Vec::new(), output: Vec::new() }
    }

    /// Adds a reply to what is sent before the next wait for input.
    pub(crate) fn say(&mut self, reply: &Reply) {
        reply.write(&mut self.output);
    }

    /// The server was told to stop.
    pub(crate) fn stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// What has been read and not yet been taken.
    pub(crate) fn input(&self) -> &[u8] {
        &self.input
    }

    /// Takes that many octets of the input.
    pub(crate) fn take(&mut self, octets: usize) {
        self.input.drain(..octets);
    }

    /// The next command line, of at most `limit` octets with its CRLF; the rest of a longer one is read and dropped.
    pub(crate) async fn line(&mut self, limit: usize, deadline: Instant) -> Result<Line, End> {
        let mut too_long = false;
        loop {
            let end = self.input.iter().position(|octet| *octet == b'\n');
            if let Some(end) = end {
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                if too_long || line.len() > limit {
                    return Ok(Line::TooLong);
                }
                line.pop();
                // RFC 5321 §2.3.8: a line ends in CRLF and in nothing else.
                return Ok(if line.pop() == Some(b'\r') { Line::Text(line) } else { Line::BareLf });
            }
            if self.input.len() >= limit {
                too_long = true;
                self.input.clear();
            }
            self.fill(deadline, Duration::ZERO).await?;
        }
    }

    /// Sends what is to be sent, then waits for more input: until `deadline`, or until the server has been stopping
    /// for `grace`.
    pub(crate) async fn fill(&mut self, deadline: Instant, grace: Duration) -> Result<(), End> {
        self.flush().await?;
        // A client that always has more to send must not escape the clock.
        let now = Instant::now();
        if self.stop.borrow().is_some_and(|at| now >= at + grace) {
            return Err(End::Stopping);
        }
        if now >= deadline {
            return Err(End::Slow);
        }
        let stop = &mut self.stop;
        let graced = async move { sleep_until(stopped(stop).await + grace).await };
        self.input.reserve(CHUNK);
        let mut stream = (&mut self.stream).take(CHUNK as u64);
        let read = tokio::select! {
            read = timeout_at(deadline, stream.read_buf(&mut self.input)) => read,
            () = graced => return Err(End::Stopping),
        };
        match read {
            Err(_) => Err(End::Slow),
            Ok(Ok(0)) | Ok(Err(_)) => Err(End::Gone),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Sends the replies when there are many of them.
    pub(crate) async fn flush_if_full(&mut self) -> Result<(), End> {
        if self.output.len() < MAX_OUTPUT { Ok(()) } else { self.flush().await }
    }

    /// Sends all replies.
    pub(crate) async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let sent = timeout(self.reply_limit, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {
                self.output.clear();
                Ok(())
            }
            _ => Err(End::Gone),
        }
    }

    /// Sends the last replies and closes the connection.
    pub(crate) async fn close(mut self) {
        if self.flush().await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        // Closing with input unread resets a TCP connection, and the client may then lose our last reply.
        let mut left = LINGER_OCTETS;
        let drained = timeout(LINGER, async {
            let mut chunk = vec![0; 4 << 10];
            while let Ok(read @ 1..) = self.stream.read(&mut chunk).await
                && left > 0
            {
                left = left.saturating_sub(read);
            }
        });
        let _ = drained.await;
    }
}
