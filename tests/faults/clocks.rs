//! Row R13: clocks that are wrong, from one start to the next and between the processes of a site. The program is the real one; what it asks the system for the time
//! with is replaced by a function that adds something, in a library that is loaded before the system's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use listmill_tests::faults::storm::pass;
use listmill_tests::faults::{Line, full};
use listmill_tests::needs::lacking;
use listmill_tests::program::{Running, wait_for};
use tempfile::TempDir;

use crate::stand::{Stand, connect};

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*system_s)(clockid_t, struct timespec *);
    if (!system_s) system_s = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int done = system_s(id, at);
    const char *shift = getenv("CLOCK_SHIFT");
    if (!done && shift && id == CLOCK_REALTIME) at->tv_sec += atoll(shift);
    return done;
}
"#;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A library that puts the clock forward; none: the test ends, after a line that says what is missing.
fn library(dir: &Path) -> Option<PathBuf> {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").output();
    let is_made = made.is_ok_and(|made| made.status.success());
    if !is_made {
        lacking("the C compiler makes no library that is loaded before the system's");
    }
    is_made.then_some(library)
}

/// Serves with a clock that is so many seconds ahead.
fn run(stand: &Stand, library: &Path, shift: i64, runners: &[&str]) -> Running {
    let shift = shift.to_string();
    stand.site.run_in(runners, &[("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_SHIFT", &shift)])
}

/// Seconds of the processor that the process has used.
fn used(running: &Running) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_has_nobody_in_a_hurry() {
    let temporary = TempDir::new().unwrap();
    let Some(library) = library(temporary.path()) else { return };
    let mut stand = Stand::new("");
    stand.list();
    let now = jiff::Timestamp::now().as_second();
    let clocks = [0, DAY, 10 * 365 * DAY, -HOUR, -DAY, 1_000 - now, 0];
    for shift in clocks {
        let running = run(&stand, &library, shift, &[]);
        let mut lmtp = connect(&running);
        // What waited from one clock to the next goes with those that come.
        wait_for("what waited to arrive", || stand.count().0 == 0);
        for _ in 0..3 {
            assert!(stand.post(&mut lmtp, 500).starts_with("250"));
        }
        wait_for("these to arrive", || stand.count().0 == 0);
        if full() {
            let (before, start) = (used(&running), Instant::now());
            pass(Duration::from_secs(20));
            let share = (used(&running) - before).as_secs_f64() / start.elapsed().as_secs_f64();
            assert!(share < 0.05, "{share} of a processor, with nothing to do, at {shift} s");
        }
        stand.site.ok(&["queue", "pause", "moderation"]);
        assert!(stand.post(&mut lmtp, 500).starts_with("250"));
        running.stop();
        stand.site.ok(&["queue", "resume", "moderation"]);
    }
    let running = stand.site.run();
    stand.settle("R13", "the clock right, +1 d, +10 y, -1 h, -1 d, 1970 and right, a start each");
    running.stop();
}

#[test]
fn clocks_that_differ_between_processes_do_no_harm() {
    let temporary = TempDir::new().unwrap();
    let Some(library) = library(temporary.path()) else { return };
    let mut stand = Stand::new("");
    stand.list();
    let minutes = 60;
    let owner = run(&stand, &library, 0, &["inbound", "pending", "bounce", "command"]);
    let others = [("auth", 10 * minutes), ("moderation", -10 * minutes), ("outbound", 10 * minutes)];
    let others = others.map(|(runner, shift)| run(&stand, &library, shift, &[runner]));
    let mut lmtp = connect(&owner);
    let start = Instant::now();
    for _ in 0..if full() { 500 } else { 20 } {
        assert!(stand.post(&mut lmtp, 500).starts_with("250"));
    }
    wait_for("all to arrive", || stand.count().0 == 0);
    let ((lost, doubled), runs) = (stand.count(), stand.accepted.len());
    let injection = "processes of a site ten minutes ahead of and behind others";
    println!("{}", Line { row: "R13", injection, runs, lost, doubled, recovery: start.elapsed() });
    assert_eq!((lost, doubled), (0, 0));
    for running in others.into_iter().chain([owner]) {
        running.stop();
    }
}
