//! Many clients at one time: each message is stored once, and whoever is too many is told so.

use std::collections::BTreeSet;

use listmill_intake::Limits;

use crate::client::Client;
use crate::running::Running;

const CLIENTS: usize = 50;
const MESSAGES: usize = 20;

#[test]
fn fifty_clients_hand_in_their_messages_side_by_side() {
    let server = Running::new();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut client = match number % 3 {
                    0 => Client::unix(&server.unix),
                    1 => Client::tcp(server.lmtp),
                    _ => Client::tcp(server.smtp),
                };
                let greeting = if number % 3 == 2 { "EHLO" } else { "LHLO" };
                assert_eq!(client.say(format!("{greeting} c{number}\r\n").as_bytes(), 2), ["220", "250"]);
                for message in 0..MESSAGES {
                    let begin = b"MAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
                    assert_eq!(client.say(begin, 3), ["250 2.1.0", "250 2.1.5", "354"]);
                    let text = format!("{number} {message}\r\n.\r\n");
                    assert_eq!(client.say(text.as_bytes(), 1), ["250 2.0.0"]);
                }
            });
        }
    });
    let stored: BTreeSet<Vec<u8>> = server.recorder.stored().into_iter().map(|stored| stored.message).collect();
    assert_eq!((stored.len(), server.recorder.count()), (CLIENTS * MESSAGES, CLIENTS * MESSAGES));
}

#[test]
fn one_connection_too_many_is_turned_away_with_a_reply() {
    let server = Running::with(Limits { connections: 3, ..Limits::default() });
    let mut held = [Client::tcp(server.lmtp), Client::tcp(server.smtp), Client::unix(&server.unix)];
    for client in &mut held {
        assert_eq!(client.codes(1), ["220"]);
    }
    for _ in 0..10 {
        assert_eq!(Client::tcp(server.lmtp).rest(), ["421 4.3.2"]);
        assert_eq!(Client::unix(&server.unix).rest(), ["421 4.3.2"]);
    }
    // Those who are inside are not disturbed.
    for client in &mut held {
        assert_eq!(client.say(b"NOOP\r\n", 1), ["250 2.0.0"]);
    }
}

#[test]
fn a_store_that_is_slow_for_one_message_does_not_stop_the_others() {
    let server = Running::new();
    let begin = b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<gate@lists.example.org>\r\nDATA\r\nslow\r\n.\r\n";
    let mut slow = Client::tcp(server.lmtp);
    assert_eq!(slow.say(begin, 5)[4], "354");
    server.recorder.somebody_waits();
    let mut other = Client::tcp(server.lmtp);
    let begin = b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\nquick\r\n.\r\n";
    assert_eq!(other.say(begin, 6)[5], "250 2.0.0");
    server.recorder.open();
    assert_eq!(slow.codes(1), ["250 2.0.0"]);
}
