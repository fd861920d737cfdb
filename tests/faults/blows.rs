//! R2, R3, R4, R5: everything killed, everything asked to stop, the power cut, and what a power cut would have left, each at random moments under load.

use std::path::PathBuf;
use std::time::Duration;

use listmill_tests::faults::disk::Disk;
use listmill_tests::faults::mill::{CONNECTIONS, Mill};
use listmill_tests::faults::storm::{Blow, blows, cuts, images};
use listmill_tests::faults::sweep::{Kill, memory, new_run, place};
use listmill_tests::faults::{Line, full};
use tempfile::TempDir;

/// Longest time until a blow.
const MOMENT: Duration = Duration::from_millis(600);

/// What one power cut may repeat: the recipients of the last second, and no more than these.
const SECOND: usize = 1_000;

/// Where the lines go: those of the long form are kept.
fn kept(temporary: &TempDir) -> PathBuf {
    if full() { place() } else { temporary.path().to_owned() }
}

/// A site in `parent`, serving.
fn mill(parent: &std::path::Path, at: &std::path::Path, wide: u64) -> Mill {
    Mill::new(parent, &new_run(at), wide)
}

/// The books closed: nothing is lost, nothing is twice in the store, and no more copies than may be.
fn closed(mut mill: Mill, row: &str, injection: &str, struck: &[Kill], bound: usize) {
    let books = mill.close_books();
    println!("{books}");
    let line = Line {
        row,
        injection,
        runs: struck.len(),
        lost: books.lost(),
        doubled: books.doubled(),
        recovery: Duration::from_millis(struck.iter().map(|kill| kill.recovery).max().unwrap_or(0)),
    };
    println!("{line}");
    assert_eq!((books.lost(), books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
    assert!(books.doubled() <= bound * struck.len(), "{books}");
    // What of an earlier one came late is in the sum.
    let most = struck.iter().map(|kill| kill.doubled).max().unwrap_or(0);
    assert!(most <= bound, "{most} by one of them");
}

#[test]
fn everything_may_be_killed_at_any_moment() {
    let temporary = TempDir::new().unwrap();
    let (at, times) = (kept(&temporary), if full() { 200 } else { 2 });
    let mut mill = mill(&memory(), &at, if full() { 2_000 } else { 100 });
    let (struck, _) = blows(&mut mill, Blow::Kill, times, MOMENT, &at).unwrap();
    closed(mill, "R2", "kill -9 of everything at random moments under load", &struck, CONNECTIONS);
}

#[test]
fn everything_may_be_stopped_at_any_moment() {
    let temporary = TempDir::new().unwrap();
    let (at, times) = (kept(&temporary), if full() { 50 } else { 2 });
    let mut mill = mill(&memory(), &at, if full() { 500 } else { 100 });
    let (struck, longest) = blows(&mut mill, Blow::Stop, times, MOMENT, &at).unwrap();
    assert!(longest < Duration::from_secs(10), "a stop took {longest:?}");
    closed(mill, "R3", "SIGTERM at random moments under load", &struck, 0);
}

#[test]
fn the_power_may_go_out_at_any_moment() {
    let Some(disk) = Disk::new(256) else { return };
    let temporary = TempDir::new().unwrap();
    let (at, times) = (kept(&temporary), if full() { 100 } else { 1 });
    let mut mill = mill(&disk.mounted(), &at, if full() { 2_000 } else { 100 });
    let struck = cuts(&mut mill, &disk, times, &at).unwrap();
    // The deliveries of the last second may repeat: the ledger is synced once a second.
    closed(mill, "R4", "power cut of an ext4 at random moments, every second right behind a 250", &struck, SECOND);
    drop(disk);
}

#[test]
fn what_is_on_the_disk_at_any_moment_is_enough() {
    let Some(disk) = Disk::new(192) else { return };
    let temporary = TempDir::new().unwrap();
    let (at, pieces, times) = (kept(&temporary), if full() { 10 } else { 1 }, if full() { 50 } else { 2 });
    let mut all = Vec::new();
    for _ in 0..pieces {
        let mut mill = mill(&disk.mounted(), &at, 100);
        all.extend(images(&mut mill, &disk, times, &at).unwrap());
    }
    let sum = |what: fn(&Kill) -> usize| all.iter().map(what).sum::<usize>();
    let line = Line {
        row: "R5",
        injection: "the image of an ext4 copied while everything stands still, and recovered elsewhere",
        runs: all.len(),
        lost: sum(|kill| kill.lost),
        doubled: sum(|kill| kill.doubled + kill.doubled_in_store),
        recovery: Duration::from_millis(all.iter().map(|kill| kill.recovery).max().unwrap_or(0)),
    };
    println!("{line}");
    let trouble: Vec<&String> = all.iter().filter_map(|kill| kill.trouble.as_ref()).collect();
    assert_eq!((line.lost, sum(|kill| kill.doubled_in_store), trouble.len()), (0, 0, 0), "{trouble:?}");
    assert!(all.iter().all(|kill| kill.doubled <= SECOND), "{all:?}");
    drop(disk);
}
