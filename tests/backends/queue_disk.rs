//! What only the disk has: files that are no entries, files of newer versions, leftovers, and the names in the spool.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use listmill_queue::{DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, Priority, Queue, encode};
use rustix::fs::{CWD, FileType, FlockOperation, Mode};
use tempfile::TempDir;

use crate::queue::{claim, drain, entry, entry_of, in_future, is_empty, text};

/// A spool, and the way to its auth queue.
struct Spool {
    queues: DiskQueues,
    auth: PathBuf,
    root: TempDir,
}

impl Spool {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let queues = DiskQueues::open(root.path()).unwrap();
        Spool { queues, auth: root.path().join("auth"), root }
    }

    /// What a second process would have.
    fn opened_again(&self) -> DiskQueues {
        DiskQueues::open(self.root.path()).unwrap()
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let names = fs::read_dir(self.auth.join(dir)).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Writes the bytes of a message file as a program in another language would, and answers where.
    fn write(&self, dir: &str, time: u64, entry: &Entry, bytes: &[u8]) -> PathBuf {
        let name = match dir {
            "deferred" => format!("{time:020}.{}.{}", entry.priority.rank(), entry.id),
            _ => format!("{}.{time:020}.{}", entry.priority.rank(), entry.id),
        };
        let path = self.auth.join(dir).join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The reasons in `corrupt`, and that there is one beside each file.
    fn corrupt(&self) -> Vec<String> {
        let listed = self.queues.list(Queue::Auth, State::Corrupt, 100).unwrap();
        assert_eq!(self.queues.status(Queue::Auth).unwrap().corrupt, listed.len() as u64);
        let mut reasons: Vec<_> = listed.into_iter().map(|listed| listed.why.expect("there is a reason")).collect();
        reasons.sort();
        reasons
    }
}

fn file_type(path: &Path) -> FileType {
    FileType::from_raw_mode(rustix::fs::lstat(path).unwrap().st_mode)
}

#[test]
fn the_spool_belongs_to_its_user_alone() {
    let spool = Spool::new();
    spool.queues.put(&[entry("private")]).unwrap();
    let file = spool.auth.join("new").join(&spool.names("new")[0]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&spool.auth).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn names_tell_class_time_and_id_and_nothing_is_left_behind() {
    let spool = Spool::new();
    let put = entry_of(Priority::High, "x");
    let due = in_future(Duration::from_secs(3600));
    let later = Entry { not_before: Some(due), ..entry("later") };
    spool.queues.put(&[put.clone(), later.clone()]).unwrap();
    let name = &spool.names("new")[0];
    assert!(name.starts_with("1.000") && name.ends_with(&format!(".{}", put.id)) && name.len() == 59, "{name}");
    assert_eq!(spool.names("deferred"), [format!("{:020}.5.{}", due.as_microsecond(), later.id)]);
    assert_eq!(fs::read(spool.auth.join("new").join(name)).unwrap(), encode(&put).unwrap());
    let claimed = claim(&spool.queues);
    assert_eq!(&spool.names("cur")[0], name);
    spool.queues.release(claimed.claim).unwrap();
    assert!(spool.queues.remove(later.id).unwrap());
    for dir in ["tmp", "new", "cur", "deferred", "shunt", "corrupt", "ids"] {
        assert!(spool.names(dir).is_empty(), "{dir} is empty");
    }
}

#[test]
fn a_later_page_stands_behind_what_came_meanwhile() {
    let spool = Spool::new();
    let first = entry_of(Priority::Low, "a list's first page");
    spool.queues.put(std::slice::from_ref(&first)).unwrap();
    let claimed = claim(&spool.queues);
    spool.queues.put(&[entry_of(Priority::Low, "another list's post")]).unwrap();
    let page = Entry { recipients: Vec::new(), ..claimed.entry.derive("pending", 1, Queue::Auth) };
    spool.queues.put(&[Entry { priority: Priority::Low, ..page }]).unwrap();
    spool.queues.release(claimed.claim).unwrap();
    assert_eq!(drain(&spool.queues), ["another list's post", "a list's first page"]);
}

#[test]
fn what_is_no_entry_is_set_aside_unopened_and_the_rest_flows() {
    let spool = Spool::new();
    let good = |number: u32| entry(&format!("good {number}"));
    spool.queues.put(&[good(1)]).unwrap();
    let new = spool.auth.join("new");
    let name = |time: u64| format!("5.{time:020}.{}", entry("x").id);
    let dir = new.join(name(1));
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("inside"), "kept").unwrap();
    // Nobody ever writes to it: a reader that opened it without O_NONBLOCK would hang here.
    rustix::fs::mkfifoat(CWD, new.join(name(2)), Mode::RUSR | Mode::WUSR).unwrap();
    symlink("/etc/passwd", new.join(name(3))).unwrap();
    symlink("/nowhere", new.join(name(4))).unwrap();
    fs::write(new.join("README"), "foreign").unwrap();
    fs::write(new.join("line\nbreak"), "foreign").unwrap();
    fs::write(new.join("x.why.json"), "foreign").unwrap();
    fs::write(new.join("y".repeat(255)), "foreign").unwrap();
    fs::write(spool.auth.join("deferred").join(name(5)), "the name of another directory").unwrap();
    spool.queues.put(&[good(2)]).unwrap();
    let other = spool.opened_again(); // has seen nothing yet, so it reads the directories
    assert_eq!(drain(&other), ["good 1", "good 2"]);
    assert!(is_empty(&other));
    let reasons = spool.corrupt();
    let count = |part: &str| reasons.iter().filter(|reason| reason.contains(part)).count();
    assert_eq!((reasons.len(), count("not a regular file"), count("not have the name of an entry")), (9, 4, 5));
    let kinds: Vec<_> = fs::read_dir(spool.auth.join("corrupt")).unwrap().map(|file| file.unwrap().path()).collect();
    let count = |kind| kinds.iter().filter(|path| file_type(path) == kind).count();
    assert_eq!((count(FileType::Directory), count(FileType::Fifo), count(FileType::Symlink)), (1, 1, 2));
    assert!(kinds.iter().any(|path| path.join("inside").exists()), "a directory is kept with what is in it");
    let listed = spool.queues.list(Queue::Auth, State::Corrupt, 100).unwrap();
    assert!(listed.iter().all(|listed| !listed.name.contains('\n')));
}

#[test]
fn bytes_that_do_not_decode_are_set_aside_with_the_reason() {
    let spool = Spool::new();
    let good = entry("good");
    let bytes = encode(&good).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    spool.write("new", 1, &entry("x"), b"");
    spool.write("new", 2, &entry("x"), &bytes[..bytes.len() - 1]);
    spool.write("new", 3, &entry("x"), &flipped);
    spool.write("new", 4, &entry("x"), &bytes); // the id of another
    let misplaced = Entry { queue: Queue::Bounce, ..entry("misplaced") };
    spool.write("new", 5, &misplaced, &encode(&misplaced).unwrap());
    // Not read at all: a sparse file as large as this would fill the memory.
    let path = spool.write("new", 6, &entry("x"), b"");
    fs::File::options().write(true).open(path).unwrap().set_len(1 << 42).unwrap();
    spool.write("new", 7, &good, &bytes);
    assert_eq!(drain(&spool.queues), ["good"]);
    let reasons = spool.corrupt().join("\n");
    assert_eq!(reasons.lines().count(), 6, "{reasons}");
    for part in
        ["bytes behind line 1", "SHA-256", "the id", "belongs to bounce, not auth", "more than an entry can have"]
    {
        assert!(reasons.contains(part), "{part:?} in {reasons}");
    }
    assert!(is_empty(&spool.queues), "never tried again");
    // An operator finds it by the id in its name, and may remove it.
    let found = spool.queues.find(misplaced.id).unwrap().expect("it is kept");
    assert_eq!((found.state, found.bytes), (State::Corrupt, encode(&misplaced).unwrap()));
    assert!(!spool.queues.retry(misplaced.id).unwrap());
    assert!(spool.queues.remove(misplaced.id).unwrap());
    assert_eq!(spool.corrupt().len(), 5);
}

#[test]
fn an_entry_of_a_newer_version_is_left_for_a_newer_runner() {
    let spool = Spool::new();
    let newer = |text: &str, version: &str| {
        let entry = entry(text);
        let bytes = encode(&entry).unwrap();
        let rest = bytes.strip_prefix(b"{\"format\":\"listmill/1\"").expect("line 1 begins with the version");
        (entry, [format!("{{\"format\":\"listmill/{version}\"").as_bytes(), rest].concat())
    };
    for (time, version) in [(1, "1.7"), (2, "2")] {
        let (entry, bytes) = newer("newer", version);
        spool.write("new", time, &entry, &bytes);
    }
    spool.queues.put(&[entry("now")]).unwrap();
    assert_eq!(drain(&spool.queues), ["now"]);
    spool.queues.put(&[entry("and again")]).unwrap();
    assert_eq!(drain(&spool.queues), ["and again"]);
    assert_eq!(spool.names("new").len(), 2, "they are where they were");
    assert!(spool.corrupt().is_empty());
}

#[test]
fn an_entry_that_a_foreign_program_writes_is_found_without_a_scan() {
    let spool = Spool::new();
    assert!(is_empty(&spool.queues)); // watches from now on
    let foreign = entry("foreign");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(&spool.queues));
        let path = spool.write("tmp", 7, &foreign, &encode(&foreign).unwrap());
        fs::rename(&path, spool.auth.join("new").join(path.file_name().unwrap())).unwrap();
        let claimed = waiting.join().unwrap();
        assert_eq!(text(&claimed.entry), "foreign");
        spool.queues.release(claimed.claim).unwrap();
    });
    let foreign = Entry { not_before: Some(in_future(Duration::from_millis(100))), ..entry("foreign, later") };
    let due = foreign.not_before.map_or(0, |due| due.as_microsecond().unsigned_abs());
    spool.write("deferred", due, &foreign, &encode(&foreign).unwrap());
    assert_eq!(text(&claim(&spool.queues).entry), "foreign, later");
}

