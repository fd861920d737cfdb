//! What HostA and HostC can do without the others, and what they do not have.

use std::time::{Duration, Instant};

use listmill_tests::estate::{Estate, shared};
use listmill_tests::hosts::files_with;
use listmill_tests::letters::Mail;
use listmill_tests::lmtp::Lmtp;

use super::load::Load;

fn rcpt(estate: &Estate, address: &str) -> String {
    estate.network.within("world", || Lmtp::connect(estate.intake())).rcpt(address)
}

#[test]
fn host_a_knows_the_lists_while_host_b_is_down_and_after_its_own_restart() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let load = Load::new(estate, "known");
    estate.db.running.take().unwrap().kill();
    for restarted in [false, true] {
        if restarted {
            estate.mx.running.take().unwrap().kill();
            estate.whole_but(&["db1"]);
        }
        let unknown = rcpt(estate, "nobody@lists.example.org");
        assert!(unknown.starts_with("550 5.1.1"), "{unknown}");
        load.write(estate, 4);
    }
    estate.whole();
    let account = load.account(estate, Instant::now());
    assert_eq!((account.lost.len(), account.doubled, account.twice.len()), (0, 0, 0), "{account:?}");
}

#[test]
fn a_full_spool_says_later() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let load = Load::new(estate, "full");
    estate.mx.running.take().unwrap().stop();
    estate.configure_queue("spool_limit = \"64 KiB\"");
    estate.whole();
    estate.network.cut("mx1", "mq");
    let mail = Mail::new("full0@example.net", "full@lists.example.org").subject("large").text(&"x\n".repeat(4_000));
    let mut lmtp = estate.network.within("world", || Lmtp::connect(estate.intake()));
    let (mut taken, start) = (0, Instant::now());
    let refused = loop {
        let numbered = mail.clone().identified(&format!("large{taken}.full@example.net"));
        let reply = lmtp.send(&mail.sender, &mail.to, &numbered.bytes());
        if !reply.starts_with("250") {
            break reply;
        }
        load.note_post(&numbered);
        taken += 1;
        assert!(taken < 100, "64 KiB hold a hundred messages of 8 KiB");
    };
    let waited = start.elapsed();
    estate.network.mend("mx1", "mq");
    // It empties by itself, and then there is room again.
    let account = load.account(estate, Instant::now());
    load.write(estate, 4);
    estate.mx.running.take().unwrap().stop();
    estate.configure_queue("");
    estate.whole();
    println!(
        "a spool of 64 KiB took {taken} messages of 8 KiB without the broker, then said {refused:?} ({:.1} s)",
        waited.as_secs_f64()
    );
    assert!(refused.starts_with("452"), "{refused}");
    assert!(taken > 0, "nothing is taken without the broker");
    assert!(waited < Duration::from_secs(60), "{waited:?}");
    assert_eq!((account.lost.len(), account.doubled), (0, 0), "{account:?}");
    let after = load.account(estate, Instant::now());
    assert_eq!((after.lost.len(), after.doubled), (0, 0), "{after:?}");
}

/// A client that comes when the cable is cut waits for the broker as long as anybody does, and those beside it with it. Whoever comes afterwards does not.
#[test]
fn who_hands_in_waits_once_for_a_broker_that_is_silent() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let load = Load::new(estate, "silent");
    let mut clients: Vec<Lmtp> =
        (0..4).map(|_| estate.network.within("world", || Lmtp::connect(estate.intake()))).collect();
    estate.network.cut("mx1", "mq");
    let mail = Mail::new("silent0@example.net", "silent@lists.example.org").subject("kept").text("Hello.\n");
    let hand_in = |client: &mut Lmtp, number: usize| {
        let numbered = mail.clone().identified(&format!("{number}.silent@example.net"));
        let start = Instant::now();
        let reply = client.send(&mail.sender, &mail.to, &numbered.bytes());
        assert!(reply.starts_with("250"), "{reply}");
        load.note_post(&numbered);
        start.elapsed()
    };
    let together = Instant::now();
    std::thread::scope(|scope| {
        for (number, client) in clients.iter_mut().enumerate() {
            scope.spawn(move || hand_in(client, number));
        }
    });
    let together = together.elapsed();
    let later: Vec<Duration> = (4..24).map(|number| hand_in(&mut clients[0], number)).collect();
    let (slowest, all) = (later.iter().max().unwrap(), later.iter().sum::<Duration>());
    estate.network.mend("mx1", "mq");
    let back = Instant::now();
    let account = load.account(estate, back);
    println!(
        "the cable mx1 - mq cut, and 4 clients at once: taken after {:.1} s; 20 posts after them: {:.2} s at most; all out {:.1} s after it was mended",
        together.as_secs_f64(),
        slowest.as_secs_f64(),
        account.last.as_secs_f64()
    );
    assert_eq!((account.lost.len(), account.doubled), (0, 0), "{account:?}");
    // Ten seconds is what a call waits for the broker. If each waited, it would be two hundred.
    assert!(together < Duration::from_secs(30), "{together:?}");
    assert!(all < Duration::from_secs(60), "{later:?}");
}

#[test]
fn hosts_a_and_c_know_no_members_and_have_no_credentials_of_the_store() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let load = Load::new(estate, "apart");
    // On the list, and never in a distribution list.
    estate.db.site.ok(&["member", "add", "apart@lists.example.org", "quiet@example.com"]);
    estate.db.site.ok(&["member", "set", "apart@lists.example.org", "quiet@example.com", "delivery=off"]);
    load.write(estate, 20);
    assert_eq!(load.account(estate, Instant::now()).lost, Vec::<String>::new());
    let secret = listmill_tests::postgres::PASSWORD;
    for name in ["mx1", "out1"] {
        let (host, dir) = (estate.host(name), estate.host(name).site.dir());
        for word in ["quiet@example.com", secret, "of db1"] {
            assert_eq!(files_with(dir, word), Vec::<String>::new(), "{word:?} on {name}");
        }
        assert!(!dir.join("data/store").exists() && !dir.join("secrets/store").exists());
        let database = format!("{}:{}", estate.network.address("pg"), estate.postgres.port());
        let sockets = estate.network.sockets(name);
        assert!(!sockets.is_empty(), "{name} is connected to the broker");
        assert!(sockets.iter().all(|(_, peer)| *peer != database), "{name}: {sockets:?}");
        let pid = host.running.as_ref().unwrap().pid();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let files: Vec<_> = open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect();
        let other = |file: &&std::path::PathBuf| file.is_absolute() && file.exists() && !file.starts_with(dir);
        let others: Vec<_> = files.iter().filter(other).filter(|file| !file.starts_with("/dev")).collect();
        assert_eq!(others, Vec::<&std::path::PathBuf>::new(), "files that {name} has open outside its directory");
        host.site.fails(69, &["member", "ls", "apart@lists.example.org"], b"");
    }
    // Who takes mail in has seen no member but the one who wrote.
    assert_eq!(files_with(estate.mx.site.dir(), "apart7@example.net"), Vec::<String>::new());
    let sockets = estate.network.sockets("db1");
    assert!(sockets.iter().any(|(_, peer)| peer.ends_with(&format!(":{}", estate.postgres.port()))), "{sockets:?}");
}
