//! Several processes on one spool: this program starts itself, and kills itself.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use listmill_queue::{Claimed, DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, Queue};

use crate::queue::{SOON, claim, entry, in_future, is_empty, text};

/// Tells a child where the spool is and what to do there.
const SPOOL: &str = "LISTMILL_TEST_SPOOL";
const PART: &str = "LISTMILL_TEST_PART";
/// This module's own test that is the child.
const CHILD: &str = "queue_processes::child";

/// Another process; killed at the latest when the test ends.
struct Other {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Other {
    fn start(spool: &Path, part: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", CHILD, "--nocapture", "--test-threads=1"])
            .env(SPOOL, spool)
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        Other { child, says }
    }

    /// The next thing that it says: what stands behind "says:" in a line. `None` when it has ended.
    fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.says.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.split_once("says: ") {
                return Some(said.trim_end().to_owned());
            }
            line.clear();
        }
        None
    }

    /// SIGKILL: nothing in it runs any more.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn say(what: &str) {
    println!("says: {what}");
    std::io::stdout().flush().unwrap();
}

/// The other process. Started by hand, without its variables, it has nothing to do.
#[test]
fn child() {
    let (Some(spool), Ok(part)) = (std::env::var_os(SPOOL).map(PathBuf::from), std::env::var(PART)) else { return };
    let queues = DiskQueues::open(&spool).unwrap();
    match part.as_str() {
        "claim all" => {
            assert!(is_empty(&queues)); // from now on it hears
            say("ready");
            while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_secs(2)).unwrap() {
                say(&text(&claimed.entry));
                queues.release(claimed.claim).unwrap();
            }
        }
        "claim and hold" => {
            let claimed = claim(&queues);
            say(&text(&claimed.entry));
            std::thread::park(); // until it is killed
            drop(claimed);
        }
        "carry" => {
            say("ready");
            while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_secs(60)).unwrap() {
                carry(&queues, claimed);
                say("one");
            }
        }
        "put" => {
            for number in 0..100_000 {
                queues.put(&[entry(&number.to_string())]).unwrap();
                say(&number.to_string());
            }
        }
        other => unreachable!("{other:?} is no part"),
    }
}

/// What a shell does with an entry: at the first attempt it is put off, at the second it goes to the next queue.
fn carry(queues: &DiskQueues, claimed: Claimed) {
    let Claimed { entry, claim } = claimed;
    if entry.attempts == 0 {
        let later = Entry { attempts: 1, not_before: Some(in_future(Duration::from_millis(20))), ..entry };
        return queues.defer(claim, &later).unwrap();
    }
    queues.put(&[entry.derive("auth", 0, Queue::Moderation), entry.derive("auth", 1, Queue::Bounce)]).unwrap();
    queues.release(claim).unwrap();
}

#[test]
fn however_often_carriers_are_killed_nothing_is_lost_and_nothing_is_there_twice() {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    let entries: Vec<Entry> = (0..150).map(|number| entry(&number.to_string())).collect();
    queues.put(&entries).unwrap();
    let work_left = || {
        let status = queues.status(Queue::Auth).unwrap();
        status.depth + status.deferred > 0
    };
    let mut kills = 0;
    let mut steady = Other::start(root.path(), "carry");
    while work_left() && kills < 40 {
        let mut other = Other::start(root.path(), "carry");
        assert_eq!(other.says().as_deref(), Some("ready"));
        // Killed after nothing, one, two … entries, wherever in the next one it is by then.
        (0..kills % 5).for_each(|_| drop(other.says()));
        other.kill();
        kills += 1;
    }
    while work_left() {
        steady.says();
    }
    steady.kill();
    assert!(!work_left() && queues.status(Queue::Auth).unwrap().corrupt == 0);
    for (queue, ordinal) in [(Queue::Moderation, 0), (Queue::Bounce, 1)] {
        assert_eq!(queues.status(queue).unwrap().depth, entries.len() as u64, "{queue}, after {kills} kills");
        let expected: HashSet<_> = entries.iter().map(|entry| entry.id.derive("auth", ordinal)).collect();
        let listed = queues.list(queue, State::New, 1000).unwrap();
        assert_eq!(
            listed.iter().filter_map(|listed| Some(listed.entry.as_ref()?.id)).collect::<HashSet<_>>(),
            expected
        );
    }
}

#[test]
fn two_processes_share_a_queue_and_nobody_gets_an_entry_twice() {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    let mut others = [Other::start(root.path(), "claim all"), Other::start(root.path(), "claim all")];
    for other in &mut others {
        assert_eq!(other.says().as_deref(), Some("ready"));
    }
    let entries: Vec<Entry> = (0..200).map(|number| entry(&number.to_string())).collect();
    entries.chunks(20).for_each(|some| queues.put(some).unwrap());
    let claimed: Vec<String> = others.iter_mut().flat_map(|other| std::iter::from_fn(|| other.says())).collect();
    assert_eq!(claimed.len(), entries.len(), "each once");
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), entries.iter().map(text).collect());
    assert_eq!(queues.status(Queue::Auth).unwrap().depth, 0);
}

#[test]
fn the_entry_of_a_killed_process_is_taken_over_by_one_that_runs() {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    assert!(is_empty(&queues)); // it runs already
    queues.put(&[entry("in work")]).unwrap();
    let mut other = Other::start(root.path(), "claim and hold");
    assert_eq!(other.says().as_deref(), Some("in work"));
    assert!(queues.claim(Queue::Auth, Duration::from_millis(1500)).unwrap().is_none(), "its claimer lives");
    other.kill();
    let killed = Instant::now();
    let claimed = claim(&queues);
    assert_eq!(text(&claimed.entry), "in work");
    assert!(killed.elapsed() < Duration::from_secs(4), "after {:?}", killed.elapsed());
    queues.release(claimed.claim).unwrap();
}

#[test]
fn what_a_killed_process_has_put_is_there_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    for round in 0..5 {
        let mut other = Other::start(root.path(), "put");
        let mut stored: Vec<String> = (0..20 + round).filter_map(|_| other.says()).collect();
        other.kill();
        stored.extend(std::iter::from_fn(|| other.says())); // what it said before it died
        let mut found = Vec::new();
        while let Some(claimed) = queues.claim(Queue::Auth, Duration::from_millis(100)).unwrap() {
            found.push(text(&claimed.entry));
            queues.release(claimed.claim).unwrap();
        }
        // The last one may have been stored without a word about it.
        assert!(found.starts_with(&stored) && found.len() <= stored.len() + 1, "{found:?} where it said {stored:?}");
        let status = queues.status(Queue::Auth).unwrap();
        assert_eq!((status.depth, status.corrupt), (0, 0));
    }
}

#[test]
fn a_claimer_hears_of_what_another_process_puts() {
    let root = tempfile::tempdir().unwrap();
    let queues = DiskQueues::open(root.path()).unwrap();
    assert!(is_empty(&queues));
    let _other = Other::start(root.path(), "put");
    let claimed = queues.claim(Queue::Auth, SOON).unwrap().expect("it came");
    assert_eq!(text(&claimed.entry), "0");
    queues.release(claimed.claim).unwrap();
}