#[test]
fn an_orphan_that_was_deferred_before_its_claimer_died_runs_once() {
    let spool = Spool::new();
    let original = entry("deferred");
    spool.queues.put(std::slice::from_ref(&original)).unwrap();
    let claimed = claim(&spool.queues);
    let orphan = spool.auth.join("cur").join(&spool.names("cur")[0]);
    let bytes = fs::read(&orphan).unwrap();
    let later = Entry { attempts: 1, not_before: Some(in_future(Duration::from_millis(1500))), ..claimed.entry };
    spool.queues.defer(claimed.claim, &later).unwrap();
    fs::write(&orphan, bytes).unwrap(); // as if the process had died before the unlink
    let other = spool.opened_again();
    assert!(is_empty(&other));
    assert!(spool.names("cur").is_empty(), "the orphan has lost");
    let claimed = claim(&other);
    assert_eq!(claimed.entry.attempts, 1);
    other.release(claimed.claim).unwrap();
    assert!(is_empty(&other));
}

#[test]
fn an_orphan_without_an_index_is_still_taken_over() {
    let spool = Spool::new();
    spool.queues.put(&[entry("orphan")]).unwrap();
    let name = spool.names("new")[0].clone();
    fs::rename(spool.auth.join("new").join(&name), spool.auth.join("cur").join(&name)).unwrap();
    fs::remove_file(spool.auth.join("ids").join(&spool.names("ids")[0])).unwrap();
    assert_eq!(drain(&spool.opened_again()), ["orphan"]);
}

