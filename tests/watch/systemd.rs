//! What systemd is told: readiness, signs of life, the end. The test is systemd's socket.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Site, wait_for};

use super::{DEV, members, post};

/// The next datagram; none within the time that the socket has.
fn next(socket: &UnixDatagram) -> Option<String> {
    let mut bytes = [0; 500];
    let length = socket.recv(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

fn wait_for_word(socket: &UnixDatagram, word: &str) -> String {
    loop {
        let told = next(socket).unwrap_or_else(|| panic!("{word} does not come"));
        if told.lines().any(|line| line == word) {
            return told;
        }
    }
}

#[test]
fn readiness_signs_of_life_and_the_end_are_told() {
    let site = Site::new("maildir:copies", "");
    let name = format!("listmill-watch-{}", std::process::id());
    let path = site.dir().join("notify");
    let abstract_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    for (socket, name) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_string_lossy().into_owned()),
        (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let running = site.run_in(&[], &[("NOTIFY_SOCKET", &name), ("WATCHDOG_USEC", "20000000")]);
        let told = wait_for_word(&socket, "READY=1");
        assert!(told.contains("STATUS=serving inbound, auth"), "{told}");
        wait_for_word(&socket, "WATCHDOG=1");
        wait_for_word(&socket, "WATCHDOG=1");
        running.stop();
        wait_for_word(&socket, "STOPPING=1");
    }
}

/// The same runner that hangs as in `runners.rs`: systemd hears nothing until it goes on.
#[test]
fn a_process_with_a_runner_that_hangs_gives_no_sign_of_life() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], members());
    let path = site.dir().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let owner = site.run_with(&["inbound", "moderation", "command"]);
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "8000000")];
    let through = site.run_in(&["auth", "pending", "outbound", "bounce"], &environment);
    wait_for_word(&socket, "WATCHDOG=1");
    site.ok(&["queue", "pause", "auth"]);
    Lmtp::connect(owner.lmtp.unwrap()).post("u0@example.net", DEV, &post("silent"));
    owner.pause();
    site.ok(&["queue", "resume", "auth"]);
    let is_told =
        |line: &serde_json::Value| line["message"].as_str().is_some_and(|text| text.starts_with("no sign of life"));
    wait_for("the log to say why", || through.log().iter().any(is_told));
    // What was sent before is read, and nothing comes any more: two signs would be due in this time.
    socket.set_nonblocking(true).unwrap();
    while next(&socket).is_some() {}
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    assert_eq!(next(&socket), None);
    owner.resume();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    wait_for_word(&socket, "WATCHDOG=1");
    through.stop();
    wait_for_word(&socket, "STOPPING=1");
    owner.stop();
}
