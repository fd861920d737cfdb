//! What is committed survives `kill -9` at any moment, and what is not leaves nothing behind; two processes share one store.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use listmill_core::settings::Cascade;
use listmill_core::{BanScope, Commit, Committed, HeldPost, ListAddress, MessageFile, Role, StoreChange, StoreView};
use listmill_queue_format::EntryId;
use listmill_store::control::{RemoteStore, Server};
use listmill_store::{OpenError, Opened, SledStore, Store, open};
use tempfile::TempDir;

use crate::store_conformance::{add, apply, batch, create, list, member, now, whole_roster};

const DIR: &str = "LISTMILL_TEST_STORE_DIR";
const ROLE: &str = "LISTMILL_TEST_STORE_ROLE";

fn dev() -> ListAddress {
    list("dev@lists.example.org")
}

/// Another process that runs [`the_other_process`] on this directory.
struct Other {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Other {
    fn start(dir: &Path, role: &str) -> Other {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store_durable::the_other_process", "--nocapture"])
            .env(DIR, dir)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Other { child, out }
    }

    /// The number that it says next; none when it is dead.
    fn next_number(&mut self) -> Option<u64> {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(number) = line.trim().strip_prefix("at ") {
                return Some(number.parse().unwrap());
            }
        }
    }

    fn kill(mut self) -> Option<u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next_number()).last()
    }

    /// Ends its input, and waits until it has gone.
    fn leave(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "at {number}").and_then(|()| out.flush()).unwrap();
}

