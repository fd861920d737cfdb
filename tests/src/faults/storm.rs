//! Blows at random moments while traffic flows: all processes killed, or asked to stop, or the power cut.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a harness for tests: threads, the clock, and a failure is the end of the test"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::ledger::{Kind, appended, line};
use super::mill::{Mill, WHOLE};
use super::sweep::{Kill, new_run};
use super::traffic::Traffic;

/// People who write all the time, one mail after the other.
pub struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    /// So many of them, each with a pause between two mails; every so many rounds of one have a bounce, a held post and a join in them.
    pub fn start(traffic: &Arc<Traffic>, writers: usize, pause: Duration) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let write = |_| {
            let (traffic, stop) = (Arc::clone(traffic), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let kinds = if round % 4 == 0 { Kind::ALL.as_slice() } else { &[Kind::Post] };
                    if traffic.send(kinds) == 0 {
                        // Nobody is there: whoever writes tries again soon.
                        std::thread::park_timeout(Duration::from_millis(20));
                    }
                    std::thread::park_timeout(pause);
                }
            })
        };
        let threads = (0..writers).map(write).collect();
        Writers { stop, threads }
    }

    /// They stop; returns when the last one has.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// Lets time pass: what is injected is a moment, and there is nothing to wait for.
pub fn pass(time: Duration) {
    let began = Instant::now();
    while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// A number below `bound` that nobody expects.
pub fn chance(bound: u64) -> u64 {
    static STATE: Mutex<u64> = Mutex::new(0);
    let mut state = STATE.lock().unwrap();
    if *state == 0 {
        *state = jiff::Timestamp::now().as_nanosecond() as u64 | 1;
    }
    // xorshift64
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % bound
}

/// What blows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// `kill -9` of everything.
    Kill,
    /// SIGTERM, and what is in hand is finished first.
    Stop,
}

/// So many blows, after moments of at most `moment`, under load; then everything drains. Each is a line below `place`; the longest stop.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn blows(
    mill: &mut Mill,
    blow: Blow,
    times: u32,
    moment: Duration,
    place: &Path,
) -> Result<(Vec<Kill>, Duration), String> {
    let file = Mutex::new(appended(&place.join("kills.jsonl")));
    let (mut struck, mut longest) = (Vec::new(), Duration::ZERO);
    for at in 1..=times {
        mill.start_missing(&[WHOLE]);
        let first = mill.traffic.next();
        let writers = Writers::start(&mill.traffic, 2, Duration::from_millis(2));
        let millis = u64::try_from(moment.as_millis()).unwrap_or(1_000);
        pass(Duration::from_millis(chance(millis)));
        match blow {
            Blow::Kill => mill.kill_all(),
            Blow::Stop => longest = longest.max(mill.stop_all()),
        }
        writers.stop();
        let (row, set) = if blow == Blow::Kill { ("R2", "random") } else { ("R3", "SIGTERM") };
        let kill = recover(mill, first, row, set, at)?;
        line(&file, &kill);
        struck.push(kill);
    }
    Ok((struck, longest))
}

/// Starts again, waits until everything is drained, and counts.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn recover(mill: &mut Mill, first: u64, row: &str, set: &str, at: u32) -> Result<Kill, String> {
    let began = Instant::now();
    mill.start_missing(&[WHOLE]);
    mill.settled()?;
    let books = mill.books_since(first);
    Ok(Kill {
        row: row.to_owned(),
        pass: 0,
        target: WHOLE.to_owned(),
        set: set.to_owned(),
        at,
        killed: true,
        lost: books.lost(),
        doubled: books.doubled() - books.doubled_in_store(),
        doubled_in_store: books.doubled_in_store(),
        recovery: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        trouble: (books.phantom() > 0).then(|| books.to_string()),
    })
}

/// The power goes out under a site on this disk, so often: at random moments, and every second time right behind a `250`.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn cuts(mill: &mut Mill, disk: &Disk, times: u32, place: &Path) -> Result<Vec<Kill>, String> {
    let file = Mutex::new(appended(&place.join("kills.jsonl")));
    let mut cut = Vec::new();
    disk.sync();
    for at in 1..=times {
        let first = mill.traffic.next();
        let writers = Writers::start(&mill.traffic, 2, Duration::from_millis(2));
        pass(Duration::from_millis(chance(400)));
        if at % 2 == 0 {
            writers.stop();
            mill.traffic.send(&Kind::ALL);
            disk.cut();
        } else {
            disk.cut();
            writers.stop();
        }
        mill.let_go();
        mill.kill_all();
        disk.again();
        let kill = recover(mill, first, "R4", "power cut", at)?;
        line(&file, &kill);
        cut.push(kill);
    }
    Ok(cut)
}

/// A site on this disk stands still at so many moments under load, and each time what is on the disk is copied and woken up elsewhere, where everything must drain and
/// be counted; what each came to.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn images(mill: &mut Mill, disk: &Disk, times: u32, place: &Path) -> Result<Vec<Kill>, String> {
    let file = Mutex::new(appended(&place.join("kills.jsonl")));
    let mut found = Vec::new();
    disk.sync();
    let writers = Writers::start(&mill.traffic, 2, Duration::from_millis(20));
    for at in 1..=times {
        pass(Duration::from_millis(chance(300)));
        mill.process(WHOLE).pause();
        mill.process(WHOLE).stands_still();
        let copy = disk.copied();
        let run = new_run(place);
        let mut copied = mill.found_at(&copy.mounted(), &run);
        mill.process(WHOLE).resume();
        let began = Instant::now();
        copied.start(WHOLE);
        copied.settled()?;
        let recovery = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let books = copied.close_books();
        copied.kill_all();
        copied.let_go();
        // It is counted here, and not once more with all runs.
        std::fs::remove_dir_all(&run).unwrap();
        let kill = Kill {
            row: "R5".to_owned(),
            pass: 0,
            target: WHOLE.to_owned(),
            set: "image".to_owned(),
            at,
            killed: true,
            lost: books.lost(),
            doubled: books.doubled() - books.doubled_in_store(),
            doubled_in_store: books.doubled_in_store(),
            recovery,
            trouble: (books.phantom() > 0).then(|| books.to_string()),
        };
        line(&file, &kill);
        found.push(kill);
    }
    writers.stop();
    Ok(found)
}
