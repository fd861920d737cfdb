//! Dialogues from files: `cases/NN-name.dialogue`.
//!
//! ```text
//! # What the case is about.
//! @ smtp                      over SMTP; without this line over LMTP, by TCP and by a Unix socket
//! C: NOOP                     the client says this, and CRLF; \r \n \0 \t \\ \xHH are octets
//! c: x                        the same without CRLF
//! C*40: x                     forty times
//! S: 250 2.0.0                the next reply has this code, and this enhanced status code or none
//! S+ SIZE                     … and a line that holds this text
//! S: closed                   the server has closed the connection
//! = stored 1                  so many messages have been stored in this case
//! = message x\r\n             the last one is this
//! = sender, recipients, helo, protocol, body, smtputf8      and its envelope says that
//! ```
//!
//! What the client says before the next reply is sent at once: that is pipelining. Each case is played as it stands,
//! and again with each octet in a segment of its own. Texts of replies are nobody's business; their codes are compared.

use std::fs;
use std::path::Path;

use listmill_queue_format::BodyKind;

use crate::client::{Client, Reply};
use crate::recorder::Stored;
use crate::running::Running;

/// One line of a case.
enum Step {
    Say(Vec<u8>),
    Hear(String),
    HearLine(String),
    Closed,
    Know(String, String),
}

struct Case {
    name: String,
    smtp: bool,
    steps: Vec<(usize, Step)>,
}

#[test]
fn every_dialogue_goes_as_it_is_written() {
    let cases = cases();
    assert!(cases.len() >= 30, "only {} cases were found", cases.len());
    for case in &cases {
        for segments in [usize::MAX, 1] {
            let server = Running::new();
            let client = Client::tcp(if case.smtp { server.smtp } else { server.lmtp });
            play(case, client, &server, segments);
        }
        if !case.smtp {
            let server = Running::new();
            play(case, Client::unix(&server.unix), &server, usize::MAX);
        }
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("intake/cases");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dialogue"));
    paths.sort();
    let case = |path: &Path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).unwrap();
        assert!(text.starts_with("# "), "{name} does not say what it is about");
        read(name, &text)
    };
    paths.iter().map(|path| case(path)).collect()
}

fn read(name: String, text: &str) -> Case {
    let mut case = Case { name, smtp: false, steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let step = match word {
            "" | "#" => continue,
            "@" => {
                case.smtp = rest == "smtp";
                continue;
            }
            "S:" if rest == "closed" => Step::Closed,
            "S:" => Step::Hear(rest.to_owned()),
            "S+" => Step::HearLine(rest.to_owned()),
            "=" => {
                let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
                Step::Know(key.to_owned(), value.to_owned())
            }
            word => match said(word, rest) {
                Some(octets) => Step::Say(octets),
                None => panic!("{}, line {}: {line:?} is no step", case.name, number + 1),
            },
        };
        case.steps.push((number + 1, step));
    }
    case
}

/// `C:`, `c:`, `C*40:`
fn said(word: &str, text: &str) -> Option<Vec<u8>> {
    let word = word.strip_suffix(':')?;
    let (letter, count) = word.split_once('*').unwrap_or((word, "1"));
    let end: &[u8] = match letter {
        "C" => b"\r\n",
        "c" => b"",
        _ => return None,
    };
    Some([&octets(text)[..], end].concat().repeat(count.parse().ok()?))
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        octets.extend_from_slice(plain.as_bytes());
        let (octet, length) = match escaped.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'0' => (0, 1),
            b'x' => (u8::from_str_radix(&escaped[1..3], 16).unwrap(), 3),
            octet => (octet, 1),
        };
        octets.push(octet);
        rest = &escaped[length..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

fn play(case: &Case, mut client: Client, server: &Running, segment: usize) {
    let mut waiting = Vec::new();
    let mut last: Option<Reply> = None;
    for (number, step) in &case.steps {
        let place = format!("{}.dialogue, line {number}", case.name);
        if let Step::Say(octets) = step {
            waiting.extend_from_slice(octets);
            continue;
        }
        for piece in waiting.chunks(segment) {
            // A server that has closed the connection is found out at the next reply.
            client.send(piece);
        }
        waiting.clear();
        match step {
            Step::Say(_) => {}
            Step::Hear(codes) => {
                let reply = client.reply().unwrap_or_else(|| panic!("{place}: the connection is closed"));
                assert_eq!(&reply.codes(), codes, "{place}: {:?}", reply.lines);
                last = Some(reply);
            }
            Step::HearLine(text) => {
                let lines = last.as_ref().map_or(&[][..], |reply| &reply.lines);
                assert!(lines.iter().any(|line| line.contains(text)), "{place}: {lines:?}");
            }
            Step::Closed => assert_eq!(client.reply(), None, "{place}"),
            Step::Know(key, value) => know(&place, server, key, value),
        }
    }
    assert!(waiting.is_empty(), "{}: the last word is the client's", case.name);
}

fn know(place: &str, server: &Running, key: &str, value: &str) {
    if key == "stored" {
        return assert_eq!(server.recorder.count().to_string(), value, "{place}");
    }
    let Stored { envelope, message } = server.recorder.last().unwrap_or_else(|| panic!("{place}: nothing was stored"));
    let client = envelope.client.clone().unwrap_or_default();
    let found = match key {
        "message" => {
            return assert_eq!(String::from_utf8_lossy(&message), String::from_utf8_lossy(&octets(value)), "{place}");
        }
        "size" => message.len().to_string(),
        "sender" => envelope.sender.clone(),
        "recipients" => envelope.recipients.join(" "),
        "helo" => client.helo,
        "protocol" => client.protocol,
        "body" => if envelope.body == BodyKind::EightBitMime { "8bitmime" } else { "7bit" }.to_owned(),
        "smtputf8" => envelope.smtputf8.to_string(),
        key => panic!("{place}: {key:?} is nothing that can be known"),
    };
    assert_eq!(found, value, "{place}");
}
