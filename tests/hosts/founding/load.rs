//! Mail that keeps coming while something is taken away, and what must have become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_tests::estate::Estate;
use listmill_tests::letters::{Letter, Mail};
use listmill_tests::lmtp::stuffed;
use listmill_tests::network::Network;
use listmill_tests::program::wait_for;

/// Members of the list that is posted to.
pub(crate) const MEMBERS: usize = 10;
/// Of so many messages one is a command, and the others are posts.
const COMMANDS: usize = 4;
/// A server that says nothing for so long will not.
const SILENCE: Duration = Duration::from_secs(30);

/// What was taken: a `250` was seen.
#[derive(Debug, Default, Clone)]
pub(crate) struct Taken {
    /// The Message-IDs of posts, with their angle brackets.
    pub(crate) posts: BTreeSet<String>,
    /// Who asked to join.
    pub(crate) joins: BTreeSet<String>,
    /// How often the answer was "later".
    pub(crate) later: usize,
    /// How often a connection broke after the final dot, so that nobody knows; it was sent again then.
    pub(crate) in_doubt: usize,
}

/// The lists of a test, and mail to them.
pub(crate) struct Load {
    name: String,
    /// How much the sink had received before.
    mark: usize,
    taken: Arc<Mutex<Taken>>,
    written: Arc<AtomicUsize>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Load {
    /// Two lists: one with members who get posts, one that everybody may join by mail.
    pub(crate) fn new(estate: &Estate, name: &str) -> Load {
        let load = Load {
            name: name.to_owned(),
            mark: estate.sink.count(),
            taken: Arc::default(),
            written: Arc::default(),
            thread: None,
        };
        estate.list(&load.posts(), &["nonmember_action=accept"], (0..MEMBERS).map(|number| load.member(number)));
        estate.list(&load.team(), &["subscribe_policy=open"], []);
        load
    }

    fn posts(&self) -> String {
        format!("{}@lists.example.org", self.name)
    }

    fn team(&self) -> String {
        format!("{}team@lists.example.org", self.name)
    }

    fn member(&self, number: usize) -> String {
        format!("{}{number}@example.net", self.name)
    }

    /// A message every `pause`, from now on.
    pub(crate) fn start(&mut self, estate: &Estate, pause: Duration) {
        let (stop, stopped) = channel();
        let mut writer = self.writer(estate, pause, stopped);
        self.thread = Some((stop, std::thread::spawn(move || writer.write(usize::MAX))));
    }

    /// So many messages, one after the other.
    pub(crate) fn write(&self, estate: &Estate, messages: usize) {
        let (_stop, stopped) = channel();
        self.writer(estate, Duration::ZERO, stopped).write(messages);
    }

    fn writer(&self, estate: &Estate, pause: Duration, stopped: Receiver<()>) -> Writer {
        let client = Client { network: Arc::clone(&estate.network), address: estate.intake(), stream: None };
        let (taken, written) = (Arc::clone(&self.taken), Arc::clone(&self.written));
        Writer { client, name: self.name.clone(), taken, written, pause, stopped }
    }

    /// No more mail, but what has been begun.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    /// A post that the test has handed in itself.
    pub(crate) fn note_post(&self, mail: &Mail) {
        self.taken.lock().unwrap().posts.insert(format!("<{}>", mail.message_id()));
    }

    pub(crate) fn taken(&self) -> Taken {
        self.taken.lock().unwrap().clone()
    }

    /// How many messages must leave because of what was taken.
    pub(crate) fn expected(&self) -> usize {
        let taken = self.taken.lock().unwrap();
        taken.posts.len() * MEMBERS + taken.joins.len()
    }

    /// Waits until everything that was taken has come out, and all is quiet; what came.
    pub(crate) fn account(&self, estate: &Estate, back: Instant) -> Account {
        let taken = self.taken();
        let mut tally = Tally { seen: self.mark, ..Tally::default() };
        let all = self.come_out(estate, &taken, &mut tally);
        let last = back.elapsed();
        if all {
            // A second copy would come behind the first.
            estate.rest();
        }
        tally.catch_up(estate, &self.name);
        let lost = self.missing(&taken, &tally);
        let doubled = tally.copies.values().chain(tally.welcomes.values()).map(|count| count - 1).sum();
        Account { lost, doubled, twice: self.twice(estate, &taken), last, taken }
    }

    /// Waits until all that follows from what was taken so far has come out.
    pub(crate) fn wait_until_out(&self, estate: &Estate, taken: &Taken) {
        let mut tally = Tally { seen: self.mark, ..Tally::default() };
        assert!(self.come_out(estate, taken, &mut tally), "did not come out: {:?}", self.missing(taken, &tally));
    }

    /// Waits until one more message has been taken.
    pub(crate) fn wait_for_another(&self) {
        let count = |taken: Taken| taken.posts.len() + taken.joins.len();
        let before = count(self.taken());
        wait_for("another message to be taken", || count(self.taken()) > before);
    }

    /// Whether it has. There is patience as long as anything comes: what waits may be much, and the machine slow.
    fn come_out(&self, estate: &Estate, taken: &Taken, tally: &mut Tally) -> bool {
        let expected = taken.posts.len() * MEMBERS + taken.joins.len();
        loop {
            let before = estate.sink.count();
            tally.catch_up(estate, &self.name);
            if tally.copies.len() + tally.welcomes.len() >= expected && self.missing(taken, tally).is_empty() {
                return true;
            }
            if !estate.sink.wait(PATIENCE, |sink| sink.count() > before) {
                return false;
            }
        }
    }

    fn missing(&self, taken: &Taken, tally: &Tally) -> Vec<String> {
        let mut missing = Vec::new();
        for post in &taken.posts {
            let without = (0..MEMBERS).map(|number| (post.clone(), self.member(number)));
            missing.extend(without.filter(|key| !tally.copies.contains_key(key)).map(|key| format!("{key:?}")));
        }
        missing.extend(taken.joins.iter().filter(|join| !tally.welcomes.contains_key(*join)).cloned());
        missing
    }

    /// Commands that the store has not carried out exactly once, with how often it did.
    fn twice(&self, estate: &Estate, taken: &Taken) -> BTreeMap<String, usize> {
        let mut done: BTreeMap<String, usize> = taken.joins.iter().map(|join| (join.clone(), 0)).collect();
        let prefix = format!("{}: ", self.team());
        for what in estate.audit().into_iter().flat_map(|record| record.what) {
            let added = what.strip_prefix(&prefix).and_then(|rest| rest.split_once(" added as")).map(|(who, _)| who);
            if let Some(count) = added.and_then(|who| done.get_mut(who)) {
                *count += 1;
            }
        }
        done.retain(|_, count| *count != 1);
        done
    }
}

/// How long a test waits for the next message.
const PATIENCE: Duration = Duration::from_secs(180);

/// What has become of it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) taken: Taken,
    /// Copies and welcomes that did not come.
    pub(crate) lost: Vec<String>,
    /// Copies and welcomes that came once too often.
    pub(crate) doubled: usize,
    /// Commands that were not done exactly once.
    pub(crate) twice: BTreeMap<String, usize>,
    /// From the moment that everything was there again to the last message out.
    pub(crate) last: Duration,
}

