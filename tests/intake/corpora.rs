//! Mail that nobody here wrote, by LMTP: each message is stored octet for octet, or refused with a reason.

use std::fs;
use std::path::{Path, PathBuf};

use listmill_tests::program::corpus;

use crate::client::Client;
use crate::running::Running;

const FOLDERS: [&str; 7] = [
    "mime-gmime",
    "mime-mail-parser-rust",
    "mime-perl-email-mime",
    "mime-perl-mailbox",
    "mime-python-email",
    "list-posts-dev-sample",
    "bounce-flufl",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// RFC 5321 §4.5.2, and the final dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut line_start = true;
    for octet in message {
        if line_start && *octet == b'.' {
            octets.push(b'.');
        }
        octets.push(*octet);
        line_start = octets.ends_with(b"\r\n");
    }
    if !line_start {
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b".\r\n");
    octets
}

/// Nothing but CRLF at the end of lines, and no NUL.
fn is_clean(message: &[u8]) -> bool {
    let alone = |at: usize, octet: u8| match octet {
        b'\r' => message.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || message[at - 1] != b'\r',
        octet => octet == 0,
    };
    !message.iter().enumerate().any(|(at, octet)| alone(at, *octet))
}

/// What a mail server makes of a file's lines before it hands them on.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for octet in message {
        if *octet == b'\n' && octets.last() != Some(&b'\r') {
            octets.push(b'\r');
        }
        octets.push(*octet);
    }
    if !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets
}

#[test]
fn mail_from_outside_is_stored_as_it_is_or_refused() {
    let mut paths = Vec::new();
    FOLDERS.into_iter().filter_map(corpus).for_each(|folder| files(&folder, &mut paths));
    let server = Running::new();
    let mut client = Client::tcp(server.lmtp);
    assert_eq!(client.say(b"LHLO c\r\n", 2), ["220", "250"]);
    let (mut stored, mut refused) = (0, 0);
    for path in &paths {
        let message = fs::read(path).unwrap();
        for message in [with_crlf(&message), message] {
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
