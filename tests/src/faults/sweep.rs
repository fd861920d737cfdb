//! Kill after kill: each process of a site dies at its first, second, … call of each set, while traffic flows; after each, everything is drained
//! and counted. What was done stands in a file, so that the sweep goes on where it stopped.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a harness for tests: files, the clock, and it tells how far it is"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::books::Books;
use super::ledger::{Kind, appended, line, lines};
use super::mill::{Mill, RUNNERS, WHOLE};
use super::strace::{Attached, SETS, through};
use crate::program::workspace;

/// Members whose copies can bounce, in one site: so many kills it sees.
const WIDE: u64 = 400;
/// Kills of one set that find a process before it serves are enough at some point.
const MOST_AT_START: u32 = 60;

/// One kill, or one run that ended without.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kill {
    /// Row of the table.
    pub row: String,
    /// How often the whole sweep was begun.
    pub pass: u32,
    /// Which process.
    pub target: String,
    /// The calls, or `start:` and the calls for a process that is watched from its first call on.
    pub set: String,
    /// Which of them.
    pub at: u32,
    /// It was killed. Else this loop is at its end.
    pub killed: bool,
    /// What was accepted and lost.
    pub lost: usize,
    /// What happened too often: copies and letters.
    pub doubled: usize,
    /// What happened too often in the store.
    pub doubled_in_store: usize,
    /// From the kill until nothing waited any more, in milliseconds.
    pub recovery: u64,
    /// What went wrong beside that.
    pub trouble: Option<String>,
}

/// Where the sweep keeps what it has done.
pub fn place() -> PathBuf {
    std::env::var_os("LISTMILL_FAULTS_DIR").map_or_else(|| workspace().join("target/faults"), PathBuf::from)
}

/// The directory of a new run, for its ledgers.
pub fn new_run(place: &Path) -> PathBuf {
    place.join(format!("runs/{}", jiff::Timestamp::now().as_microsecond()))
}

/// A directory for sites that do not have to survive a power cut: in memory, where the system has a place for that.
pub fn memory() -> PathBuf {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() }
}

/// Every kill so far.
pub fn kills(place: &Path) -> Vec<Kill> {
    lines(&place.join("kills.jsonl"))
}

/// Goes on with the sweep until the time is over; what this piece of it came to.
pub fn go_on(place: &Path, time: Duration) -> Books {
    let end = Instant::now() + time;
    let mut sum = Books::default();
    while Instant::now() < end {
        let mut sweep = Sweep::open(place, WIDE, end);
        sweep.until_over();
        let books = sweep.close();
        println!("{books}");
        sum.add(&books);
    }
    sum
}

