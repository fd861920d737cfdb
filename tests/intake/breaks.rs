//! Connections that break, at every octet: no half message is stored, and nothing is left behind.

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use listmill_intake::Limits;

use crate::client::{Client, PATIENCE};
use crate::running::Running;

const DIALOGUE: &[u8] = b"LHLO client.example.net\r\nMAIL FROM:<bob@example.net> SIZE=20\r\n\
    RCPT TO:<dev@lists.example.org>\r\nRCPT TO:<nobody@lists.example.org>\r\nDATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n";

/// Connects when the server has a place again: it may take a moment to see that the one before is gone.
fn patient(address: SocketAddr) -> Client {
    let begun = Instant::now();
    loop {
        let mut client = Client::tcp(address);
        match client.codes(1)[0].as_str() {
            "220" => return client,
            other => assert!(begun.elapsed() < PATIENCE, "still no place, but {other}"),
        }
    }
}

#[test]
fn a_connection_that_breaks_at_any_octet_leaves_nothing_behind() {
    let mut server = Running::with(Limits { connections: 2, ..Limits::default() });
    let end = DIALOGUE.windows(5).position(|five| five == b"\r\n.\r\n").unwrap() + 5;
    for cut in 0..=DIALOGUE.len() {
        let mut client = patient(server.lmtp);
        assert!(client.send(&DIALOGUE[..cut]));
        client.finish();
        let told = client.rest().iter().filter(|codes| *codes == "250 2.0.0").count();
        assert_eq!(told, usize::from(cut >= end), "cut at {cut}");
    }
    let whole = DIALOGUE.len() - end + 1;
    assert_eq!(server.recorder.count(), whole);
    // The rude way: gone without reading a word. What was whole may or may not have been stored by then.
    for cut in 0..end {
        patient(server.lmtp).send(&DIALOGUE[..cut]);
    }
    assert_eq!(server.recorder.count(), whole, "half a message was stored");
    let mut client = patient(server.lmtp);
    assert_eq!(client.say(&DIALOGUE[..end], 6).last().unwrap(), "250 2.0.0");
    drop(client);
    server.stopped();
    assert_eq!(open_sockets(server.lmtp), 0, "sockets were left open");
}

/// How many sockets of this process still use the server's port, other than those that the kernel is ending.
fn open_sockets(address: SocketAddr) -> usize {
    let local = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    // ESTABLISHED, CLOSE_WAIT, LISTEN
    rows.filter(|row| row[1].ends_with(&local) && ["01", "08", "0A"].contains(&row[3])).count()
}
