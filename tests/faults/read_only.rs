//! Row R8: a file system that can only be read from one moment on. Nothing more is taken, it is seen, nothing is lost, and with the disk all of it goes on.

use std::time::{Duration, Instant};

use listmill_tests::faults::disk::Disk;
use listmill_tests::faults::ledger::Kind;
use listmill_tests::faults::mill::{Mill, WHOLE};
use listmill_tests::faults::strace::{Attached, strace};
use listmill_tests::faults::{Line, full};
use listmill_tests::program::{Site, wait_for};
use tempfile::TempDir;

use crate::stand::{Stand, connect};

/// What changes a file system, but for `write`, by which threads also wake each other.
const CHANGES: &str = "pwrite64,fsync,fdatasync,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,ftruncate,fallocate,utimensat";

/// How soon it must be seen.
const SEEN: Duration = Duration::from_secs(10);

/// Waits until `status` says that something is wrong with the disk; after how long.
fn wait_until_seen(site: &Site) -> Duration {
    let start = Instant::now();
    wait_for("the disk to be seen", || {
        let health = &site.json(&["status"])["health"];
        health["ok"] == false && health["reasons"].to_string().contains("cannot be written to")
    });
    start.elapsed()
}

#[test]
fn what_can_only_be_read_for_a_while_takes_nothing_and_goes_on() {
    if strace().is_none() {
        return;
    }
    let mut stand = Stand::new("");
    stand.list();
    let running = stand.site.run();
    let (mut lmtp, rounds) = (connect(&running), if full() { 20 } else { 1 });
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        for _ in 0..5 {
            assert!(stand.post(&mut lmtp, 2_000).starts_with("250"));
        }
        let attached = Attached::to(running.pid(), CHANGES, "error=EROFS");
        for size in [2_000, 1_100_000] {
            assert!(stand.post(&mut lmtp, size).starts_with('4'), "nothing can be stored");
        }
        longest = longest.max(wait_until_seen(&stand.site));
        drop(attached);
        wait_for("mail to be taken", || stand.post(&mut lmtp, 2_000).starts_with("250"));
        wait_for("what was taken to leave", || stand.count().0 == 0);
        wait_for("nothing to be wrong", || stand.site.json(&["status"])["health"]["ok"] == true);
    }
    if full() {
        assert!(longest < SEEN, "it was seen after {longest:?}");
    }
    stand.settle("R8", &format!("EROFS at each change for some seconds, seen after {:.1} s", longest.as_secs_f64()));
    running.stop();
}

#[test]
fn a_file_system_that_goes_on_as_one_to_be_read_loses_nothing() {
    if !full() {
        return; // the sample is above
    }
    let Some(disk) = Disk::new(192) else { return };
    if !disk.can_break() {
        return;
    }
    let temporary = TempDir::new().unwrap();
    let (mut mill, rounds) = (Mill::new(&disk.mounted(), &temporary.path().join("run"), 50), 20);
    let (mut seen, mut recovery) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        disk.sync();
        mill.traffic.send(&Kind::ALL);
        disk.break_down();
        assert_eq!(mill.traffic.send(&Kind::ALL), 0, "nothing can be stored");
        seen = seen.max(wait_until_seen(&mill.site));
        mill.let_go();
        mill.kill_all();
        disk.again();
        let start = Instant::now();
        mill.start(WHOLE);
        mill.settled().unwrap();
        recovery = recovery.max(start.elapsed());
    }
    assert!(seen < SEEN, "it was seen after {seen:?}");
    let books = mill.close_books();
    let injection =
        format!("an error of an ext4 that goes on as one to be read, seen after {:.1} s", seen.as_secs_f64());
    let (lost, doubled) = (books.lost(), books.doubled());
    println!("{}", Line { row: "R8", injection: &injection, runs: rounds, lost, doubled, recovery });
    assert_eq!((lost, books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
    // One submission of each kind was under way.
    assert!(doubled <= 13 * rounds, "{books}");
    drop(disk);
}
