//! A runner that is dead, one that hangs, and a queue in which nothing moves.

use std::net::TcpListener;
use std::time::Instant;

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::Site;

use super::{DEV, METRICS, address, get, members, post, reasons, wait_for_health, wait_for_metric};

#[test]
fn a_dead_runner_is_seen_and_so_is_its_return() {
    let site = Site::new("maildir:copies", METRICS);
    let rest = site.run_with(&["inbound", "auth", "moderation", "pending", "bounce", "command"]);
    let outbound = site.run_with(&["outbound"]);
    let at = address(&site, rest.pid());
    wait_for_health(&at, "200", "ok");
    outbound.kill();
    let start = Instant::now();
    let told = wait_for_health(&at, "503", "outbound is not served");
    println!("a killed runner is seen after {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(told.lines().count(), 1, "{told}");
    wait_for_metric(&at, "listmill_runner_up{runner=\"outbound\"} 0");
    wait_for_metric(&at, "listmill_runner_up{runner=\"auth\"} 1");
    assert!(reasons(&site).contains("outbound is not served"));
    let outbound = site.run_with(&["outbound"]);
    wait_for_health(&at, "200", "ok");
    outbound.stop();
    rest.stop();
}

/// A smarthost that takes connections and never says a word.
#[test]
fn a_queue_in_which_nothing_moves_is_seen() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new(&format!("smtp://{}", silent.local_addr().unwrap()), METRICS);
    site.list(DEV, &[], members());
    let running = site.run();
    let at = address(&site, running.pid());
    wait_for_health(&at, "200", "ok");
    Lmtp::connect(running.lmtp.unwrap()).post("u0@example.net", DEV, &post("stuck"));
    let start = Instant::now();
    let told = wait_for_health(&at, "503", "outbound is stuck: 1 wait");
    println!("a stuck queue is seen after {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(told.lines().count(), 1, "the others move: {told}");
    wait_for_metric(&at, "listmill_healthy 0");
    wait_for_metric(&at, "listmill_queue_depth{queue=\"outbound\"} 1");
    assert!(reasons(&site).contains("outbound is stuck"));
    // A pause is somebody's wish, and no fault.
    site.ok(&["queue", "pause", "outbound"]);
    wait_for_health(&at, "200", "ok");
    running.kill();
}

/// The store's owner stands still: the runner that asks it hangs, and both are seen from the process that works through it.
#[test]
fn a_runner_that_hangs_is_seen() {
    let site = Site::new("maildir:copies", METRICS);
    site.list(DEV, &[], members());
    let owner = site.run_with(&["inbound", "moderation", "command"]);
    let through = site.run_with(&["auth", "pending", "outbound", "bounce"]);
    let at = address(&site, through.pid());
    wait_for_health(&at, "200", "ok");
    site.ok(&["queue", "pause", "auth"]);
    Lmtp::connect(owner.lmtp.unwrap()).post("u0@example.net", DEV, &post("hangs"));
    owner.pause();
    site.ok(&["queue", "resume", "auth"]);
    let start = Instant::now();
    wait_for_health(&at, "503", "auth hangs");
    println!("a runner that hangs is seen after {:.1} s", start.elapsed().as_secs_f64());
    let told = wait_for_health(&at, "503", "the store has not answered");
    assert!(told.contains("control.sock does not answer"), "{told}");
    owner.resume();
    wait_for_health(&at, "200", "ok");
    assert!(get(&at, "/metrics").1.contains("listmill_healthy 1"));
    through.stop();
    owner.stop();
}
