//! What must be true on three hosts whatever carries the entries and keeps the lists. Each function is a test once per pair of backends.

use std::path::Path;

use listmill_tests::hosts::{Hosts, files_with};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Running};

pub(crate) const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 20;

pub(crate) fn member(number: usize) -> String {
    format!("u{number:02}@example.net")
}

pub(crate) fn post(id: &str) -> Vec<u8> {
    format!("From: u00@example.net\r\nTo: {DEV}\r\nSubject: {id}\r\nMessage-ID: <{id}@example.net>\r\n\r\nHello.\r\n")
        .into_bytes()
}

/// Waits until each of these posts has reached each member, once.
pub(crate) fn everybody_has(hosts: &Hosts, posts: &[String]) {
    let there = hosts.sink.wait(PATIENCE, |_| hosts.copies().len() >= posts.len() * MEMBERS);
    let copies = hosts.copies();
    assert!(there, "{} copies of {}", copies.len(), posts.len() * MEMBERS);
    for id in posts {
        for number in 0..MEMBERS {
            assert_eq!(
                copies.get(&(format!("<{id}@example.net>"), member(number))),
                Some(&1),
                "{id}, {}",
                member(number)
            );
        }
    }
}

pub(crate) fn dev(hosts: &Hosts) {
    hosts.db.list(DEV, &[], (0..MEMBERS).map(member));
}

pub(crate) fn mail_passes_from_host_to_host(hosts: &Hosts) {
    let serving = hosts.run();
    // The directory of a site without lists: everything is unknown, and no longer "come again".
    serving.wait_for_rcpt("nobody@lists.example.org", "550 5.1.1");
    dev(hosts);
    serving.wait_for_rcpt(DEV, "250");
    serving.lmtp().post("u00@example.net", DEV, &post("one"));
    everybody_has(hosts, &["one".to_owned()]);
    // A limit of the list is known where mail comes in, and so is its end.
    hosts.db.ok(&["list", "set", DEV, "max_message_size=1 KiB"]);
    let large = [post("large"), b"x\r\n".repeat(1_000)].concat();
    let is_refused = || serving.lmtp().send("u00@example.net", DEV, &large).starts_with("552 5.3.4");
    listmill_tests::program::wait_for("the list's new limit", is_refused);
    hosts.db.ok(&["list", "remove", DEV]);
    serving.wait_for_rcpt(DEV, "550 5.1.1");
    serving.stop();
}

pub(crate) fn the_others_go_on_while_the_store_is_away(hosts: &Hosts) {
    dev(hosts);
    let mut serving = hosts.run();
    serving.wait_for_rcpt(DEV, "250");
    // What is queued for outbound leaves, though nobody is there who knows the roster.
    serving.out.take().unwrap().stop();
    serving.lmtp().post("u00@example.net", DEV, &post("queued"));
    listmill_tests::program::wait_for("the post to be given its distribution list", || {
        hosts.db.figure("outbound", "depth") > 0 && hosts.db.figure("pending", "depth") == 0
    });
    serving.db.take().unwrap().kill();
    serving.out = Some(hosts.out.run());
    everybody_has(hosts, &["queued".to_owned()]);
    // Mail is taken for lists that are there, and for no other, also after a restart.
    for restarts in [false, true] {
        if restarts {
            serving.mx.take().unwrap().stop();
            serving.mx = Some(hosts.mx.run());
        }
        let mut lmtp = serving.lmtp();
        assert!(lmtp.rcpt("nobody@lists.example.org").starts_with("550 5.1.1"));
        lmtp.post("u00@example.net", DEV, &post(if restarts { "after" } else { "before" }));
        hosts.mx.ok_with_input(
            &["inject", "--to", DEV, "--from", "u00@example.net"],
            &post(if restarts { "d" } else { "c" }),
        );
    }
    hosts.mx.fails(65, &["inject", "--to", "nobody@lists.example.org"], &post("x"));
    serving.db = Some(hosts.db.run());
    everybody_has(hosts, &["queued", "before", "after", "c", "d"].map(str::to_owned));
    serving.stop();
}

/// The files that a process has open below `dir`.
fn open_below(running: &Running, dir: &Path) -> Vec<String> {
    let fds = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap();
    let links = fds.flatten().filter_map(|fd| std::fs::read_link(fd.path()).ok());
    links.filter(|target| target.starts_with(dir)).map(|target| target.display().to_string()).collect()
}

pub(crate) fn hosts_without_a_store_open_none_and_know_nobody(hosts: &Hosts) {
    dev(hosts);
    // On the list, and never in a distribution list.
    hosts.db.ok(&["member", "add", DEV, "quiet@example.com"]);
    hosts.db.ok(&["member", "set", DEV, "quiet@example.com", "delivery=off"]);
    let serving = hosts.run();
    serving.wait_for_rcpt(DEV, "250");
    serving.lmtp().post("u00@example.net", DEV, &post("one"));
    everybody_has(hosts, &["one".to_owned()]);
    for (site, running) in [(&hosts.mx, &serving.mx), (&hosts.out, &serving.out)] {
        assert_eq!(files_with(&site.dir().join("data"), "quiet@example.com"), Vec::<String>::new());
        assert!(!site.dir().join("data/store").exists(), "a store was made in {}", site.dir().display());
        let running = running.as_ref().unwrap();
        assert_eq!(open_below(running, &hosts.db.dir().join("data")), Vec::<String>::new());
        let told = site.fails(69, &["member", "ls", DEV], b"");
        assert!(told.contains("no store") && told.contains("db1"), "{told}");
        assert_eq!(site.json(&["status"])["store"], serde_json::Value::Null);
    }
    // Who has the mail exchanger knows which lists there are; nobody's address went there but the author's.
    let directory = std::fs::read_to_string(hosts.mx.dir().join("data/directory")).unwrap();
    assert!(directory.contains(DEV) && !directory.contains("example.net"), "{directory}");
    assert_eq!(files_with(&hosts.mx.dir().join("data"), &member(7)), Vec::<String>::new());
    assert_eq!(hosts.db.json(&["status"])["store"]["lists"], 1);
    serving.stop();
}

pub(crate) fn a_runner_moves_with_mail_flowing(hosts: &Hosts) {
    dev(hosts);
    let mut serving = hosts.run();
    serving.wait_for_rcpt(DEV, "250");
    let ids: Vec<String> = (0..40).map(|number| format!("post-{number}")).collect();
    let address = serving.mx.as_ref().unwrap().lmtp.unwrap();
    std::thread::scope(|scope| {
        let ids = &ids;
        scope.spawn(move || {
            let mut lmtp = Lmtp::connect(address);
            ids.iter().for_each(|id| lmtp.post("u00@example.net", DEV, &post(id)));
        });
        assert!(hosts.sink.wait(PATIENCE, |sink| sink.count() > 100));
        // The last runner of its process: that ends.
        hosts.out.ok(&["queue", "drain", "outbound"]);
        serving.out.take().unwrap().ended();
        serving.out = Some(hosts.out.run());
        // One of several: the others go on, and it starts in a process of its own.
        hosts.db.ok(&["queue", "drain", "moderation"]);
        assert!(hosts.db.json(&["status"])["running"][0]["runners"].get("moderation").is_none());
        let moved = hosts.db.run_with(&["moderation"]);
        everybody_has(hosts, ids);
        moved.stop();
    });
    let told = hosts.db.fails(69, &["queue", "drain", "outbound"], b"");
    assert!(told.contains("no process"), "{told}");
    serving.stop();
}
