//! Reading the trail: everything about one message, and what became of each of its recipients.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use listmill_queue_format::{EntryId, Queue, Timestamp};
use serde::Serialize;

use super::book::files;
use super::{Said, TrailLine, mark};

/// No line is longer: a thousand recipients and their replies.
const LONGEST: u64 = 16 << 20;
/// The characters of an id that all entries of one message share (`EntryId::derive`).
const STEM: usize = 13;

/// What this host knows of one message.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Its lines, oldest first, each once.
    pub lines: Vec<TrailLine>,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// The list that the copy was of.
    pub list: String,
    /// The address; on a host without a store the mark that stands for it.
    pub recipient: String,
    /// Where that leaves it.
    pub state: State,
    /// When the smarthost said the last word.
    pub at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// The last reply's code; 0: there was none.
    pub code: u16,
    /// Its enhanced status code.
    pub status: String,
    /// Its text.
    pub text: String,
}

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The smarthost has taken the copy.
    Delivered,
    /// There will be another attempt.
    Waiting,
    /// The smarthost has refused it for good.
    Refused,
    /// It was put off until its time was over.
    GivenUp,
}

/// How many recipients stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// In the distribution lists that this host has written; 0 on one that only delivers.
    pub handed_out: usize,
    /// With a 250.
    pub delivered: usize,
    /// For another attempt.
    pub waiting: usize,
    /// Refused.
    pub refused: usize,
    /// Given up.
    pub given_up: usize,
    /// Handed out, and nothing was said about them on this host.
    pub not_attempted: usize,
}

impl Trace {
    /// Everything about the message with this Message-ID, or about that of this entry.
    ///
    /// # Errors
    /// The trail cannot be read.
    pub fn find(dir: &Path, wanted: &str) -> io::Result<Trace> {
        let wanted = wanted.trim();
        let mid = wanted.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(wanted);
        match wanted.parse::<EntryId>() {
            Ok(id) => Trace::of_entry(dir, id),
            Err(_) => Trace::of_message(dir, mid),
        }
    }

    fn of_message(dir: &Path, mid: &str) -> io::Result<Trace> {
        let start = format!("{{\"mid\":{},", serde_json::to_string(mid)?);
        read(dir, |line| line.starts_with(start.as_bytes()))
    }

    fn of_entry(dir: &Path, id: EntryId) -> io::Result<Trace> {
        let stem = id.to_string()[..STEM].to_owned();
        let same_moment = read(dir, |line| String::from_utf8_lossy(line).contains(&stem))?;
        let is_its = |line: &&TrailLine| line.entry == id || line.did.iter().any(|step| step.entry == Some(id));
        match same_moment.lines.iter().find(is_its) {
            // A letter is written by the entry of another message.
            Some(line) if line.entry == id && !line.mid.is_empty() => Trace::of_message(dir, &line.mid.clone()),
            Some(line) => {
                let letter = line.did.iter().find(|step| step.entry == Some(id)).and_then(|step| step.letter.clone());
                let mid = letter.unwrap_or_else(|| line.mid.clone());
                if mid.is_empty() { Ok(same_moment) } else { Trace::of_message(dir, &mid) }
            }
            None => Ok(Trace::default()),
        }
    }

    /// Each recipient once, with the last word about it; in the order of lists and addresses.
    pub fn fates(&self) -> Vec<Fate> {
        let mut fates: BTreeMap<(&str, &str), Fate> = BTreeMap::new();
        let again = self.tried_again();
        for line in &self.lines {
            for Said(recipient, code, status, text) in &line.said {
                let state = match code / 100 {
                    2 => State::Delivered,
                    5 => State::Refused,
                    _ if again.contains(&line.entry) => State::Waiting,
                    _ => State::GivenUp,
                };
                let before = fates.get(&(line.list.as_str(), recipient.as_str()));
                // A copy that was taken stays taken.
                if before.is_some_and(|before| before.state == State::Delivered) {
                    continue;
                }
                let fate = Fate {
                    list: line.list.clone(),
                    recipient: recipient.clone(),
                    state,
                    at: line.at,
                    attempts: line.attempts + 1,
                    code: *code,
                    status: status.clone(),
                    text: text.clone(),
                };
                fates.insert((&line.list, recipient), fate);
            }
        }
        fates.into_values().collect()
    }

    /// Entries whose last attempt was followed by another entry for outbound: those who wait are in it.
    fn tried_again(&self) -> HashSet<EntryId> {
        let to_outbound = |line: &&TrailLine| line.did.iter().any(|step| step.to == Some(Queue::Outbound));
        self.lines
            .iter()
            .filter(|line| line.runner == Queue::Outbound)
            .filter(to_outbound)
            .map(|line| line.entry)
            .collect()
    }

