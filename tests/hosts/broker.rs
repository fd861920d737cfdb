//! The queues at a RabbitMQ of their own, the lists in a sled store on one host: nothing is shared but the broker.

use listmill_queue::{DiskQueues, QueueBackend as _, ShuntReason};
use listmill_queue_format::{Queue, Timestamp};
use listmill_tests::hosts::Hosts;
use listmill_tests::program::{PATIENCE, Site, wait_for};
use listmill_tests::rabbit::Rabbit;

use crate::story::{self, DEV};

fn hosts(rabbit: &Rabbit) -> Hosts {
    Hosts::new(&format!("[queue]\nbackend = \"amqp\"\nurl = \"{}\"\n", rabbit.url()))
}

#[test]
fn the_story_over_a_broker() {
    let Some(rabbit) = Rabbit::start() else { return };
    story::mail_passes_from_host_to_host(&hosts(&rabbit));
    rabbit.purge();
    story::hosts_without_a_store_open_none_and_know_nobody(&hosts(&rabbit));
    rabbit.purge();
    story::the_others_go_on_while_the_store_is_away(&hosts(&rabbit));
    rabbit.purge();
    story::a_runner_moves_with_mail_flowing(&hosts(&rabbit));
}

#[test]
fn mail_is_kept_here_while_the_broker_is_away() {
    let Some(mut rabbit) = Rabbit::start() else { return };
    let hosts = hosts(&rabbit);
    story::dev(&hosts);
    let serving = hosts.run();
    serving.wait_for_rcpt(DEV, "250");
    rabbit.kill();
    serving.lmtp().post("u00@example.net", DEV, &story::post("kept"));
    let told: serde_json::Value =
        serde_json::from_slice(&hosts.mx.with_input(&["queue", "ls", "--json"], b"").stdout).unwrap();
    let auth = told.as_array().unwrap().iter().find(|queue| queue["queue"] == "auth").unwrap().clone();
    assert!(auth["unsent"] == 1, "{told}");
    // Who starts now finds no broker, and waits.
    serving.stop();
    let serving = hosts.run();
    serving.lmtp().post("u00@example.net", DEV, &story::post("also"));
    rabbit.run();
    story::everybody_has(&hosts, &["kept".to_owned(), "also".to_owned()]);
    serving.stop();
}

#[test]
fn a_queue_moves_to_the_broker_and_back() {
    let Some(rabbit) = Rabbit::start() else { return };
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &["nonmember_action=accept"], ["bob@example.net".to_owned()]);
    for number in 0..8 {
        site.ok_with_input(&["inject", "--to", DEV, "--from", "bob@example.net"], &story::post(&format!("p{number}")));
    }
    keep_one_for_the_broker(&site);
    assert_eq!(site.figure("auth", "depth"), 7);
    let told = site.fails(64, &["queue", "move", "auth", "--from", "disk"], b"");
    assert!(told.contains("change it first"), "{told}");
    let aside = set_one_aside(&site);
    let broker = format!("[queue]\nurl = \"{}\"\n", rabbit.url());
    site.configure("maildir:copies", &format!("{broker}[queue.auth]\nbackend = \"amqp\"\n"));
    let told = site.ok(&["queue", "move", "auth", "--from", "disk"]);
    assert!(told.contains("7 entries moved"), "{told}");
    assert!(told.contains(&format!("{aside} stays there, shunted: ")) && told.contains("is odd"), "{told}");
    assert!(told.contains("unread stays there, corrupt: "), "{told}");
    wait_for("the broker to count them", || site.figure("auth", "depth") == 7);
    site.configure("maildir:copies", &broker);
    let stranded = || String::from_utf8(site.with_input(&["check"], b"").stdout).unwrap().contains("/unsent");
    assert!(stranded(), "nobody passes on what waits for the broker");
    let told = site.ok(&["queue", "move", "auth", "--from", "amqp"]);
    assert_eq!(told, "8 entries moved\n");
    assert_eq!(site.figure("auth", "depth"), 8);
    assert!(!stranded());
    let running = site.run();
    wait_for("a copy of each", || site.dir().join("copies/new").read_dir().is_ok_and(|copies| copies.count() >= 8));
    running.stop();
}

/// Has one of eight entries in the spool's queue of auth shunted, and a file there that is none; the id of the entry.
fn set_one_aside(site: &Site) -> String {
    site.ok_with_input(&["inject", "--to", DEV, "--from", "bob@example.net"], &story::post("odd"));
    let spool = DiskQueues::open(&site.spool()).unwrap();
    let claim = spool.claim(Queue::Auth, PATIENCE).unwrap().unwrap().claim;
    let id = claim.id();
    let (stage, reason) = ("auth".to_owned(), "it is odd".to_owned());
    spool.shunt(claim, &ShuntReason { stage, reason, trace: String::new(), at: Timestamp::now() }).unwrap();
    std::fs::write(site.spool().join("auth/new/unread"), "not an entry").unwrap();
    id.to_string()
}

/// Takes one entry out of the spool's queue of auth, and has it wait for the broker.
fn keep_one_for_the_broker(site: &Site) {
    let spool = DiskQueues::open(&site.spool()).unwrap();
    let claimed = spool.claim(Queue::Auth, PATIENCE).unwrap().unwrap();
    DiskQueues::open(&site.spool().join("unsent")).unwrap().put(&[claimed.entry]).unwrap();
    spool.release(claimed.claim).unwrap();
}