/// What the death of a process leaves that had all of it in hand.
fn die_with_all_in_hand(spool: &Spool) {
    for name in spool.names("new") {
        fs::rename(spool.auth.join("new").join(&name), spool.auth.join("cur").join(&name)).unwrap();
    }
}

#[test]
fn tries_that_ended_with_a_death_are_counted_and_those_in_doubt_go_one_at_a_time() {
    let spool = Spool::new();
    spool.queues.put(&[entry("one"), entry("two")]).unwrap();
    for tries in 0..3 {
        let queues = spool.opened_again();
        let first = claim(&queues);
        assert_eq!((first.claim.tries(), text(&first.entry).as_str()), (tries, "one"));
        drop(first);
        // A claim that is dropped is no death, and neither is one that is given back.
        let first = claim(&queues);
        assert_eq!(first.claim.tries(), tries);
        let second = queues.claim(Queue::Auth, Duration::from_millis(100)).unwrap();
        assert_eq!(second.is_some(), tries < 2, "beside one that is in doubt");
        queues.give_back(first.claim).unwrap();
        second.into_iter().for_each(|second| queues.give_back(second.claim).unwrap());
        drop(queues);
        die_with_all_in_hand(&spool);
    }
    let first = claim(&spool.queues);
    assert_eq!(first.claim.tries(), 3);
    // Who gets on is in doubt no more, and an entry that is put off begins anew.
    first.claim.got_on();
    assert_eq!(first.claim.tries(), 0);
    spool.queues.give_back(first.claim).unwrap();
    let first = claim(&spool.queues);
    assert_eq!(first.claim.tries(), 0);
    let later = Entry { attempts: 1, ..first.entry };
    spool.queues.defer(first.claim, &later).unwrap();
    let mut seen = Vec::new();
    while let Some(claimed) = spool.queues.claim(Queue::Auth, Duration::ZERO).unwrap() {
        seen.push((text(&claimed.entry), claimed.claim.tries()));
        spool.queues.release(claimed.claim).unwrap();
    }
    assert_eq!(seen, [("two".to_owned(), 3), ("one".to_owned(), 0)]);
}

#[test]
fn an_index_that_is_wrong_loses_nothing() {
    let spool = Spool::new();
    let put = entry("put");
    let link = spool.auth.join("ids").join(put.id.to_string());
    symlink(format!("5.{:020}.{}", 7, put.id), &link).unwrap(); // a writer died before its rename
    spool.queues.put(std::slice::from_ref(&put)).unwrap();
    fs::remove_file(&link).unwrap();
    assert!(spool.queues.find(put.id).unwrap().is_some(), "found by reading the directories");
    symlink("/etc/passwd", &link).unwrap();
    assert!(spool.queues.find(put.id).unwrap().is_some());
    fs::remove_file(&link).unwrap();
    fs::write(&link, "not even a link").unwrap();
    assert_eq!(drain(&spool.queues), ["put"]);
}