    /// How many recipients stand where.
    pub fn totals(&self) -> Totals {
        let fates = self.fates();
        let count = |state| fates.iter().filter(|fate| fate.state == state).count();
        let steps = self.lines.iter().filter(|line| line.runner != Queue::Outbound).flat_map(|line| &line.did);
        let handed = steps.filter(|step| step.to == Some(Queue::Outbound) && step.letter.is_none());
        let handed: BTreeMap<Option<EntryId>, usize> = handed.map(|step| (step.entry, step.recipients)).collect();
        let handed_out = handed.values().sum();
        Totals {
            handed_out,
            delivered: count(State::Delivered),
            waiting: count(State::Waiting),
            refused: count(State::Refused),
            given_up: count(State::GivenUp),
            not_attempted: usize::saturating_sub(handed_out, fates.len()),
        }
    }

    /// Whether this name in a [`Fate`] stands for the address.
    pub fn is(&self, fate: &Fate, address: &str) -> bool {
        let mid = self.lines.first().map_or("", |line| line.mid.as_str());
        fate.recipient.eq_ignore_ascii_case(address) || fate.recipient == mark(mid, address)
    }
}

/// The lines that `wanted` is true for, oldest first. One that cannot be read was torn by a kill: what it tells stands in the next as well.
fn read(dir: &Path, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Trace> {
    let mut found: Vec<TrailLine> = Vec::new();
    for file in files(dir)? {
        let file = match File::open(&file.path) {
            // Its time was over meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let (mut from, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
        while from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? > 0 {
            if wanted(&line) {
                found.extend(serde_json::from_slice::<TrailLine>(&line).ok());
            }
            line.clear();
        }
    }
    found.sort_by_key(|line| line.at);
    let mut lines: Vec<TrailLine> = Vec::new();
    for line in found {
        // Written again after a kill.
        let is_same = |other: &TrailLine| {
            (other.entry, other.runner, &other.did, &other.said) == (line.entry, line.runner, &line.did, &line.said)
        };
        if !lines.iter().rev().take(100).any(is_same) {
            lines.push(line);
        }
    }
    Ok(Trace { lines })
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::{Entry, Envelope, Outcome, Recipient};

    use super::super::{Step, Trail, TrailConfig};
    use super::*;

    fn entry(ordinal: u32, recipients: &[&str]) -> Entry {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, *b"0123456789").derive("x", ordinal);
        let message = b"Message-ID: <1@example.net>\r\n\r\nx\r\n".as_slice().into();
        let mut entry = Entry::arrived(id, Timestamp::UNIX_EPOCH, Envelope::default(), message);
        entry.queue = Queue::Outbound;
        entry.recipients = recipients
            .iter()
            .map(|address| Recipient { address: (*address).to_owned(), ..Recipient::default() })
            .collect();
        entry
    }

    fn outcome(place: usize, code: u16) -> (usize, Outcome) {
        let at = Timestamp::UNIX_EPOCH;
        (
            place,
            Outcome { at, code, status: format!("{}.0.0", code / 100), text: String::new(), other: Default::default() },
        )
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_recipient_stands_in_one_place_whatever_was_written_twice() {
        let dir = tempfile::TempDir::new().unwrap();
        let config = TrailConfig { keep: jiff::SignedDuration::from_hours(24), max_size: 1 << 20, names: true };
        let trail = Trail::new(dir.path(), config);
        let (parent, page) = (entry(0, &[]), entry(1, &["a@example.net", "b@example.net", "c@example.net"]));
        let (later, unsent) = (entry(2, &["b@example.net"]), entry(3, &["d@example.net"]));
        let step = |did, left: &Entry| Step::leaving(did, "", left, &parent);
        let handed = [step("forward", &page), step("forward", &unsent)];
        trail.note(&parent, Queue::Pending, &handed, &[], second(1));
        let outcomes = [outcome(0, 250), outcome(1, 451), outcome(2, 550)];
        trail.note(&page, Queue::Outbound, &[step("forward", &later)], &outcomes, second(2));
        trail.note(&page, Queue::Outbound, &[step("forward", &later)], &outcomes, second(3));
        let totals = || Trace::find(dir.path(), "<1@example.net>").unwrap().totals();
        let expected = Totals { handed_out: 4, delivered: 1, waiting: 1, refused: 1, given_up: 0, not_attempted: 1 };
        assert_eq!(totals(), expected);
        trail.note(&later, Queue::Outbound, &[], &[outcome(0, 0)], second(4));
        assert_eq!(totals(), Totals { waiting: 0, given_up: 1, ..expected });
        let trace = Trace::find(dir.path(), &later.id.to_string()).unwrap();
        assert_eq!(trace.lines.len(), 3);
        assert_eq!(trace.fates()[1].attempts, 1);
        assert!(trace.is(&trace.fates()[1], "B@example.net"));
        assert_eq!(Trace::find(dir.path(), "2@example.net").unwrap(), Trace::default());
    }
}
