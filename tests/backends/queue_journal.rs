//! The journal in front of the disk's message files: what other processes see of it, and what is left of it when its process dies.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use listmill_queue::{DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, Priority, Queue};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;

use crate::queue::{claim, drain, entry, entry_of, in_future, is_empty, text};

/// Tells a child where the spool is, and how many entries it is to put before it kills itself.
const SPOOL: &str = "LISTMILL_TEST_JOURNAL";
const COUNT: &str = "LISTMILL_TEST_JOURNAL_COUNT";
/// So many of them it has claimed and released by then.
const RELEASED: usize = 3;

/// A claim that waits, if not long: from now on this process serves the queue.
fn serve(queues: &DiskQueues) {
    assert!(queues.claim(Queue::Auth, Duration::from_millis(1)).unwrap().is_none());
}

fn spool() -> (TempDir, DiskQueues) {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    (root, queues)
}

fn names(root: &Path, dir: &str) -> Vec<String> {
    let names = fs::read_dir(root.join(dir)).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The segments below a spool.
fn segments(root: &Path) -> Vec<PathBuf> {
    let writers = names(root, "journal").into_iter().filter(|name| name != "corrupt");
    let paths = writers.flat_map(|writer| {
        let directory = root.join("journal").join(writer);
        names(&directory, ".").into_iter().map(move |name| directory.join(name))
    });
    paths.collect()
}

/// Waits until this is so; what fails here never comes to be.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < crate::queue::SOON, "never: {what}");
        std::thread::yield_now();
    }
}

/// A process that puts so many entries, releases some, and is killed in the middle of it all.
fn dies(count: usize, root: &Path) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "queue_journal::child", "--nocapture"]).env(SPOOL, root).env(COUNT, count.to_string());
    assert_eq!(child.status().unwrap().signal(), Some(Signal::KILL.as_raw()), "it is killed");
}

/// The same in a spool of its own, before anything in it has become a file: on a slow machine that takes more than one attempt.
fn killed_after(count: usize) -> TempDir {
    loop {
        let root = tempfile::tempdir().unwrap();
        dies(count, root.path());
        if ["auth/new", "auth/cur", "auth/tmp"].iter().all(|dir| names(root.path(), dir).is_empty()) {
            return root;
        }
    }
}

/// The process that is killed. Started by hand, without its variables, it has nothing to do.
#[test]
fn child() {
    let (Some(root), Ok(count)) = (std::env::var_os(SPOOL), std::env::var(COUNT)) else { return };
    let queues = DiskQueues::open(Path::new(&root)).unwrap();
    serve(&queues);
    let count: usize = count.parse().unwrap();
    for number in 0..count {
        queues.put(&[entry(&number.to_string())]).unwrap();
        if number < RELEASED {
            let claimed = claim(&queues);
            queues.release(claimed.claim).unwrap();
        }
    }
    let held = if count > RELEASED { Some(claim(&queues)) } else { None };
    kill_process(getpid(), Signal::KILL).unwrap();
    drop(held);
}

/// What `killed_after` leaves to be done, in its order.
fn left_of(count: usize) -> Vec<String> {
    (RELEASED..count).map(|number| number.to_string()).collect()
}

#[test]
fn what_is_put_and_claimed_in_one_process_never_becomes_a_file() {
    let (root, queues) = spool();
    serve(&queues);
    let mut files = 0;
    for number in 0..20 {
        let put = entry(&number.to_string());
        queues.put(std::slice::from_ref(&put)).unwrap();
        files += names(root.path(), "auth/new").len();
        assert_eq!(queues.find(put.id).unwrap().map(|found| found.state), Some(State::New));
        let claimed = claim(&queues);
        assert_eq!(claimed.entry, put);
        files += names(root.path(), "auth/cur").len();
        queues.release(claimed.claim).unwrap();
        assert_eq!(queues.find(put.id).unwrap(), None);
    }
    assert!(files < 5, "{files} of 20: only where the machine stood still for so long that they became due");
    assert_eq!(segments(root.path()).len(), 1);
    drop(queues);
    assert!(names(root.path(), "journal").is_empty(), "nothing is left of it");
}

