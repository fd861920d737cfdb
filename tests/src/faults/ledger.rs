//! What the client was told, on a disk of its own: each submission before its last octet, and again when its `250` was read.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a harness for tests: files, and a failure is the end of the test"
)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// What a client hands in; each kind leaves another mark on the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A member's post: a copy for each member.
    Post,
    /// A command: somebody joins, and gets a letter.
    Join,
    /// A nonmember's post: held, once.
    Held,
    /// A bounce to a signed return path: noted for that member, once.
    Bounce,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Post, Kind::Join, Kind::Held, Kind::Bounce];
}

/// How far a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Its last octet may have left; no reply was read. Nobody can know whether it counts (RFC 1047).
    Open,
    /// The `250` was read.
    Accepted,
    /// Another reply was read: it must not count.
    Refused,
}

/// One line: a submission, and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Submission {
    /// What it is.
    pub kind: Kind,
    /// Which; never used again, not even for the same thing sent anew.
    pub number: u64,
    /// How far it is.
    pub outcome: Outcome,
}

/// The client's ledger.
pub struct Ledger {
    file: Mutex<File>,
    known: Mutex<BTreeMap<(Kind, u64), Outcome>>,
}

impl Ledger {
    /// A ledger in this file, which is new.
    pub fn new(path: &Path) -> Ledger {
        Ledger { file: Mutex::new(appended(path)), known: Mutex::default() }
    }

    /// The ledger that this file has already.
    pub fn again(path: &Path) -> Ledger {
        let known =
            lines::<Submission>(path).into_iter().map(|line| ((line.kind, line.number), line.outcome)).collect();
        Ledger { file: Mutex::new(appended(path)), known: Mutex::new(known) }
    }

    /// It is about to be handed in.
    pub fn sends(&self, kind: Kind, number: u64) {
        self.note(Submission { kind, number, outcome: Outcome::Open });
    }

    /// What it was answered. On the disk when this returns.
    pub fn answered(&self, kind: Kind, number: u64, outcome: Outcome) {
        self.note(Submission { kind, number, outcome });
        self.file.lock().unwrap().sync_data().unwrap();
    }

    /// Every submission, and how far it is.
    pub fn known(&self) -> BTreeMap<(Kind, u64), Outcome> {
        self.known.lock().unwrap().clone()
    }

    /// Those from this number on.
    pub fn since(&self, first: u64) -> BTreeMap<(Kind, u64), Outcome> {
        self.known().into_iter().filter(|((_, number), _)| *number >= first).collect()
    }

    fn note(&self, submission: Submission) {
        line(&self.file, &submission);
        self.known.lock().unwrap().insert((submission.kind, submission.number), submission.outcome);
    }
}

/// A file to append lines to.
pub(super) fn appended(path: &Path) -> File {
    std::fs::create_dir_all(path.parent().expect("a file lies in a directory")).unwrap();
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Appends a line, in one write.
pub(super) fn line(file: &Mutex<File>, value: &impl Serialize) {
    let line = serde_json::to_string(value).unwrap() + "\n";
    file.lock().unwrap().write_all(line.as_bytes()).unwrap();
}

/// The lines of a file; a last one that is torn is left out.
pub(super) fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Copies a file of lines that somebody appends to; a last one that is torn is left out.
pub(super) fn copy_lines(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    let whole = bytes.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
    std::fs::write(to, &bytes[..whole]).unwrap();
}
