//! A client that sends exactly the octets that a test gives it, and reads replies.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a test waits for what must happen. Nothing depends on it but how late a failure is seen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(crate) struct Client {
    stream: Carrier,
    unread: Vec<u8>,
}

enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Reply code.
    pub(crate) code: String,
    /// Enhanced status code; empty without one.
    pub(crate) status: String,
    /// Its lines, whole.
    pub(crate) lines: Vec<String>,
}

impl Reply {
    /// Code and enhanced status code, as in "250 2.1.0".
    pub(crate) fn codes(&self) -> String {
        format!("{} {}", self.code, self.status).trim_end().to_owned()
    }
}

impl Client {
    /// Connects over TCP.
    pub(crate) fn tcp(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        // Each write is to be a segment of its own.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { stream: Carrier::Tcp(stream), unread: Vec::new() }
    }

    /// Connects to a Unix socket.
    pub(crate) fn unix(path: &Path) -> Client {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream: Carrier::Unix(stream), unread: Vec::new() }
    }

    /// Sends octets in one write; false when the server has closed the connection.
    pub(crate) fn send(&mut self, octets: &[u8]) -> bool {
        let sent = match &mut self.stream {
            Carrier::Tcp(stream) => stream.write_all(octets),
            Carrier::Unix(stream) => stream.write_all(octets),
        };
        sent.is_ok()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) {
        // The server may have closed the connection already.
        let _ = match &mut self.stream {
            Carrier::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Carrier::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// The next reply; nothing when the server has closed the connection instead.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let last = line.as_bytes().get(3) == Some(&b' ');
            lines.push(line);
            if last {
                return Some(parse(lines));
            }
        }
    }

    /// The codes of the next replies, so many of them.
    pub(crate) fn codes(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.reply().map_or("closed".to_owned(), |reply| reply.codes())).collect()
    }

    /// Sends, and returns the codes of the next replies, so many of them.
    pub(crate) fn say(&mut self, octets: &[u8], count: usize) -> Vec<String> {
        assert!(self.send(octets), "the connection is closed");
        self.codes(count)
    }

    /// The codes of all replies until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.reply()).map(|reply| reply.codes()).collect()
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..end + 2).collect();
                assert!(line.len() <= 512, "RFC 5321 section 4.5.3.1.5: {} octets in a reply", line.len());
                assert!(line[..end].iter().all(|octet| (b' '..=b'~').contains(octet)), "{line:?}");
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut chunk = [0; 4096];
            let read = match &mut self.stream {
                Carrier::Tcp(stream) => stream.read(&mut chunk),
                Carrier::Unix(stream) => stream.read(&mut chunk),
            };
            match read {
                // A reset is an end as well.
                Ok(0) => return None,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply within {PATIENCE:?}: {error}"),
                Ok(read) => self.unread.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

fn parse(lines: Vec<String>) -> Reply {
    let last = lines.last().expect("a reply has a last line");
    let (code, rest) = last.split_at(3);
    let word = rest[1..].split(' ').next().unwrap_or_default();
    let is_status = word.split('.').count() == 3 && word.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    let status = if is_status { word } else { "" };
    Reply { code: code.to_owned(), status: status.to_owned(), lines: lines.clone() }
}