#[test]
fn what_nobody_claims_becomes_a_file_that_others_claim() {
    let (root, queues) = spool();
    serve(&queues);
    let entries: Vec<Entry> = (0..5).map(|number| entry(&number.to_string())).collect();
    queues.put(&entries).unwrap();
    until("a file for each", || names(root.path(), "auth/new").len() == entries.len());
    assert_eq!(queues.status(Queue::Auth).unwrap().depth, 5);
    // The same ids are the same entries, wherever they are by now.
    queues.put(&entries).unwrap();
    let other = DiskQueues::open(root.path()).unwrap();
    assert_eq!(drain(&other), ["0", "1", "2", "3", "4"]);
    assert!(is_empty(&queues) && is_empty(&other));
}

#[test]
fn what_is_worked_on_for_long_is_seen_by_others_and_is_its_claimers_still() {
    let (root, queues) = spool();
    serve(&queues);
    queues.put(&[entry("long work"), entry("put off")]).unwrap();
    let (long, put_off) = (claim(&queues), claim(&queues));
    until("both in cur", || names(root.path(), "auth/cur").len() == 2);
    let other = DiskQueues::open(root.path()).unwrap();
    let status = other.status(Queue::Auth).unwrap();
    assert_eq!((status.depth, status.claimed), (2, 2));
    assert_eq!(queues.status(Queue::Auth).unwrap(), status);
    assert!(other.claim(Queue::Auth, Duration::from_millis(1200)).unwrap().is_none(), "its claimer lives");
    queues.put(&[long.entry, put_off.entry.clone()]).unwrap();
    queues.release(long.claim).unwrap();
    let later = Entry { not_before: Some(in_future(Duration::from_millis(50))), attempts: 1, ..put_off.entry };
    queues.defer(put_off.claim, &later).unwrap();
    assert_eq!(claim(&other).entry, later);
}

#[test]
fn what_is_given_back_is_claimed_again_at_its_old_place_or_becomes_a_file() {
    let (root, queues) = spool();
    serve(&queues);
    queues.put(&[entry("1"), entry("2"), entry("3")]).unwrap();
    queues.give_back(claim(&queues).claim).unwrap();
    drop(claim(&queues));
    assert_eq!(drain(&queues), ["1", "2", "3"]);
    queues.put(&[entry("4")]).unwrap();
    queues.give_back(claim(&queues).claim).unwrap();
    drop(queues);
    assert_eq!(names(root.path(), "auth/new").len(), 1);
    assert!(names(root.path(), "journal").is_empty());
    assert_eq!(drain(&DiskQueues::open(root.path()).unwrap()), ["4"]);
}

#[test]
fn files_and_the_journal_are_one_queue_in_one_order() {
    let (root, queues) = spool();
    let other = DiskQueues::open(root.path()).unwrap();
    other.put(&[entry_of(Priority::Low, "low, a file"), entry("a file")]).unwrap();
    serve_until_seen(&queues);
    queues.put(&[entry_of(Priority::High, "high"), entry("kept")]).unwrap();
    other.put(&[entry("a later file")]).unwrap();
    until("all are listed", || queues.list(Queue::Auth, State::New, 10).unwrap().len() == 5);
    let listed: Vec<Priority> = queues
        .list(Queue::Auth, State::New, 3)
        .unwrap()
        .iter()
        .map(|one| one.entry.as_ref().unwrap().priority)
        .collect();
    assert_eq!(listed, [Priority::High, Priority::Normal, Priority::Normal]);
    let mut order = drain(&queues);
    order.retain(|text| !text.starts_with("low"));
    assert_eq!(order, ["high", "a file", "kept", "a later file"]);
}

