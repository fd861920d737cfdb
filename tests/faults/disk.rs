//! Rows R6 and R7: disks without room, without inodes, and a process without descriptors or without memory. Mail is told to come again, what was taken is kept whole, and
//! all of it leaves when there is room.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use listmill_tests::faults::ledger::Kind;
use listmill_tests::faults::mill::{CONNECTIONS, Mill, WHOLE};
use listmill_tests::faults::storm::pass;
use listmill_tests::faults::sweep::memory;
use listmill_tests::faults::{Line, full};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::mount::Mount;
use listmill_tests::program::wait_for;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::stand::{DEV, Stand, connect};

/// Octets of a post that is too large for the journal.
const LARGE: usize = 1_100_000;

/// Says MAIL until the answer begins so; the answer.
fn wait_for_mail(lmtp: &mut Lmtp, parameters: &str, answer: &str) -> String {
    let mut told = String::new();
    wait_for(&format!("MAIL {parameters} to be answered {answer}"), || {
        told = lmtp.say(&format!("MAIL FROM:<u0@example.net>{parameters}"));
        lmtp.say("RSET");
        told.starts_with(answer)
    });
    told
}

#[test]
fn below_the_floor_no_mail_is_taken_and_what_was_taken_leaves() {
    let mut stand = Stand::new("[guard]\nmin_free = \"8 MiB\"\nmin_inodes = 100\n");
    let data = stand.site.dir().join("data");
    let Some(mount) = Mount::small(&data, "size=64m,nr_inodes=4000") else { return };
    stand.list();
    let running = stand.site.run();
    let mut lmtp = connect(&running);
    for _ in 0..if full() { 10 } else { 1 } {
        stand.site.ok(&["queue", "pause", "outbound"]);
        for _ in 0..10 {
            assert!(stand.post(&mut lmtp, 2_000).starts_with("250"));
        }
        let ballast = mount.fill(12 << 20);
        // RFC 1870: who says how much it is, is told before it is sent.
        wait_for_mail(&mut lmtp, " SIZE=10000000", "452 4.3.1");
        wait_for_mail(&mut lmtp, " SIZE=1000", "250");
        mount.fill(6 << 20);
        wait_for_mail(&mut lmtp, "", "452 4.3.1");
        let refused =
            stand.site.fails(75, &["inject", "--to", DEV], b"From: u0@example.net\r\nSubject: x\r\n\r\nx\r\n");
        assert!(refused.contains("no room"), "{refused}");
        // What waits is sent, with the disk as it is.
        stand.site.ok(&["queue", "resume", "outbound"]);
        wait_for("what was taken to leave", || stand.count().0 == 0);
        std::fs::remove_file(ballast).unwrap();
        wait_for_mail(&mut lmtp, "", "250");
        let files: Vec<_> = (0..4_000).map(|number| data.join(format!("file-{number}"))).collect();
        let made = files.iter().take_while(|path| File::create(path).is_ok()).count();
        wait_for_mail(&mut lmtp, "", "452 4.3.1");
        files[..made].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        wait_for_mail(&mut lmtp, "", "250");
    }
    stand.settle("R6", "below the floor of space, then of inodes");
    running.stop();
}

/// Nothing is kept free: a write finds out.
#[test]
fn a_disk_that_is_full_to_the_last_block_loses_nothing_and_is_not_hammered() {
    let mut stand = Stand::new("[guard]\nmin_free = \"0\"\nmin_inodes = 0\n");
    let data = stand.site.dir().join("data");
    let Some(mount) = Mount::small(&data, "size=48m") else { return };
    stand.list();
    let running = stand.site.run();
    let mut lmtp = connect(&running);
    for round in 0..if full() { 10 } else { 1 } {
        stand.site.ok(&["queue", "pause", "moderation"]);
        for _ in 0..5 {
            assert!(stand.post(&mut lmtp, 40_000).starts_with("250"));
        }
        let ballast = mount.fill(0);
        stand.site.ok(&["queue", "resume", "moderation"]);
        let before = running.log().len();
        let mut refused = 0;
        wait_for("mail to be refused", || {
            // Segments of the journal were made beforehand, and may take some more.
            refused += usize::from(stand.post(&mut lmtp, 300_000).starts_with("452"));
            refused >= 10
        });
        // Whoever met the full disk waits longer each time, and does not try for ever.
        let lines = running.log().len() - before;
        assert!(lines < 3_000, "{lines} lines of log in round {round}");
        std::fs::remove_file(ballast).unwrap();
        wait_for("mail to be taken", || stand.post(&mut lmtp, 1_000).starts_with("250"));
        wait_for("what was taken to leave", || stand.count().0 == 0);
    }
    stand.settle("R6", "ENOSPC at the write, spool, store and ledger");
    running.stop();
}

