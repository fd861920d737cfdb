//! False ends of data: whatever a client puts into a message, there is one message or none, never two.

use std::fs;

use listmill_tests::corpus::folder;

use crate::client::Client;
use crate::running::Running;

/// Octets that some server or other has taken for the end of a message.
const SEQUENCES: [&[u8]; 17] = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b".\n",
    b"xxx\n.\n",
    b"\r\n.\r\0\n",
    b"\n\n.\r\n",
    b"\r\n. \r\n",
];

/// What would be a second message.
const SMUGGLED: &[u8] = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<ops@lists.example.org>\r\nDATA\r\n\
    Subject: smuggled\r\n\r\nx\r\n.\r\nQUIT\r\n";

fn smuggle(sequence: &[u8], segment: usize) {
    let server = Running::new();
    for address in [server.lmtp, server.smtp] {
        let mut client = Client::tcp(address);
        let greeting: &[u8] = if address == server.lmtp { b"LHLO c\r\n" } else { b"EHLO c\r\n" };
        assert_eq!(client.say(greeting, 2), ["220", "250"]);
        let begin = b"MAIL FROM:<bob@example.net>\r\nRCPT TO:<dev@lists.example.org>\r\nDATA\r\n";
        assert_eq!(client.say(begin, 3), ["250 2.1.0", "250 2.1.5", "354"]);
        for piece in [b"Subject: outer\r\n\r\nbody", sequence, SMUGGLED].concat().chunks(segment) {
            assert!(client.send(piece));
        }
        // One reply for one message, and the QUIT behind the only true end.
        let replies = client.rest();
        assert!(["250 2.0.0", "550 5.6.0"].contains(&replies[0].as_str()), "{sequence:?}: {replies:?}");
        assert_eq!(replies[1..], ["221 2.0.0"], "{sequence:?}");
        for stored in server.recorder.stored() {
            assert_eq!(stored.envelope.sender, "bob@example.net", "{sequence:?}");
            let text = String::from_utf8(stored.message).unwrap();
            assert!(text.contains("outer") && text.contains("smuggled"), "{sequence:?}: {text:?}");
            // And what goes on from here has no line end that the next host could take for another.
            assert_eq!(text.replace("\r\n", "").find(['\r', '\n', '\0']), None, "{sequence:?}");
        }
    }
    assert!(server.recorder.count() <= 2);
}

#[test]
fn no_false_end_of_data_makes_two_messages() {
    for sequence in SEQUENCES {
        smuggle(sequence, usize::MAX);
        smuggle(sequence, 1);
    }
}

#[test]
fn no_false_end_of_data_of_the_corpus_makes_two_messages() {
    let Some(folder) = folder("smtp-smuggling-sequences") else { return };
    let text = fs::read_to_string(folder.join("sequences.jsonl")).unwrap();
    let mut read = 0;
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let hex = value["bytes_hex"].as_str().unwrap();
        let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        smuggle(&octets.collect::<Vec<_>>(), usize::MAX);
        read += 1;
    }
    assert!(read >= 9, "only {read} sequences were read");
}