/// Serves a queue in which something is: claims it and gives it back.
fn serve_until_seen(queues: &DiskQueues) {
    let claimed = queues.claim(Queue::Auth, crate::queue::SOON).unwrap().expect("it is there");
    queues.give_back(claimed.claim).unwrap();
}

#[test]
fn an_operator_removes_what_is_in_the_journal() {
    let (root, queues) = spool();
    serve(&queues);
    let (gone, worked_on) = (entry("gone"), entry("worked on"));
    queues.put(std::slice::from_ref(&worked_on)).unwrap();
    let claimed = claim(&queues);
    queues.put(std::slice::from_ref(&gone)).unwrap();
    assert!(!queues.retry(gone.id).unwrap(), "it can be claimed as it is");
    assert!(queues.remove(gone.id).unwrap() && !queues.remove(gone.id).unwrap());
    assert!(!queues.remove(worked_on.id).unwrap(), "somebody works on it");
    queues.release(claimed.claim).unwrap();
    drop(queues);
    assert!(is_empty(&DiskQueues::open(root.path()).unwrap()));
}

#[test]
fn what_is_not_for_now_or_for_here_is_a_file_at_once() {
    let (root, queues) = spool();
    serve(&queues);
    let later = Entry { not_before: Some(in_future(Duration::from_secs(3600))), ..entry("later") };
    let elsewhere = Entry { queue: Queue::Bounce, ..entry("nobody here claims it") };
    let large = Entry { message: vec![b'x'; 2 << 20].into(), ..entry("") };
    queues.put(&[later, elsewhere, large]).unwrap();
    assert_eq!(names(root.path(), "auth/deferred").len(), 1);
    assert_eq!((names(root.path(), "bounce/new").len(), names(root.path(), "auth/new").len()), (1, 1));
    queues.set_paused(Queue::Auth, true).unwrap();
    serve(&queues);
    queues.put(&[entry("paused")]).unwrap();
    assert_eq!(names(root.path(), "auth/new").len(), 2);
    assert!(segments(root.path()).is_empty());
}

#[test]
fn the_memory_that_the_journal_takes_is_bounded() {
    let (root, queues) = spool();
    serve(&queues);
    let megabyte: std::sync::Arc<[u8]> = vec![b'x'; 1_000_000].into();
    let held = (0..40).map(|_| {
        queues.put(&[Entry { message: megabyte.clone(), ..entry("") }]).unwrap();
        claim(&queues)
    });
    let held: Vec<_> = held.collect();
    let files = names(root.path(), "auth/cur").len();
    assert!(files >= 8, "{files} of 40 went past it");
    held.into_iter().for_each(|claimed| queues.release(claimed.claim).unwrap());
    assert!(is_empty(&queues));
    until("segments that nobody needs are removed", || segments(root.path()).len() == 1);
}

#[test]
fn what_a_killed_process_had_in_its_journal_is_there_again_and_nothing_else() {
    for count in [0, 1, 3, 4, 60] {
        let root = killed_after(count);
        assert_eq!(segments(root.path()).len(), usize::from(count > 0));
        let queues = DiskQueues::open(root.path()).unwrap();
        assert!(names(root.path(), "journal").is_empty(), "the journal of the dead is gone");
        assert_eq!(names(root.path(), "auth/new").len(), count.saturating_sub(RELEASED), "all are files");
        assert_eq!(drain(&queues), left_of(count));
    }
}

#[test]
fn a_process_that_runs_recovers_what_another_had_in_its_journal() {
    let (root, queues) = spool();
    serve(&queues);
    dies(10, root.path());
    let mut found = Vec::new();
    for _ in RELEASED..10 {
        let claimed = claim(&queues);
        found.push(text(&claimed.entry));
        queues.release(claimed.claim).unwrap();
    }
    assert_eq!(found, left_of(10));
    assert!(is_empty(&queues));
}

