//! Clients that are slow, silent, endless or many, under limits that a test can wait for.

use std::time::Duration;

use listmill_intake::Limits;

use crate::client::Client;
use crate::running::Running;

const BEGIN: &[u8] = b"LHLO c\r\nMAIL FROM:<bob@example.net>\r\nRCPT TO:<dev@lists.example.org>\r\n";

fn impatient() -> Limits {
    Limits { idle: Duration::from_millis(100), ..Limits::default() }
}

#[test]
fn a_client_that_falls_silent_anywhere_is_told_and_left() {
    let server = Running::with(impatient());
    let whole = [BEGIN, b"DATA\r\nSubject: x\r\n\r\nx\r\n."].concat();
    for end in [0, 4, 8, 20, BEGIN.len(), BEGIN.len() + 3, BEGIN.len() + 6, BEGIN.len() + 10, whole.len()] {
        let mut client = Client::tcp(server.lmtp);
        assert!(client.send(&whole[..end]));
        assert_eq!(client.rest().last().unwrap(), "421 4.4.2", "silent after {end} octets");
    }
    assert_eq!(server.recorder.count(), 0);
}

#[test]
fn a_client_that_crawls_gets_no_more_time() {
    // One octet every few milliseconds: never silent, never done.
    let server = Running::with(impatient());
    for begin in [&b""[..], &[BEGIN, b"DATA\r\n"].concat()] {
        let mut client = Client::tcp(server.lmtp);
        assert!(client.send(begin));
        let mut sent = 0_u32;
        while client.send(b"x") {
            sent += 1;
            assert!(sent < 1_000_000, "the client may crawl for ever");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    assert_eq!(server.recorder.count(), 0);
}

#[test]
fn a_line_without_end_is_refused_once_and_then_time_is_up() {
    let server = Running::with(impatient());
    let mut client = Client::tcp(server.lmtp);
    assert_eq!(client.codes(1), ["220"]);
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0_u64;
    while client.send(&chunk) {
        sent += 1;
        assert!(sent < 100_000, "the line has no end");
    }
}

#[test]
fn a_message_without_end_is_dropped_and_refused() {
    let limits = Limits { dropped: 1_000_000, ..Limits::default() };
    let server = Running::with(limits);
    let mut client = Client::tcp(server.lmtp);
    assert!(client.send(b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<small@lists.example.org>\r\nDATA\r\n"));
    assert_eq!(client.codes(5).last().unwrap(), "354");
    let chunk = b"0123456789abcd\r\n".repeat(4_096);
    let mut sent = 0_u64;
    while client.send(&chunk) {
        sent += chunk.len() as u64;
        assert!(sent < 1_000_000_000, "the message has no end");
    }
    assert_eq!(server.recorder.count(), 0);
}

#[test]
fn an_oversize_message_is_read_to_its_end_and_the_session_goes_on() {
    let server = Running::new();
    for (address, greeting) in [(server.lmtp, "LHLO"), (server.smtp, "EHLO")] {
        let mut client = Client::tcp(address);
        assert_eq!(client.say(format!("{greeting} c\r\n").as_bytes(), 2), ["220", "250"]);
        let begin = b"MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
        assert_eq!(client.say(begin, 3)[2], "354");
        let line = [&[b'x'; 998][..], b"\r\n"].concat();
        assert!(client.send(&line.repeat(30_001)));
        assert_eq!(client.say(b".\r\nNOOP\r\n", 2), ["552 5.3.4", "250 2.0.0"]);
        assert_eq!(client.say(begin, 3)[2], "354");
        assert!(client.send(&line.repeat(30_000)));
        assert_eq!(client.say(b".\r\n", 1), ["250 2.0.0"], "exactly the limit");
    }
    assert!(server.recorder.stored().iter().all(|stored| stored.message.len() == 30_000_000));
}

#[test]
fn a_thousand_recipients_of_whom_one_exists_get_one_reply() {
    let server = Running::new();
    let mut client = Client::tcp(server.lmtp);
    assert_eq!(client.say(b"LHLO c\r\nMAIL FROM:<>\r\n", 3)[2], "250 2.1.0");
    let unknown = |number: usize| format!("RCPT TO:<nobody{number}@lists.example.org>\r\n");
    let mut commands: Vec<String> = (0..999).map(unknown).collect();
    commands.insert(500, "RCPT TO:<dev@lists.example.org>\r\n".into());
    let replies = client.say(commands.concat().as_bytes(), 1_000);
    assert_eq!(replies.iter().filter(|codes| *codes == "550 5.1.1").count(), 999);
    assert_eq!(replies[500], "250 2.1.5");
    assert_eq!(client.say(b"DATA\r\nx\r\n.\r\nQUIT\r\n", 3), ["354", "250 2.0.0", "221 2.0.0"]);
    assert_eq!(server.recorder.stored()[0].envelope.recipients, ["dev@lists.example.org"]);
}

#[test]
fn a_thousand_recipients_are_taken_and_one_more_is_put_off() {
    let server = Running::new();
    let mut client = Client::tcp(server.lmtp);
    assert_eq!(client.say(b"LHLO c\r\nMAIL FROM:<>\r\n", 3)[2], "250 2.1.0");
    let commands: Vec<String> = (0..1_001).map(|number| format!("RCPT TO:<r{number}@lists.example.org>\r\n")).collect();
    let replies = client.say(commands.concat().as_bytes(), 1_001);
    assert!(replies[..1_000].iter().all(|codes| codes == "250 2.1.5"));
    assert_eq!(replies[1_000], "452 4.5.3");
    let replies = client.say(b"DATA\r\nx\r\n.\r\nQUIT\r\n", 1_002);
    assert_eq!(replies[0], "354");
    assert!(replies[1..1_001].iter().all(|codes| codes == "250 2.0.0"));
    assert_eq!(replies[1_001], "221 2.0.0");
    assert_eq!(server.recorder.stored()[0].envelope.recipients.len(), 1_000);
}

#[test]
fn messages_in_memory_are_bounded_over_all_connections() {
    // Room for one message of the largest size; a second client waits for a moment and is put off.
    let limits = Limits { memory: 1, memory_wait: Duration::from_millis(50), ..Limits::default() };
    let server = Running::with(limits);
    let begin = b"LHLO c\r\nMAIL FROM:<> SIZE=30000000\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
    let mut first = Client::tcp(server.lmtp);
    assert_eq!(first.say(begin, 5)[4], "354");
    let mut second = Client::tcp(server.lmtp);
    assert_eq!(second.say(begin, 5)[4], "452 4.3.1");
    assert_eq!(first.say(b"x\r\n.\r\n", 1), ["250 2.0.0"]);
    assert_eq!(second.say(b"DATA\r\nx\r\n.\r\n", 2), ["354", "250 2.0.0"]);
}