/// Neither the trail nor the log is worth a mail.
#[test]
fn a_full_disk_of_the_trail_or_of_the_log_stops_no_mail() {
    let mut stand = Stand::new("");
    let trail = stand.site.dir().join("data/trail");
    let Some(mount) = Mount::small(&trail, "size=64k") else { return };
    stand.list();
    mount.fill(0);
    let full_disk = File::options().write(true).open("/dev/full").unwrap();
    let child = stand.site.command(&["--log-level", "debug", "run"]).stdout(Stdio::null()).stderr(full_disk).spawn();
    let mut child = Killed(child.unwrap());
    let mut listen = None;
    wait_for("the process to listen", || {
        let status = stand.site.json(&["status"]);
        let found = status["running"][0]["listen"][0].as_str().and_then(|url| url.strip_prefix("lmtp://"));
        listen = found.map(|address| address.parse().unwrap());
        listen.is_some()
    });
    let mut lmtp = Lmtp::connect(listen.unwrap());
    for _ in 0..20 {
        assert!(stand.post(&mut lmtp, 2_000).starts_with("250"));
    }
    stand.settle("R6", "no room for the log, none for the trail");
    let lost = stand.site.json(&["status"])["running"][0]["trail_lost"].as_u64();
    assert!(lost > Some(0), "the trail has no room: {lost:?}");
    assert!(child.0.try_wait().unwrap().is_none(), "it still serves");
}

/// Killed when the test ends.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_inodes_nothing_is_lost() {
    let mut stand = Stand::new("[guard]\nmin_free = \"0\"\nmin_inodes = 0\n");
    let data = stand.site.dir().join("data");
    let Some(_mount) = Mount::small(&data, "size=64m,nr_inodes=1500") else { return };
    stand.list();
    let running = stand.site.run();
    let mut lmtp = connect(&running);
    for _ in 0..if full() { 10 } else { 1 } {
        stand.site.ok(&["queue", "pause", "moderation"]);
        assert!(stand.post(&mut lmtp, 2_000).starts_with("250"));
        let files: Vec<_> = (0..1_500).map(|number| data.join(format!("file-{number}"))).collect();
        let made = files.iter().take_while(|path| File::create(path).is_ok()).count();
        stand.site.ok(&["queue", "resume", "moderation"]);
        for _ in 0..3 {
            // Small ones fit into the journal; large ones would have to be files.
            stand.post(&mut lmtp, 2_000);
            assert!(stand.post(&mut lmtp, LARGE).starts_with("452"));
        }
        files[..made].iter().for_each(|path| std::fs::remove_file(path).unwrap());
        wait_for("mail to be taken", || stand.post(&mut lmtp, LARGE).starts_with("250"));
        wait_for("what was taken to leave", || stand.count().0 == 0);
    }
    stand.settle("R7", "no inodes left");
    running.stop();
}

fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).unwrap().count() as u64
}

#[test]
fn a_process_without_descriptors_loses_nothing_and_serves_again_when_it_has_some() {
    let mut stand = Stand::new("");
    stand.list();
    let running = stand.site.run();
    let pid = Pid::from_raw(i32::try_from(running.pid()).unwrap());
    let mut lmtp = connect(&running);
    for _ in 0..if full() { 10 } else { 1 } {
        assert!(stand.post(&mut lmtp, 2_000).starts_with("250"));
        let low = Some(descriptors(running.pid()).saturating_sub(1));
        let before = prlimit(pid, Resource::Nofile, Rlimit { current: low, ..getrlimit(Resource::Nofile) }).unwrap();
        for _ in 0..5 {
            stand.post(&mut lmtp, 2_000);
            stand.post(&mut lmtp, LARGE);
        }
        pass(Duration::from_millis(300)); // so long the runners try in vain
        prlimit(pid, Resource::Nofile, before).unwrap();
        wait_for("mail to be taken", || stand.post(&mut lmtp, LARGE).starts_with("250"));
        wait_for("what was taken to leave", || stand.count().0 == 0);
        assert!(stand.post(&mut connect(&running), 2_000).starts_with("250"), "a new connection");
    }
    stand.settle("R7", "EMFILE: no descriptors left");
    running.stop();
}

/// Octets of a process's address space.
fn address_space(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_process_without_memory_loses_nothing() {
    let temporary = tempfile::TempDir::new().unwrap();
    let rounds = if full() { 20 } else { 1 };
    let mut mill = Mill::new(&memory(), &temporary.path().join("run"), 40 * rounds as u64);
    let (mut died, mut recovery) = (0, Duration::ZERO);
    for round in 0..rounds {
        mill.start_missing(&[WHOLE]);
        let pid = mill.process(WHOLE).pid();
        let who = Pid::from_raw(i32::try_from(pid).unwrap());
        // Nothing more, and in some rounds as much as some steps of the work need.
        let low = Some(address_space(pid) + (round as u64 % 4) * (1 << 20));
        prlimit(who, Resource::As, Rlimit { current: low, maximum: low }).unwrap();
        for _ in 0..20 {
            mill.traffic.send(&Kind::ALL);
        }
        died += usize::from(mill.process(WHOLE).has_ended());
        mill.kill_all();
        let start = Instant::now();
        mill.start(WHOLE);
        mill.settled().unwrap();
        recovery = recovery.max(start.elapsed());
    }
    let books = mill.close_books();
    let injection = format!(
        "ENOMEM: no more address space; the process died of it {died} times, and was killed {} times",
        rounds - died
    );
    let (lost, doubled) = (books.lost(), books.doubled());
    println!("{}", Line { row: "R7", injection: &injection, runs: rounds, lost, doubled, recovery });
    assert_eq!((lost, books.doubled_in_store(), books.phantom()), (0, 0, 0), "{books}");
    assert!(doubled <= CONNECTIONS * rounds, "{books}");
}
