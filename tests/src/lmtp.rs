//! An LMTP client (RFC 2033) that says each command and reads each reply.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a client for tests: a socket, and a failure is the end of the test"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use crate::program::PATIENCE;

/// One session.
pub struct Lmtp {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Lmtp {
    /// Connects and says LHLO.
    pub fn connect(address: SocketAddr) -> Lmtp {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lmtp = Lmtp { replies: BufReader::new(stream.try_clone().unwrap()), stream };
        assert!(lmtp.reply().starts_with("220"));
        assert!(lmtp.say("LHLO mx.example.org").starts_with("250"));
        lmtp
    }

    /// Says one line; the last line of the reply.
    pub fn say(&mut self, line: &str) -> String {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// The last line of the next reply.
    pub fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.replies.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Hands in one message for one recipient; the reply that decides.
    pub fn send(&mut self, sender: &str, recipient: &str, message: &[u8]) -> String {
        for line in [format!("MAIL FROM:<{sender}> BODY=8BITMIME"), format!("RCPT TO:<{recipient}>"), "DATA".to_owned()]
        {
            let reply = self.say(&line);
            if !reply.starts_with('2') && !reply.starts_with('3') {
                self.say("RSET");
                return reply;
            }
        }
        self.stream.write_all(&stuffed(message)).unwrap();
        self.reply()
    }

    /// What RCPT is answered.
    pub fn rcpt(&mut self, recipient: &str) -> String {
        self.say("MAIL FROM:<bob@example.net>");
        let reply = self.say(&format!("RCPT TO:<{recipient}>"));
        self.say("RSET");
        reply
    }

    /// Hands in one message, which must be taken.
    pub fn post(&mut self, sender: &str, recipient: &str, message: &[u8]) {
        let reply = self.send(sender, recipient, message);
        assert!(reply.starts_with("250"), "{reply}");
    }
}

/// The message with its dots doubled (RFC 5321 §4.5.2) and its end.
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