#[test]
fn what_a_writer_that_died_left_in_tmp_is_no_entry_although_the_index_names_it() {
    let spool = Spool::new();
    let put = entry("put again");
    spool.queues.put(std::slice::from_ref(&put)).unwrap();
    let name = spool.names("new")[0].clone();
    fs::rename(spool.auth.join("new").join(&name), spool.auth.join("tmp/x")).unwrap(); // as if it had not come so far
    spool.queues.put(std::slice::from_ref(&put)).unwrap();
    assert_eq!(drain(&spool.opened_again()), ["put again"]);
    assert_eq!(fs::read(spool.auth.join("tmp/x")).unwrap(), encode(&put).unwrap(), "and left to the sweep");
    assert!(spool.names("ids").is_empty());
}

#[test]
fn a_runner_that_does_not_keep_the_index_leaves_nothing_for_long() {
    let spool = Spool::new();
    let put = entry("released by somebody else");
    spool.queues.put(std::slice::from_ref(&put)).unwrap();
    fs::remove_file(spool.auth.join("new").join(&spool.names("new")[0])).unwrap();
    spool.queues.put(std::slice::from_ref(&put)).unwrap();
    assert_eq!(drain(&spool.queues), ["released by somebody else"], "what is gone may come again");
}

#[test]
fn only_leftovers_are_swept_from_tmp() {
    let spool = Spool::new();
    let old = SystemTime::now() - Duration::from_secs(7200);
    let write = |name: &str| {
        let file = fs::File::create(spool.auth.join("tmp").join(name)).unwrap();
        file.set_modified(old).unwrap();
        file
    };
    write("leftover");
    let locked = write("still being written");
    rustix::fs::flock(&locked, FlockOperation::LockExclusive).unwrap();
    fs::write(spool.auth.join("tmp/young"), "").unwrap();
    assert!(is_empty(&spool.queues));
    assert_eq!(spool.names("tmp"), ["still being written", "young"]);
}

#[test]
fn nothing_counts_as_stored_when_one_entry_cannot_be() {
    let spool = Spool::new();
    let good = entry("good");
    let bad = Entry { format: "listmill/1.9".parse().unwrap(), ..entry("of a newer version") };
    let error = spool.queues.put(&[good.clone(), bad]).expect_err("it cannot be written");
    assert!(!error.is_temporary(), "{error}");
    assert!(is_empty(&spool.queues));
    assert!(spool.names("tmp").is_empty() && spool.names("ids").is_empty());
    // The rename of the second fails; the first was in place already.
    fs::remove_dir(spool.root.path().join("bounce/new")).unwrap();
    let error =
        spool.queues.put(&[good.clone(), Entry { queue: Queue::Bounce, ..entry("lost") }]).expect_err("no place");
    assert!(error.is_temporary() && error.to_string().contains("bounce/new"), "{error}");
    assert!(is_empty(&spool.queues));
    assert!(spool.names("new").is_empty() && spool.names("ids").is_empty());
    spool.queues.put(&[good]).unwrap();
    assert_eq!(drain(&spool.queues), ["good"]);
}

#[test]
fn a_pause_is_seen_by_everybody_and_outlives_the_process() {
    let spool = Spool::new();
    spool.queues.put(&[entry("waits")]).unwrap();
    spool.queues.set_paused(Queue::Auth, true).unwrap();
    let other = spool.opened_again();
    assert!(is_empty(&other) && other.status(Queue::Auth).unwrap().paused);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(&other));
        spool.queues.set_paused(Queue::Auth, false).unwrap();
        other.release(waiting.join().unwrap().claim).unwrap();
    });
}

#[test]
fn a_deep_queue_is_worked_off_in_order_with_a_bounded_memory_of_it() {
    let spool = Spool::new();
    // More than a process remembers, written by somebody else.
    let entries: Vec<Entry> = (0..9000).map(|number| entry(&number.to_string())).collect();
    for (time, entry) in (1..).zip(&entries) {
        spool.write("new", time, entry, &encode(entry).unwrap());
    }
    for expected in &entries {
        let claimed = claim(&spool.queues);
        assert_eq!(claimed.entry.id, expected.id);
        // As release does, without its sync.
        let name = &spool.auth.join("cur").join(format!(
            "5.{:020}.{}",
            text(&claimed.entry).parse::<u64>().unwrap() + 1,
            expected.id
        ));
        fs::remove_file(name).unwrap();
        spool.queues.give_back(claimed.claim).unwrap();
    }
    assert!(is_empty(&spool.queues));
}
