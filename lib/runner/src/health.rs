//! How each runner of this process fares, and what the process waits for, for `listmill status`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use listmill_core::Timestamp;
use listmill_queue_format::{Entry, EntryId, Outcome, Queue};
use serde::{Deserialize, Serialize};

use crate::watch::{Beat, Tally};

/// How the runners of this process fare; clones are the same record.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Record>>);

#[derive(Debug, Default)]
struct Record {
    runners: BTreeMap<Queue, RunnerHealth>,
    troubles: BTreeMap<&'static str, String>,
    tally: Tally,
    beats: Vec<(Queue, Beat)>,
}

/// How one runner fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerHealth {
    /// Entries decided since the process started.
    pub decided: u64,
    /// Entries put off because something was not to be had.
    pub put_off: u64,
    /// Entries in hand now.
    #[serde(default)]
    pub in_hand: u64,
    /// Entries given back because the process stopped.
    pub given_back: u64,
    /// Entries set aside after a software fault.
    pub shunted: u64,
    /// How often each disposition was carried out, by its name; `deliver`: pages that were handed to the smarthost.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u64>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When.
    pub last_error_at: Option<Timestamp>,
}

impl Health {
    /// Every runner of this process.
    pub fn all(&self) -> BTreeMap<Queue, RunnerHealth> {
        self.record().runners.clone()
    }

    /// What is not as it should be with something that all runners share, by its name.
    pub fn troubles(&self) -> BTreeMap<&'static str, String> {
        self.record().troubles.clone()
    }

    /// How something fares that all runners share: the reason why it cannot be had, or none when it can.
    pub fn trouble(&self, what: &'static str, reason: Option<String>) {
        match reason {
            Some(reason) => self.record().troubles.insert(what, reason),
            None => self.record().troubles.remove(what),
        };
    }

    /// A runner serves here no longer.
    pub fn forget(&self, queue: Queue) {
        let mut record = self.record();
        record.runners.remove(&queue);
        record.beats.retain(|(of, _)| *of != queue);
    }

    /// What the smarthost has said.
    pub fn tally(&self) -> Tally {
        self.record().tally.clone()
    }

    /// One more thread of this runner, which is to come by often.
    pub(crate) fn beat_of(&self, queue: Queue) -> Beat {
        let beat = Beat::new();
        self.record().beats.push((queue, beat.clone()));
        beat
    }

    /// For how long which thread has not come by, if that is too long for one with or without an entry in hand: the longest of each runner, and that entry.
    pub(crate) fn silent(
        &self,
        is_too_long: impl Fn(Duration, Option<EntryId>) -> bool,
    ) -> BTreeMap<Queue, (Duration, Option<EntryId>)> {
        let mut longest: BTreeMap<Queue, (Duration, Option<EntryId>)> = BTreeMap::new();
        for (queue, beat) in &self.record().beats {
            let silent = (beat.silent_for(), beat.entry());
            if !is_too_long(silent.0, silent.1) {
                continue;
            }
            longest.entry(*queue).and_modify(|known| *known = silent.max(*known)).or_insert(silent);
        }
        longest
    }

    /// A runner has carried this out.
    pub(crate) fn did<'a>(&self, queue: Queue, dispositions: impl IntoIterator<Item = &'a str>) {
        self.note(queue, |health| {
            for disposition in dispositions {
                // The names are those of the shell: a dozen.
                match health.outcomes.get_mut(disposition) {
                    Some(count) => *count += 1,
                    None => drop(health.outcomes.insert(disposition.to_owned(), 1)),
                }
            }
        });
    }

    /// A delivery of this entry is over.
    pub(crate) fn said(&self, entry: &Entry, outcomes: &[(usize, Outcome)]) {
        let mut record = self.record();
        outcomes.iter().for_each(|(_, outcome)| record.tally.count(entry.arrived, outcome));
    }

    pub(crate) fn note(&self, queue: Queue, change: impl FnOnce(&mut RunnerHealth)) {
        change(self.record().runners.entry(queue).or_default());
    }

    pub(crate) fn error(&self, queue: Queue, error: &str) {
        self.note(queue, |health| {
            health.last_error = Some(error.to_owned());
            health.last_error_at = Some(Timestamp::now());
        });
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
