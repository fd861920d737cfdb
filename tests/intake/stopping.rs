//! A server that is told to stop: whoever is idle is sent away, whoever is sending may end.

use std::net::TcpStream;
use std::time::Duration;

use listmill_intake::Limits;

use crate::client::Client;
use crate::running::Running;

const BEGIN: &[u8] = b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";

#[test]
fn a_stop_sends_the_idle_away_and_lets_a_message_end() {
    let mut server = Running::new();
    let mut idle = Client::tcp(server.lmtp);
    assert_eq!(idle.codes(1), ["220"]);
    let mut between = Client::unix(&server.unix);
    assert_eq!(between.say(b"LHLO c\r\nMAIL FROM:<>\r\n", 3)[2], "250 2.1.0");
    let mut sending = Client::tcp(server.lmtp);
    assert_eq!(sending.say(BEGIN, 5)[4], "354");
    let mut stored = Client::tcp(server.lmtp);
    let gate = b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<gate@lists.example.org>\r\nDATA\r\nx\r\n.\r\n";
    assert_eq!(stored.say(gate, 5)[4], "354");
    server.recorder.somebody_waits();

    server.begin_to_stop();
    assert_eq!(idle.rest(), ["421 4.3.2"]);
    assert_eq!(between.rest(), ["421 4.3.2"]);
    assert!(sending.send(b"x\r\n.\r\n"));
    assert_eq!(sending.rest(), ["250 2.0.0", "421 4.3.2"]);
    server.recorder.open();
    assert_eq!(stored.rest(), ["250 2.0.0", "421 4.3.2"]);
    server.stopped();
    assert!(TcpStream::connect(server.lmtp).is_err(), "nobody listens any more");
    assert!(!server.unix.exists());
    assert_eq!(server.recorder.count(), 2);
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_never_ends() {
    let mut server = Running::with(Limits { stop: Duration::from_millis(100), ..Limits::default() });
    let mut sending = Client::tcp(server.lmtp);
    assert_eq!(sending.say(BEGIN, 5)[4], "354");
    server.begin_to_stop();
    assert_eq!(sending.rest(), ["421 4.3.2"]);
    server.stopped();
    assert_eq!(server.recorder.count(), 0);
}
