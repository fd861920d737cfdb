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
            match self.limited(|link, cx| link.poll_write_vectored(cx, &rest(parts, sent))).await {
                Ok(0) => return Err(failed(io::ErrorKind::WriteZero.into(), sent)),
                Ok(count) => sent += count,
                Err(error) => return Err(failed(error, sent)),
            }
        }
        self.limited(Link::poll_flush).await.map_err(|error| failed(error, sent))
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
            let mut bytes = [0_u8; 4096];
            let mut read = ReadBuf::new(&mut bytes);
            poll_fn(|cx| self.link.poll_read(cx, &mut read)).await?;
            if read.filled().is_empty() {
                return Err(closed());
            }
            self.replies.take(read.filled());
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
    use super::*;

    #[test]
    fn the_rest_begins_where_the_last_write_ended() {
        let parts: [&[u8]; 3] = [b"ab", b"", b"cde"];
        for sent in 0..=5 {
            let left: Vec<u8> = rest(parts, sent).iter().flat_map(|part| part.to_vec()).collect();
            assert_eq!(left, b"abcde"[sent..]);
        }
    }
}