#[test]
fn the_journal_of_one_who_lives_is_left_alone() {
    let (root, queues) = spool();
    serve(&queues);
    queues.put(&[entry("mine")]).unwrap();
    let claimed = claim(&queues);
    let other = DiskQueues::open(root.path()).unwrap();
    assert_eq!(segments(root.path()).len(), 1);
    assert!(is_empty(&other));
    queues.release(claimed.claim).unwrap();
}

/// A spool with the journal of a process that was killed, its segment cut or changed by `damage`.
fn recovered(of: &Path, damage: impl Fn(&mut Vec<u8>)) -> (TempDir, Vec<String>) {
    let copy = tempfile::tempdir().unwrap();
    let segment = segments(of).remove(0);
    let to = copy.path().join(segment.strip_prefix(of).unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let mut bytes = fs::read(segment).unwrap();
    damage(&mut bytes);
    fs::write(to, bytes).unwrap();
    let found = drain(&DiskQueues::open(copy.path()).unwrap());
    (copy, found)
}

/// Where the records of a segment begin, and where the last one ends.
fn records(segment: &[u8]) -> Vec<usize> {
    let mut starts: Vec<usize> =
        (0..segment.len()).step_by(8).filter(|at| segment[*at..].starts_with(b"LMJ1")).collect();
    starts.push(segment.iter().rposition(|octet| *octet != 0).unwrap() + 1);
    starts
}

#[test]
fn a_journal_that_ends_anywhere_has_all_that_was_whole_by_then() {
    let root = killed_after(8);
    let starts = records(&fs::read(&segments(root.path())[0]).unwrap());
    assert!(starts.len() > 16, "a mark and a record for each put, and what was released");
    let mut most = BTreeSet::new();
    for start in starts {
        for torn in [false, true] {
            let (copy, found) = recovered(root.path(), |bytes| match torn {
                false => bytes.truncate(start),
                true => bytes[start + 41..].fill(0),
            });
            // Those whose release was cut off come again; of those that were put, none before another is missing.
            let numbers: Vec<usize> = found.iter().map(|text| text.parse().unwrap()).collect();
            let expected = numbers.first().map_or(0..0, |first| *first..first + numbers.len());
            assert_eq!(numbers, expected.collect::<Vec<_>>(), "cut at {start}");
            assert!(names(copy.path(), "journal").is_empty(), "cut at {start}");
            most.insert(numbers.last().copied().unwrap_or(0));
        }
    }
    assert_eq!(most, (0..8).collect(), "each record counts");
}

#[test]
fn what_the_disk_has_damaged_is_kept_and_takes_nothing_else_with_it() {
    let root = killed_after(12);
    let bytes = fs::read(&segments(root.path())[0]).unwrap();
    let of_7 = bytes.windows(10).position(|window| window == b"Subject: 7").unwrap();
    let (copy, found) = recovered(root.path(), |bytes| bytes[of_7 + 9] = b'x');
    assert_eq!(found, left_of(12).into_iter().filter(|text| text != "7").collect::<Vec<_>>());
    let kept = names(copy.path(), "journal/corrupt");
    assert_eq!((kept.len(), names(copy.path(), "journal").len()), (1, 1));
    assert_eq!(fs::metadata(copy.path().join("journal/corrupt").join(&kept[0])).unwrap().len(), bytes.len() as u64);
    let (copy, found) = recovered(root.path(), |bytes| bytes[..8].fill(b'x'));
    assert_eq!((found.len(), names(copy.path(), "journal/corrupt").len()), (0, 1), "nobody can tell what is in it");
}

#[test]
fn a_journal_of_a_newer_version_is_left_to_that() {
    let root = killed_after(5);
    let (copy, found) = recovered(root.path(), |bytes| bytes[18] = b'7');
    assert_eq!((found.len(), segments(copy.path()).len()), (0, 1));
}
