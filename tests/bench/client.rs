//! Clients: posts by LMTP, as a mail server hands them in; copies by lock-step SMTP, as the simplest sender would.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::sink::{POST_FIELD, member};

/// The list that every post goes to.
pub(crate) const LIST: &str = "bench@lists.example.org";

/// A post with a body of about `size` octets.
pub(crate) fn post(number: usize, size: usize) -> Vec<u8> {
    let line = "The stones turn, and what comes in at the top leaves at the bottom, finer.\r\n";
    let head = format!(
        "From: Alice <alice@example.net>\r\nTo: {LIST}\r\nSubject: post {number}\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\
         Message-ID: <bench-{number}@example.net>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n{POST_FIELD}{number}\r\n\r\n"
    );
    let mut message = head.into_bytes();
    (0..size.div_ceil(line.len())).for_each(|_| message.extend_from_slice(line.as_bytes()));
    message
}

struct Connection {
    to: TcpStream,
    from: BufReader<TcpStream>,
}

impl Connection {
    fn open(address: SocketAddr, greeting: &str) -> Result<Self, Failure> {
        let to = TcpStream::connect(address)?;
        to.set_nodelay(true)?;
        to.set_read_timeout(Some(Duration::from_secs(120)))?;
        let mut connection = Connection { from: BufReader::new(to.try_clone()?), to };
        connection.expect("220")?;
        connection.ask(&format!("{greeting} bench.example.net\r\n"), "250")?;
        Ok(connection)
    }

    fn ask(&mut self, command: &str, code: &str) -> Result<(), Failure> {
        self.to.write_all(command.as_bytes())?;
        self.expect(code)
    }

    /// Reads one reply, of one line or several.
    fn expect(&mut self, code: &str) -> Result<(), Failure> {
        loop {
            let mut line = String::new();
            self.from.read_line(&mut line)?;
            if !line.starts_with(code) {
                return Err(format!("{code} was expected, and {line:?} came").into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// Runs `work` on `connections` threads, each with its number, and fails with the first failure.
fn on_each(connections: usize, work: impl Fn(usize) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(number)
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })
}

/// Hands `posts` posts in by LMTP, pipelined as far as the protocol allows; returns when the last one has its 250.
pub(crate) fn hand_in(address: SocketAddr, posts: usize, size: usize, connections: usize) -> Result<(), Failure> {
    on_each(connections.min(posts), |first| {
        let mut lmtp = Connection::open(address, "LHLO")?;
        for number in (first..posts).step_by(connections) {
            lmtp.to.write_all(format!("MAIL FROM:<alice@example.net>\r\nRCPT TO:<{LIST}>\r\nDATA\r\n").as_bytes())?;
            ["250", "250", "354"].iter().try_for_each(|code| lmtp.expect(code))?;
            let mut message = post(number, size);
            message.extend_from_slice(b".\r\n");
            lmtp.to.write_all(&message)?;
            lmtp.expect("250")?;
        }
        lmtp.ask("QUIT\r\n", "221")
    })
}

/// Hands in mails, each with its sender and its one recipient; returns when the last one has its 250.
pub(crate) fn hand_in_mails(
    address: SocketAddr,
    mails: &[(String, String, Vec<u8>)],
    connections: usize,
) -> Result<(), Failure> {
    on_each(connections.min(mails.len()), |first| {
        let mut lmtp = Connection::open(address, "LHLO")?;
        for (sender, recipient, message) in mails.iter().skip(first).step_by(connections) {
            lmtp.to.write_all(format!("MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n").as_bytes())?;
            ["250", "250", "354"].iter().try_for_each(|code| lmtp.expect(code))?;
            lmtp.to.write_all(&[message.as_slice(), b".\r\n"].concat())?;
            lmtp.expect("250")?;
        }
        lmtp.ask("QUIT\r\n", "221")
    })
}

/// Sends `copies` copies of one post in lock step: one command, one reply.
pub(crate) fn lock_step(address: SocketAddr, copies: usize, size: usize, connections: usize) -> Result<(), Failure> {
    let mut message = post(0, size);
    message.extend_from_slice(b".\r\n");
    on_each(connections, |first| {
        let mut smtp = Connection::open(address, "EHLO")?;
        for number in (first..copies).step_by(connections) {
            let recipient = member(number);
            smtp.ask(
                &format!("MAIL FROM:<bench-bounces+{}@lists.example.org>\r\n", recipient.replace('@', "=")),
                "250",
            )?;
            smtp.ask(&format!("RCPT TO:<{recipient}>\r\n"), "250")?;
            smtp.ask("DATA\r\n", "354")?;
            smtp.to.write_all(&message)?;
            smtp.expect("250")?;
        }
        smtp.ask("QUIT\r\n", "221")
    })
}