/// Not a test of its own: what the others start as a process.
#[test]
fn the_other_process() {
    let Ok(dir) = std::env::var(DIR).map(PathBuf::from) else { return };
    let store = SledStore::open(&dir.join("store"), Cascade::default()).unwrap();
    match std::env::var(ROLE).unwrap().as_str() {
        // Until it is killed.
        "commit" => {
            for number in next_number(&store).. {
                commit_numbered(&store, number);
                say(number);
            }
        }
        "commit and die" => {
            let number = next_number(&store);
            commit_numbered(&store, number);
            say(number);
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
        "serve" => {
            let status = Arc::new(|| serde_json::json!({ "pid": std::process::id() }));
            let server = Server::bind(&dir.join("control.sock"), Arc::new(store), status).unwrap();
            say(0);
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            drop(server);
        }
        role => panic!("{role}"),
    }
}

fn next_number(store: &dyn Store) -> u64 {
    store.audit(None, usize::MAX).unwrap().last().map_or(0, |(number, _)| *number)
}

fn file(number: u64) -> MessageFile {
    MessageFile(vec![number as u8; 100 + (number % 3) as usize * 5000])
}

fn names(number: u64) -> (String, String) {
    (format!("a{number:06}@example.net"), format!("z{number:06}@example.net"))
}

/// Batch 0 creates the list; each further one adds two people far from each other, a held post and two outgoing entries.
fn numbered(number: u64) -> Commit {
    let mut chance = [0; 10];
    chance[2..].copy_from_slice(&number.to_be_bytes());
    let id = EntryId::fresh(now(), chance);
    if number == 0 {
        return Commit { id, ..batch(vec![create(&dev())]) };
    }
    let post = HeldPost {
        id: 0,
        list: dev(),
        entry: id,
        author: "bob@example.net".to_owned(),
        subject: number.to_string(),
        message_id: "<1@example.net>".to_owned(),
        size: 1,
        reasons: Vec::new(),
        since: now(),
        expires: now(),
        sha256: String::new(),
        asks: None,
        away: None,
    };
    let (first, last) = names(number);
    let changes =
        vec![add(&dev(), member(&first)), StoreChange::Hold { post, file: file(number) }, add(&dev(), member(&last))];
    Commit { id, outgoing: vec![file(number), file(number + 1)], ..batch(changes) }
}

fn commit_numbered(store: &dyn Store, number: u64) {
    assert_eq!(store.commit(&numbered(number)), Ok(Committed::Now));
}

/// Everything up to `said` is there, and everything that is there is whole; gives the number of the last batch.
fn check(store: &dyn Store, said: u64) -> u64 {
    let last = next_number(store) - 1;
    assert!(last >= said, "batch {said} was committed, and the last there is {last}");
    assert_eq!(store.member_count(&dev()), Ok(last * 2));
    let roster: Vec<String> =
        whole_roster(store, &dev(), 500).iter().map(|member| member.address.to_string()).collect();
    let (first, second): (Vec<_>, Vec<_>) = (1..=last).map(names).unzip();
    assert_eq!(roster, [first, second].concat());
    let held = store.held(&dev(), None, usize::MAX).unwrap();
    assert_eq!(held.iter().map(|post| post.id).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    let outbox = store.outbox(usize::MAX).unwrap();
    assert_eq!(outbox.len() as u64, last);
    for (number, (id, outgoing)) in (1..).zip(outbox) {
        assert_eq!((id, outgoing), (numbered(number).id, vec![file(number), file(number + 1)]));
        assert_eq!(store.held_entry(&dev(), number).unwrap().unwrap().1, file(number));
    }
    last
}

#[test]
fn what_a_commit_returned_for_survives_kill_9() {
    let dir = TempDir::new().unwrap();
    let mut last = 0;
    for round in 0..12 {
        let said = if round % 2 == 0 {
            let mut other = Other::start(dir.path(), "commit and die");
            let said = std::iter::from_fn(|| other.next_number()).last();
            other.child.wait().unwrap();
            said.expect("it commits before it dies")
        } else {
            // Killed somewhere in a later batch than the one it speaks of.
            let mut other = Other::start(dir.path(), "commit");
            for _ in 0..round {
                other.next_number().unwrap();
            }
            other.kill().unwrap_or(last)
        };
        let store = SledStore::open(&dir.path().join("store"), Cascade::default()).unwrap();
        last = check(&store, said.max(last));
        if last > 0 {
            let again = numbered(last);
            assert_eq!(store.commit(&again), Ok(Committed::Before(again.outgoing.clone())));
        }
    }
}

#[test]
fn the_second_process_works_through_the_first() {
    let dir = TempDir::new().unwrap();
    let (path, socket) = (dir.path().join("store"), dir.path().join("control.sock"));
    let mut owner = Other::start(dir.path(), "serve");
    owner.next_number().unwrap();
    let error = SledStore::open(&path, Cascade::default()).unwrap_err();
    assert!(matches!(error, OpenError::Owned { .. }), "{error}");

    let Opened::Remote(remote) = open(&path, &socket, Cascade::default()).unwrap() else { panic!("it is owned") };
    apply(&*remote, vec![create(&dev()), add(&dev(), member("bob@example.net"))]);
    assert_eq!(remote.status().unwrap()["pid"], owner.child.id());
    let keys = remote.signing_keys().unwrap();

    // The owner starts again: the next question goes to the new one.
    owner.kill();
    let error = remote.list(&dev()).unwrap_err().reason;
    assert!(error.contains("control.sock"), "{error}");
    let mut owner = Other::start(dir.path(), "serve");
    owner.next_number().unwrap();
    assert!(remote.list(&dev()).unwrap().is_some());
    assert_eq!(remote.staff(&dev(), Role::Owner), Ok(vec![]));

    // The owner leaves while another process opens the store: that one gets it, or is told by the owner.
    let opened = std::thread::scope(|threads| {
        let opened = threads.spawn(|| open(&path, &socket, Cascade::default()).unwrap());
        owner.leave();
        opened.join().unwrap()
    });
    drop(opened);
    let Opened::Own(own) = open(&path, &socket, Cascade::default()).unwrap() else { panic!("nobody owns it") };
    assert_eq!(own.member_count(&dev()), Ok(1));
    assert_eq!((own.signing_keys().unwrap(), own.bans(&BanScope::Site).unwrap()), (keys, vec![]));
    assert!(RemoteStore::connect(&socket).is_err());
}
