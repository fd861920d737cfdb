//! What is told: of one process, and of a host.

use std::collections::{BTreeMap, BTreeSet};

use listmill_queue_format::{Queue, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Disk, QueueFigures, Tally};
use crate::{Floor, RunnerHealth};

/// What one process says of itself, over its control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// The name of the host.
    pub host: String,
    /// Its name in `[hosts]`, where it was given.
    pub placed: Option<String>,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub since: Timestamp,
    /// Where mail comes in.
    pub listen: Vec<String>,
    /// Where it tells metrics and health, once it does.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Its runners.
    pub runners: BTreeMap<Queue, RunnerReport>,
    /// What it waits for, by name, and why that cannot be had.
    pub troubles: BTreeMap<String, String>,
    /// What the smarthost has said.
    #[serde(default)]
    pub tally: Tally,
    /// Lines of the trail that could not be written.
    #[serde(default)]
    pub trail_lost: u64,
    /// What is wrong, a sentence each.
    #[serde(default)]
    pub wrong: Vec<String>,
}

/// One runner of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunnerReport {
    /// How it fares.
    #[serde(flatten)]
    pub health: RunnerHealth,
    /// Its threads.
    #[serde(default)]
    pub threads: usize,
    /// Those of them that have ended by a fault.
    #[serde(default)]
    pub dead: usize,
}

/// What this host sees of what all its processes share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sights {
    /// The queues.
    pub queues: Vec<QueueFigures>,
    /// The store, where this process has one, or why it cannot be had.
    pub store: Option<Result<(), String>>,
    /// The disks.
    pub disks: Vec<Disk>,
    /// What must stay free on each of them.
    pub floor: Floor,
    /// What else is wrong.
    pub wrong: Vec<String>,
}

/// A host: its processes, and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct HostReport {
    /// Every process of the site on this host that answers.
    pub processes: Vec<ProcessReport>,
    /// What they share.
    pub sights: Sights,
    /// The runners that should serve here.
    pub expected: BTreeSet<Queue>,
    /// The queues that are at the broker.
    pub at_broker: BTreeSet<Queue>,
    /// What is wrong, a sentence each; nothing: all is well.
    pub reasons: Vec<String>,
}

impl HostReport {
    /// Puts together what is known; `silent` names the processes that are there and do not answer.
    pub fn new(
        processes: Vec<ProcessReport>,
        silent: Vec<String>,
        sights: Sights,
        expected: BTreeSet<Queue>,
        at_broker: BTreeSet<Queue>,
    ) -> HostReport {
        let mut reasons: BTreeSet<String> = sights.wrong.iter().cloned().collect();
        reasons.extend(processes.iter().flat_map(|process| process.wrong.iter().cloned()));
        reasons.extend(silent.into_iter().map(|process| format!("{process} does not answer")));
        let served: BTreeSet<Queue> = processes.iter().flat_map(|process| process.runners.keys().copied()).collect();
        if processes.is_empty() {
            reasons.insert("no process of this host serves".to_owned());
        }
        for queue in expected.difference(&served).filter(|_| !processes.is_empty()) {
            reasons.insert(format!("{queue} is not served: no process of this host that answers has this runner"));
        }
        for figures in &sights.queues {
            if let Err(reason) = &figures.status {
                reasons.insert(format!("the queue {} cannot be reached: {reason}", figures.queue));
            }
        }
        if let Some(Err(reason)) = &sights.store {
            reasons.insert(format!("the store cannot be reached: {reason}"));
        }
        reasons.extend(sights.disks.iter().filter_map(|disk| sights.floor.compare(disk).err()));
        HostReport { processes, sights, expected, at_broker, reasons: reasons.into_iter().collect() }
    }

    /// All replies, and how long deliveries took.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.processes.iter().for_each(|process| tally.add(&process.tally));
        tally
    }

    /// The broker answers for all its queues; none where no queue is there.
    pub fn broker(&self) -> Option<bool> {
        let mut there = self.sights.queues.iter().filter(|figures| self.at_broker.contains(&figures.queue)).peekable();
        there.peek()?;
        Some(there.all(|figures| figures.status.is_ok()))
    }

    /// What a probe is told: nothing but `ok`, or the reasons.
    pub fn health(&self) -> String {
        if self.reasons.is_empty() { "ok\n".to_owned() } else { self.reasons.join("\n") + "\n" }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn process(runners: &[Queue]) -> ProcessReport {
        ProcessReport {
            host: "mill.example.org".to_owned(),
            placed: None,
            pid: 1,
            since: Timestamp::UNIX_EPOCH,
            listen: Vec::new(),
            metrics: None,
            runners: runners.iter().map(|queue| (*queue, RunnerReport::default())).collect(),
            troubles: BTreeMap::new(),
            tally: Tally::default(),
            trail_lost: 0,
            wrong: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_served_is_a_reason_and_so_is_a_full_disk() {
        let expected: BTreeSet<Queue> = [Queue::Auth, Queue::Outbound].into();
        let of = |runners: &[Queue], sights| {
            HostReport::new(vec![process(runners)], Vec::new(), sights, expected.clone(), BTreeSet::new())
        };
        assert_eq!(of(&[Queue::Auth, Queue::Outbound], Sights::default()).health(), "ok\n");
        let without = of(&[Queue::Auth], Sights::default()).health();
        assert!(without.starts_with("outbound is not served"), "{without}");
        let disk = Disk { path: "/data".into(), free: 3 << 20, size: 1 << 30, free_inodes: None };
        let floor = Floor { octets: 64 << 20, inodes: 1_000 };
        let sights =
            Sights { disks: vec![disk], floor, store: Some(Err("it is away".to_owned())), ..Sights::default() };
        let full = of(&[Queue::Auth, Queue::Outbound], sights).health();
        assert_eq!(
            full,
            "the disk of /data is full: 3 MiB are free, of [guard]'s 64 MiB\nthe store cannot be reached: it is away\n"
        );
    }

    #[test]
    fn a_process_says_of_itself_what_another_can_read() {
        let mut report = process(&[Queue::Outbound]);
        report.tally.replies.insert("451 4.2.1".to_owned(), 3);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<ProcessReport>(&text).unwrap(), report);
        assert!(text.contains("\"decided\":0"), "as before: {text}");
    }
}
