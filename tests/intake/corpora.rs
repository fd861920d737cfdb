//! Mail that nobody here wrote, by LMTP: each message is stored octet for octet, or refused with a reason.

use std::fs;

use listmill_tests::corpus::{MIME, crlf, files};
use listmill_tests::lmtp::stuffed;

use crate::client::Client;
use crate::running::Running;

/// What is read besides the MIME folders.
const OTHERS: [&str; 2] = ["list-posts-dev-sample", "bounce-flufl"];

/// Nothing but CRLF at the end of lines, and no NUL.
fn is_clean(message: &[u8]) -> bool {
    let alone = |at: usize, octet: u8| match octet {
        b'\r' => message.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || message[at - 1] != b'\r',
        octet => octet == 0,
    };
    !message.iter().enumerate().any(|(at, octet)| alone(at, *octet))
}

#[test]
fn mail_from_outside_is_stored_as_it_is_or_refused() {
    let paths = files(&[&MIME[..], &OTHERS].concat());
    let server = Running::new();
    let mut client = Client::tcp(server.lmtp);
    assert_eq!(client.say(b"LHLO c\r\n", 2), ["220", "250"]);
    let (mut stored, mut refused) = (0, 0);
    for path in &paths {
        let message = fs::read(path).unwrap();
        for message in [crlf(&message), message] {
            let begin = b"MAIL FROM:<bob@example.net>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
            assert_eq!(client.say(begin, 3), ["250 2.1.0", "250 2.1.5", "354"]);
            let reply = client.say(&stuffed(&message), 1);
            if is_clean(&message) && message.ends_with(b"\r\n") {
                stored += 1;
                assert_eq!(reply, ["250 2.0.0"], "{}", path.display());
                assert!(server.recorder.last().unwrap().message == message, "{}", path.display());
            } else if !is_clean(&message) {
                refused += 1;
                assert_eq!(reply, ["550 5.6.0"], "{}", path.display());
            }
        }
    }
    println!("{} files: {stored} messages stored, {refused} refused", paths.len());
}
