//! A disk that fails at one call, or is slow at each: injected into a process that serves.
#![expect(clippy::disallowed_methods, reason = "a harness for tests: the clock")]

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::ledger::{Kind, Outcome, appended, line};
use super::mill::{Mill, WHOLE};
use super::storm::{Writers, pass, recover};
use super::strace::Attached;
use super::sweep::Kill;

/// Which calls fail, and how. Not `write`: through that threads wake each other, which no disk disturbs; a disk that is full has a test of its own.
pub const FAILING: [(&str, &str); 5] = [
    ("fsync,fdatasync", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("pwrite64", "EIO"),
    ("rename,renameat,renameat2", "EIO"),
    ("unlink,unlinkat", "EIO"),
];

/// Lets the `at`-th call of each thread fail while one of each kind goes through; then everything must drain by itself.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn failing(mill: &mut Mill, (set, error): (&str, &str), at: u32, place: &Path) -> Result<Kill, String> {
    let first = mill.traffic.next();
    mill.start_missing(&[WHOLE]);
    let attached = Attached::to(mill.process(WHOLE).pid(), set, &format!("error={error}:when={at}"));
    mill.traffic.send(&Kind::ALL);
    let began = Instant::now();
    mill.settled()?;
    let took = began.elapsed();
    drop(attached);
    let kill = recover(mill, first, "R9", &format!("{error} at {set}"), at)?;
    // The time is that with the fault.
    let kill = Kill { recovery: u64::try_from(took.as_millis()).unwrap_or(u64::MAX), ..kill };
    line(&Mutex::new(appended(&place.join("errors.jsonl"))), &kill);
    Ok(kill)
}

/// What came of a slow disk.
pub struct Slow {
    /// Submissions that were accepted in the time.
    pub accepted: usize,
    /// From the end of it until nothing waited any more.
    pub drained: Duration,
}

/// Each sync takes so much longer, for so long, with so many who write at the same time.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn slow(mill: &mut Mill, by: Duration, time: Duration, writers: usize) -> Result<Slow, String> {
    let first = mill.traffic.next();
    mill.start_missing(&[WHOLE]);
    let delay = format!("delay_enter={}", by.as_micros());
    let attached = Attached::to(mill.process(WHOLE).pid(), "fsync,fdatasync", &delay);
    let writing = Writers::start(&mill.traffic, writers, Duration::ZERO);
    pass(time);
    writing.stop();
    let began = Instant::now();
    drop(attached);
    mill.settled()?;
    let accepted = mill.traffic.ledger.since(first).values().filter(|outcome| **outcome == Outcome::Accepted).count();
    Ok(Slow { accepted, drained: began.elapsed() })
}
