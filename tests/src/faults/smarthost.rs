//! A smarthost that takes everything, keeps no message, and writes down each copy before it says `250`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a harness for tests: sockets, threads, and a failure is the end of the test"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::ledger::{appended, line};

/// The field that says which post a message is.
pub const POST_FIELD: &str = "X-Post";

/// One line: a message to one recipient, whose final dot was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Copy {
    /// The post that it is a copy of; none: a letter.
    pub post: Option<u64>,
    /// Who gets it.
    pub to: String,
}

#[derive(Default)]
struct Seen {
    copies: BTreeMap<Copy, usize>,
    /// The return path of each recipient's last copy.
    paths: BTreeMap<String, String>,
    total: u64,
}

/// It listens, until the end of the process.
pub struct Smarthost {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Smarthost {
    /// Listens, and writes its ledger into this file.
    pub fn start(ledger: &Path) -> Smarthost {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::<Seen>::default()));
        let (shared, file) = (Arc::clone(&seen), Arc::new(Mutex::new(appended(ledger))));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, file) = (Arc::clone(&shared), Arc::clone(&file));
                // A client that dies in the middle has delivered nothing: the ledger tells.
                std::thread::spawn(move || serve(stream, &seen, &file).ok());
            }
        });
        Smarthost { address, seen }
    }

    /// As a site file names it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How often this has come.
    pub fn times(&self, copy: &Copy) -> usize {
        self.seen().copies.get(copy).copied().unwrap_or(0)
    }

    /// How many messages have come in all, a recipient each.
    pub fn total(&self) -> u64 {
        self.seen().total
    }

    /// Where the last copy of this recipient comes back to.
    pub fn return_path(&self, of: &str) -> Option<String> {
        self.seen().paths.get(of).cloned()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Seen>, ledger: &Mutex<File>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut to = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    let (mut command, mut path, mut recipients) = (Vec::new(), String::new(), Vec::new());
    to.write_all(b"220 smarthost.example.org ESMTP\r\n")?;
    loop {
        command.clear();
        if from.read_until(b'\n', &mut command)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&command).into_owned();
        let word = text.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match word.as_str() {
            "EHLO" => "250-smarthost.example.org\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES",
            "MAIL" => {
                (path, recipients) = (bracketed(&text), Vec::new());
                "250 2.1.0 ok"
            }
            "RCPT" => {
                recipients.push(bracketed(&text));
                "250 2.1.5 ok"
            }
            "DATA" => {
                to.write_all(b"354 go on\r\n")?;
                let post = read_message(&mut from)?;
                note(seen, ledger, post, &path, &recipients);
                "250 2.0.0 ok"
            }
            "QUIT" => return to.write_all(b"221 2.0.0 bye\r\n"),
            _ => "250 2.0.0 ok",
        };
        to.write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

fn note(seen: &Mutex<Seen>, ledger: &Mutex<File>, post: Option<u64>, path: &str, recipients: &[String]) {
    for to in recipients {
        let copy = Copy { post, to: to.clone() };
        line(ledger, &copy);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if post.is_some() {
            seen.paths.insert(to.clone(), path.to_owned());
        }
        *seen.copies.entry(copy).or_default() += 1;
        seen.total += 1;
    }
}

fn bracketed(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inside.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// Reads to the final dot; the post that it is.
fn read_message(from: &mut impl BufRead) -> std::io::Result<Option<u64>> {
    let (mut line, mut post) = (Vec::new(), None);
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(post);
        }
        let value = || String::from_utf8_lossy(&line).strip_prefix(&format!("{POST_FIELD}: "))?.trim().parse().ok();
        post = post.or_else(value);
    }
}
