//! How a host fares, as `listmill status`, Prometheus, a probe and systemd see it: the real program, and a real cause for each thing that is wrong.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a client, a manager of services, and a disk: as the world outside"
)]

mod disk;
mod metrics;
mod runners;
mod systemd;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use listmill_tests::program::{Site, wait_for};

/// What goes into a site file for metrics on a port that the system chooses.
const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";
const DEV: &str = "dev@lists.example.org";

/// Where the process with this number tells its metrics.
fn address(site: &Site, pid: u32) -> String {
    let mut found = None;
    wait_for("the metrics to listen", || {
        let status = site.json(&["status"]);
        let running = status["running"].as_array().unwrap();
        let process = running.iter().find(|process| process["pid"] == pid);
        found = process.and_then(|process| process["metrics"].as_str()).map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

/// The status line and the body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// Waits until a probe reads this; what it reads then.
fn wait_for_health(address: &str, code: &str, word: &str) -> String {
    let mut told = Default::default();
    wait_for(&format!("/health to say {code} {word}"), || {
        told = get(address, "/health");
        told.0.starts_with(&format!("HTTP/1.1 {code} ")) && told.1.contains(word)
    });
    told.1
}

/// Waits until a line of the metrics is there.
fn wait_for_metric(address: &str, line: &str) {
    wait_for(line, || get(address, "/metrics").1.lines().any(|found| found == line));
}

/// What `status --json` says is wrong.
fn reasons(site: &Site) -> String {
    let health = &site.json(&["status"])["health"];
    assert_eq!(health["ok"].as_bool().unwrap(), health["reasons"].as_array().unwrap().is_empty());
    health["reasons"].to_string()
}

fn post(id: &str) -> Vec<u8> {
    format!("From: u0@example.net\r\nTo: {DEV}\r\nSubject: watch\r\nMessage-ID: <{id}@example.net>\r\n\r\nHello.\r\n")
        .into_bytes()
}

fn members() -> impl Iterator<Item = String> {
    (0..3).map(|number| format!("u{number}@example.net"))
}
