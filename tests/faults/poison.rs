//! Row R11: an entry with which in hand the process dies or hangs is set aside at the third time, alone, and a retry is a first time.
//!
//! The real program dies of nothing that is known. So the store's owner stands still: whoever works through it hangs with its entry in hand, and is
//! killed, or ends itself.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use listmill_tests::faults::{Line, full};
use listmill_tests::program::{Running, wait_for};
use listmill_tests::sink::{Answer, Script, Step};
use rustix::process::{Pid, Signal, kill_process};

use crate::stand::{BUT_MODERATION, DEV, Stand, connect};

impl Stand {
    /// A process that serves moderation alone, with entries in hand and the store's owner standing still.
    fn hanging(&self, owner: &Running, in_hand: usize) -> Running {
        self.site.ok(&["queue", "pause", "moderation"]);
        let moderation = self.site.run_with(&["moderation"]);
        owner.pause();
        self.site.ok(&["queue", "resume", "moderation"]);
        wait_for("the entries to be in hand", || self.files("moderation", "cur").len() == in_hand);
        moderation
    }

    /// The one entry that is shunted in moderation.
    fn shunted(&self) -> String {
        let files = self.files("moderation", "shunt");
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].extension().unwrap_or_default().to_string_lossy().into_owned()
    }
}

fn deadly(running: Running, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap(), signal).unwrap();
    assert_eq!(running.exit_code(), None, "a signal has ended it");
}

#[test]
fn an_entry_with_which_in_hand_the_process_dies_thrice_is_set_aside_alone() {
    let mut stand = Stand::new("[guard]\nhang_limit = \"0s\"\n");
    stand.list();
    let owner = stand.site.run_with(&BUT_MODERATION);
    let mut lmtp = connect(&owner);
    for _ in 0..2 {
        assert!(stand.post(&mut lmtp, 500).starts_with("250"));
    }
    wait_for("two posts to wait", || stand.files("moderation", "new").len() == 2);
    for (signal, in_hand) in [(Signal::ABORT, 2), (Signal::QUIT, 2), (Signal::KILL, 1)] {
        let moderation = stand.hanging(&owner, in_hand);
        assert_eq!(stand.files("moderation", "new").len(), 2 - in_hand, "who is in doubt goes alone");
        deadly(moderation, signal);
        owner.resume();
    }
    let start = Instant::now();
    let moderation = stand.site.run_with(&["moderation"]);
    wait_for("one to be set aside, and the other to arrive", || stand.count().0 == 1);
    wait_for("one to be set aside", || stand.files("moderation", "shunt").len() == 1);
    let id = stand.shunted();
    let told = stand.site.ok(&["queue", "show", &id]);
    assert!(told.contains("deadly: the process that had it in hand has died 3 times"), "{told}");
    assert!(told.contains("moderation"), "{told}");
    stand.site.ok(&["queue", "retry", &id]);
    wait_for("the retry to arrive", || stand.count() == (0, 0));
    println!(
        "{}",
        Line {
            row: "R11",
            injection: "SIGABRT, SIGQUIT, SIGKILL with two entries in hand",
            runs: 3,
            lost: 0,
            doubled: 0,
            recovery: start.elapsed()
        }
    );
    assert_eq!(stand.site.figure("moderation", "shunted"), 0);
    moderation.stop();
    owner.stop();
}

#[test]
fn an_entry_that_hangs_ends_its_process_thrice_and_is_set_aside() {
    let mut stand = Stand::new("[guard]\nhang_limit = \"1s\"\n");
    stand.list();
    let owner = stand.site.run_with(&BUT_MODERATION);
    let mut lmtp = connect(&owner);
    assert!(stand.post(&mut lmtp, 500).starts_with("250"));
    wait_for("the post to wait", || stand.files("moderation", "new").len() == 1);
    for _ in 0..3 {
        let moderation = stand.hanging(&owner, 1);
        assert_eq!(moderation.exit_code(), Some(70), "it ends itself");
        owner.resume();
    }
    let start = Instant::now();
    let moderation = stand.site.run_with(&["moderation"]);
    wait_for("it to be set aside", || stand.files("moderation", "shunt").len() == 1);
    // A healthy one behind it, and then the retry.
    assert!(stand.post(&mut lmtp, 500).starts_with("250"));
    wait_for("the healthy one to arrive", || stand.count().0 == 1);
    stand.site.ok(&["queue", "retry", &stand.shunted()]);
    wait_for("the retry to arrive", || stand.count() == (0, 0));
    let injection = "a hang, ended by hang_limit";
    println!("{}", Line { row: "R11", injection, runs: 3, lost: 0, doubled: 0, recovery: start.elapsed() });
    moderation.stop();
    owner.stop();
}

/// A long delivery that gets on is no fault of its entry's, however often its process is killed.
#[test]
fn a_delivery_that_gets_on_is_never_set_aside_and_nobody_is_skipped() {
    let kills = if full() { 12 } else { 4 };
    // Each fifth final dot is the last thing that the process hears of.
    let (dots, stalled) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let stalls = Arc::clone(&stalled);
    let script = Script::answering(move |asked| {
        let is_stop = asked.step == Step::Dot && dots.fetch_add(1, Ordering::SeqCst) % 5 == 4;
        if is_stop && stalls.load(Ordering::SeqCst) < kills {
            stalls.fetch_add(1, Ordering::SeqCst);
            return Answer::Stall;
        }
        Answer::Usual
    });
    let stand = Stand::with("connections = 1\n", script);
    let members = kills * 5 + 5;
    stand.site.list(DEV, &["member_action=accept"], (0..members).map(|number| format!("m{number}@example.net")));
    let mut running = stand.site.run();
    assert!(stand.accept_from(&running, "m0@example.net"));
    for kill in 1..=kills {
        wait_for("the smarthost to stall", || stalled.load(Ordering::SeqCst) == kill);
        // What it had tried before is forgotten, for it gets on.
        wait_for("the delivery to be in hand, and to have got on", || {
            let files = stand.files("outbound", "cur");
            files.len() == 1 && std::fs::metadata(&files[0]).is_ok_and(|file| file.mtime_nsec() % 1000 < 10)
        });
        running.kill();
        running = stand.site.run();
    }
    let start = Instant::now();
    wait_for("every member to be served", || stand.sink.served().len() == members);
    stand.site.settle(&["outbound", "bounce", "command"]);
    let doubled: usize = stand.sink.served().values().map(|copies| copies - 1).sum();
    let injection = "SIGKILL of one delivery that gets on";
    println!("{}", Line { row: "R11", injection, runs: kills, lost: 0, doubled, recovery: start.elapsed() });
    assert!(doubled <= kills, "at most the open transaction of each kill: {doubled}");
    assert_eq!(stand.site.figure("outbound", "shunted"), 0);
    running.stop();
}