#[derive(Default)]
struct Tally {
    seen: usize,
    copies: BTreeMap<(String, String), usize>,
    welcomes: BTreeMap<String, usize>,
}

impl Tally {
    fn catch_up(&mut self, estate: &Estate, name: &str) {
        let new = estate.sink.received_after(self.seen);
        self.seen += new.len();
        for letter in new.iter().filter(|one| one.acknowledged).flat_map(Letter::read) {
            if letter.is_copy() && letter.field("Message-ID").contains(name) {
                *self.copies.entry((letter.field("Message-ID"), letter.to)).or_default() += 1;
            } else if letter.to.contains(&format!(".{name}@")) {
                *self.welcomes.entry(letter.to).or_default() += 1;
            }
        }
    }
}

/// Who hands mail in, as a mail server does: what is refused for now is sent again.
struct Writer {
    client: Client,
    name: String,
    taken: Arc<Mutex<Taken>>,
    written: Arc<AtomicUsize>,
    pause: Duration,
    stopped: Receiver<()>,
}

impl Writer {
    fn write(&mut self, messages: usize) {
        for _ in 0..messages {
            let number = self.written.fetch_add(1, Ordering::Relaxed);
            let (mail, id) = self.message(number);
            while !self.hand_in(&mail) {
                if self.waits(Duration::from_millis(500)) {
                    return;
                }
            }
            let mut taken = self.taken.lock().unwrap();
            if id.starts_with('<') {
                taken.posts.insert(id)
            } else {
                taken.joins.insert(id)
            };
            drop(taken);
            if self.waits(self.pause) {
                return;
            }
        }
    }

    /// A message, and how it is known later.
    fn message(&self, number: usize) -> (Mail, String) {
        let name = &self.name;
        if number % COMMANDS == COMMANDS - 1 {
            let who = format!("p{number}.{name}@example.com");
            return (Mail::new(&who, &format!("{name}team-join@lists.example.org")), who);
        }
        let mail = Mail::new(&format!("{name}0@example.net"), &format!("{name}@lists.example.org"));
        let mail = mail.identified(&format!("{number}.{name}@example.net")).subject(&format!("{name} {number}"));
        let id = format!("<{}>", mail.message_id());
        (mail.text("Hello.\n"), id)
    }

    fn hand_in(&mut self, mail: &Mail) -> bool {
        let mut in_doubt = false;
        let reply = self.client.hand_in(mail, &mut in_doubt);
        let mut taken = self.taken.lock().unwrap();
        match reply {
            Ok(reply) if reply.starts_with("250") => return true,
            Ok(reply) => {
                assert!(reply.starts_with('4'), "{reply}");
                taken.later += 1;
            }
            Err(_) => {
                self.client.stream = None;
                taken.in_doubt += usize::from(in_doubt);
            }
        }
        false
    }

    fn waits(&self, pause: Duration) -> bool {
        self.stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected)
    }
}

/// A client that outlives its connections.
struct Client {
    network: Arc<Network>,
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// The reply that decides. `in_doubt` says whether an error came where the message may have been taken.
    fn hand_in(&mut self, mail: &Mail, in_doubt: &mut bool) -> std::io::Result<String> {
        if self.stream.is_none() {
            let connected =
                self.network.within("world", || TcpStream::connect_timeout(&self.address, Duration::from_secs(5)))?;
            connected.set_nodelay(true)?;
            connected.set_read_timeout(Some(SILENCE))?;
            self.stream = Some(BufReader::new(connected));
            self.reply()?;
            self.say(b"LHLO mx.example.org\r\n")?;
        }
        for line in
            [format!("MAIL FROM:<{}>\r\n", mail.sender), format!("RCPT TO:<{}>\r\n", mail.to), "DATA\r\n".to_owned()]
        {
            let reply = self.say(line.as_bytes())?;
            if !reply.starts_with(['2', '3']) {
                self.say(b"RSET\r\n")?;
                return Ok(reply);
            }
        }
        *in_doubt = true;
        self.say(&stuffed(&mail.bytes()))
    }

    fn say(&mut self, bytes: &[u8]) -> std::io::Result<String> {
        let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        stream.get_mut().write_all(bytes)?;
        self.reply()
    }

    fn reply(&mut self) -> std::io::Result<String> {
        let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}
