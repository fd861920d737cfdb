//! Malformed mail crashes and blocks nothing: it comes out as it went in, or is refused with a reason.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use listmill_tests::corpus::{MIME, crlf, files};
use listmill_tests::dkim;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Site, wait_for};

const DEV: &str = "dev@lists.example.org";
/// Fields that a list takes away or sets itself (specs/runners/pending.md).
const OURS: &[&str] = &[
    "received",
    "x-beenthere",
    "return-path",
    "delivered-to",
    "x-envelope-to",
    "bcc",
    "precedence",
    "message-id",
    "date",
    "disposition-notification-to",
    "return-receipt-to",
];

#[test]
fn every_mime_corpus_comes_out_unchanged_or_is_refused_with_a_reason() {
    let files = files(&MIME);
    let site = Site::new("maildir:copies", "");
    let settings = [
        "nonmember_action=accept",
        "implicit_destination=accept",
        "administrivia=accept",
        // Posts are counted here, and not the letters about them.
        "hold_notice=off",
        "moderator_notices=off",
    ];
    site.list(DEV, &settings, ["bob@example.net".to_owned()]);
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    let (mut sent, mut refused) = (Vec::new(), 0);
    for file in &files {
        let message = crlf(&std::fs::read(file).unwrap());
        let reply = lmtp.send("sender@example.net", DEV, &message);
        match reply.as_bytes()[0] {
            b'2' => sent.push(message),
            b'5' => {
                refused += 1;
                assert!(reply.len() > "550 5.6.0 ".len(), "{}: {reply}", file.display());
            }
            _ => panic!("{}: {reply}", file.display()),
        }
    }
    site.settle(&["inbound", "auth", "moderation", "pending", "command"]);
    let held = site.json(&["held", "ls", DEV]);
    for post in held.as_array().unwrap() {
        site.ok(&["held", "accept", DEV, &post["id"].to_string()]);
    }
    let new = site.dir().join("copies/new");
    wait_for("a copy of each", || std::fs::read_dir(&new).map_or(0, Iterator::count) >= sent.len());
    running.stop();
    for queue in ["inbound", "auth", "moderation", "pending", "outbound", "bounce", "command"] {
        for state in ["depth", "shunted", "corrupt", "deferred"] {
            assert_eq!(site.figure(queue, state), 0, "{queue} {state}");
        }
    }
    let copies: Vec<Vec<u8>> = files_of(&new).iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(copies.len(), sent.len());
    compare(&sent, &copies);
    let held = held.as_array().unwrap().len();
    println!(
        "{} messages: {} came out unchanged ({held} of them were held first), {refused} refused",
        files.len(),
        sent.len()
    );
}

/// Each message that went in came out once, body and fields as they were.
fn compare(sent: &[Vec<u8>], copies: &[Vec<u8>]) {
    let mut by_content: HashMap<(Vec<Vec<u8>>, &[u8]), i64> = HashMap::new();
    let content = |message: &Vec<u8>| -> Vec<Vec<u8>> {
        let (fields, _) = dkim::split(message);
        fields
            .iter()
            .filter(|field| !OURS.contains(&dkim::name(field).as_str()) && !dkim::name(field).starts_with("list-"))
            .map(|field| field.to_vec())
            .collect()
    };
    for message in sent {
        *by_content.entry((content(message), dkim::split(message).1)).or_default() += 1;
    }
    for copy in copies {
        *by_content.entry((content(copy), dkim::split(copy).1)).or_default() -= 1;
    }
    for ((fields, body), count) in by_content {
        let fields = String::from_utf8_lossy(&fields.concat()).into_owned();
        assert_eq!(
            count,
            0,
            "a message of {} octets of body with these fields was changed on the way:\n{fields}",
            body.len()
        );
    }
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