/// A few kills: these processes at these calls; what they came to.
pub fn sample(place: &Path, kills: &[(&'static str, &str, u32)]) -> (Vec<Kill>, Books) {
    let mut sweep = Sweep::open(place, kills.len() as u64 + 1, Instant::now());
    let mut done = Vec::new();
    for (target, set, at) in kills {
        sweep.lay_out(target);
        done.push(sweep.one(0, target, set, *at));
    }
    (done, sweep.close())
}

struct Sweep {
    file: Mutex<File>,
    done: Vec<Kill>,
    mill: Mill,
    end: Instant,
    laid_out: Vec<&'static str>,
}

impl Sweep {
    fn open(place: &Path, wide: u64, end: Instant) -> Sweep {
        let mut mill = Mill::new(&memory(), &new_run(place), wide);
        mill.kill_all();
        let file = Mutex::new(appended(&place.join("kills.jsonl")));
        Sweep { file, done: kills(place), mill, end, laid_out: Vec::new() }
    }

    /// The ledgers joined, once everything is drained.
    fn close(mut self) -> Books {
        self.lay_out(WHOLE);
        // What is not drained is missing in the books.
        let _ = self.mill.settled();
        self.mill.close_books()
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end || !self.mill.traffic.has_more()
    }

    fn until_over(&mut self) {
        for pass in 1.. {
            for target in [WHOLE].into_iter().chain(RUNNERS) {
                for set in SETS {
                    self.every_call(pass, target, set);
                }
            }
            SETS.into_iter().for_each(|set| self.every_call(pass, WHOLE, &format!("start:{set}")));
            if self.is_over() {
                return;
            }
        }
    }

    /// Kill N = 1, 2, …, until a run ends without one.
    fn every_call(&mut self, pass: u32, target: &'static str, set: &str) {
        let same = |kill: &&Kill| (kill.pass, kill.target.as_str(), kill.set.as_str()) == (pass, target, set);
        let before: Vec<&Kill> = self.done.iter().filter(same).collect();
        if before.iter().any(|kill| !kill.killed) {
            return;
        }
        let mut at = before.iter().map(|kill| kill.at).max().unwrap_or(0);
        while !self.is_over() {
            at += 1;
            self.lay_out(target);
            let mut kill = self.one(pass, target, set, at);
            if set.starts_with("start:") && at == MOST_AT_START {
                kill.killed = false;
            }
            line(&self.file, &kill);
            self.done.push(kill.clone());
            if !kill.killed {
                return;
            }
        }
    }

    /// The processes that serve while this one is the target: all in one, or seven. The first owns the store, and is not the target.
    fn lay_out(&mut self, target: &'static str) {
        let mut wanted = if target == WHOLE { vec![WHOLE] } else { RUNNERS.to_vec() };
        let owner = if target == "moderation" { "auth" } else { "moderation" };
        wanted.sort_by_key(|name| *name != owner);
        if self.laid_out != wanted {
            self.mill.kill_all();
            self.laid_out = wanted;
        }
        self.mill.start_missing(&self.laid_out);
    }

    fn one(&mut self, pass: u32, target: &'static str, set: &str, at: u32) -> Kill {
        let first = self.mill.traffic.next();
        let what = format!("signal=SIGKILL:when={at}");
        let killed = match set.strip_prefix("start:") {
            Some(calls) => self.killed_from_its_start(target, calls, &what, at),
            None => self.killed_at_work(target, set, &what, at),
        };
        let began = Instant::now();
        self.mill.start_missing(&self.laid_out);
        let settled = self.mill.settled();
        let recovery = if killed { began.elapsed().as_millis() as u64 } else { 0 };
        let books = self.mill.books_since(first);
        Kill {
            row: "R1".to_owned(),
            pass,
            target: target.to_owned(),
            set: set.to_owned(),
            at,
            killed,
            lost: books.lost(),
            doubled: books.doubled() - books.doubled_in_store(),
            doubled_in_store: books.doubled_in_store(),
            recovery,
            trouble: settled.err().or_else(|| (books.phantom() > 0).then(|| "phantom".to_owned())),
        }
    }

    /// It serves, and meets its fate with the traffic.
    fn killed_at_work(&mut self, target: &str, set: &str, what: &str, at: u32) -> bool {
        let attached = Attached::to(self.mill.process(target).pid(), set, what);
        self.mill.traffic.send(&kinds(at));
        let killed = self.mill.died_or_settled(target);
        drop(attached);
        if killed {
            self.mill.process(target).reap();
        }
        killed
    }

    /// It finds work when it starts, and meets its fate at once or with that.
    fn killed_from_its_start(&mut self, target: &str, set: &str, what: &str, at: u32) -> bool {
        self.mill.traffic.send(&kinds(at));
        self.mill.kill_all();
        let killed = !self.mill.start_through(target, through(set, what)) || self.mill.died_or_settled(target);
        // Whoever lives is still watched, and would die later.
        self.mill.kill_all();
        killed
    }
}

/// One of each, another one first each time.
fn kinds(at: u32) -> Vec<Kind> {
    let mut kinds = Kind::ALL.to_vec();
    kinds.rotate_left(at as usize % Kind::ALL.len());
    kinds
}
