//! A hundred real posts to two hundred members: each recipient each post once, and what their authors signed as they signed it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use listmill_tests::corpus::{crlf, folder};
use listmill_tests::dkim;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::needs::needs;
use listmill_tests::program::{PATIENCE, Running, Site, workspace};
use listmill_tests::sink::{Received, Script, Sink};
use serde_json::Value;

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 200;

/// A post of the corpus: as it goes in, and what is known of it.
struct Post {
    sender: String,
    message: Vec<u8>,
    /// One of its body hashes held when it was collected.
    body_hash_ok: bool,
}

#[test]
fn a_hundred_real_posts_reach_two_hundred_members() {
    let Some(dir) = folder("list-posts-dev-sample") else { return };
    let posts = read(&dir);
    let sink = Sink::start(Script::default());
    let site = Site::new(&sink.url("smtp"), "");
    let members = (0..MEMBERS).map(|number| format!("u{number:03}@example.net"));
    site.list(DEV, &["nonmember_action=accept", "implicit_destination=accept"], members);
    let running = site.run();
    hand_in(&running, &posts);
    let all = posts.len() * MEMBERS;
    assert!(
        sink.wait(PATIENCE, |sink| sink.count() >= all),
        "{} copies of {all}; {}",
        sink.count(),
        site.ok(&["queue", "ls"])
    );
    site.settle(&["inbound", "auth", "moderation", "pending", "outbound"]);
    running.stop();
    assert_eq!(sink.violations(), Vec::<String>::new());
    let copies = sink.received();
    assert_eq!(copies.len(), all);
    let paths: HashSet<&str> = copies.iter().map(|copy| copy.return_path.as_str()).collect();
    assert_eq!(paths.len(), all, "each copy has a return path of its own");
    let kept = compare(&posts, &copies);
    println!(
        "{} posts, {all} copies, {} return paths; {} signatures, {} of their body hashes held before and hold in all copies",
        posts.len(),
        paths.len(),
        kept.signatures,
        kept.body_hashes
    );
}

/// From a few clients at once, as a mail server does.
fn hand_in(running: &Running, posts: &[Post]) {
    let address = running.lmtp.unwrap();
    std::thread::scope(|scope| {
        for part in posts.chunks(posts.len().div_ceil(4)) {
            scope.spawn(move || {
                let mut lmtp = Lmtp::connect(address);
                part.iter().for_each(|post| lmtp.post(&post.sender, DEV, &post.message));
            });
        }
    });
}

struct Kept {
    signatures: usize,
    body_hashes: usize,
}

/// Every copy against the post that it is of; they are told apart by their Message-ID.
fn compare(posts: &[Post], copies: &[Received]) -> Kept {
    let mut of: HashMap<String, Vec<&Received>> = HashMap::new();
    for copy in copies {
        of.entry(message_id(&copy.data)).or_default().push(copy);
    }
    let mut kept = Kept { signatures: 0, body_hashes: 0 };
    for post in posts {
        let copies = &of[&message_id(&post.message)];
        let recipients: HashSet<&String> = copies.iter().flat_map(|copy| &copy.recipients).collect();
        assert_eq!((copies.len(), recipients.len()), (MEMBERS, MEMBERS), "each member has it once");
        let signatures = dkim::signatures(&post.message);
        let (fields, body) = dkim::split(&post.message);
        let held: Vec<bool> = signatures.iter().map(|signature| signature.body_hash_holds(body)).collect();
        assert!(!post.body_hash_ok || held.contains(&true), "the corpus and this test do not agree on a body hash");
        kept.signatures += signatures.len();
        kept.body_hashes += held.iter().filter(|held| **held).count();
        for copy in copies {
            let (copied, copied_body) = dkim::split(&copy.data);
            assert!(copied_body == body, "the body of a copy of {} differs", message_id(&post.message));
            for (signature, held) in signatures.iter().zip(&held) {
                let before = dkim::named(&fields, &signature.names, &fields);
                let after = dkim::named(&copied, &signature.names, &fields);
                assert!(before == after, "a signed field of {} differs", message_id(&post.message));
                assert_eq!(signature.body_hash_holds(copied_body), *held);
            }
        }
    }
    kept
}

fn message_id(message: &[u8]) -> String {
    let (fields, _) = dkim::split(message);
    let field = fields.iter().find(|field| dkim::name(field) == "message-id").expect("a real post has a Message-ID");
    String::from_utf8_lossy(field).split_once(':').unwrap().1.trim().to_owned()
}

/// The corpus has lines that end in LF, and an envelope for each file.
fn read(dir: &Path) -> Vec<Post> {
    let envelopes = std::fs::read_to_string(dir.join("envelopes.jsonl")).unwrap();
    envelopes
        .lines()
        .map(|line| {
            let envelope: Value = serde_json::from_str(line).unwrap();
            let text = std::fs::read(dir.join(envelope["file"].as_str().unwrap())).unwrap();
            Post {
                sender: envelope["mail_from"].as_str().unwrap_or_default().to_owned(),
                message: crlf(&text),
                body_hash_ok: envelope["dkim_bodyhash_ok"] == 1,
            }
        })
        .collect()
}

/// A spool that was stopped in mid-work is read by the other language.
#[test]
fn the_python_reader_reads_every_entry_of_a_spool_stopped_in_mid_work() {
    let Some(python) = needs("python3") else { return };
    let sink = Sink::start(Script::default());
    let site = Site::new(&sink.url("smtp"), "");
    let members = (0..MEMBERS).map(|number| format!("u{number:03}@example.net"));
    site.list(DEV, &["nonmember_action=accept"], members);
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    for number in 0..60 {
        let message = format!(
            "From: Zoë <z@example.com>\r\nTo: {DEV}\r\nSubject: {number}\r\nMessage-ID: <{number}@x>\r\n\r\n.\r\n..\r\n"
        );
        lmtp.post("z@example.com", DEV, message.as_bytes());
    }
    assert!(sink.wait(PATIENCE, |sink| sink.count() > 100));
    running.kill();
    // Whoever looks at the queues makes files of what the kill has left in the journal.
    let waiting: u64 =
        ["auth", "moderation", "pending", "outbound"].iter().map(|queue| site.figure(queue, "depth")).sum();
    let reader = workspace().join("queue-format/python/listmill_queue.py");
    let output = std::process::Command::new(python).arg(reader).arg("check").arg(site.spool()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(waiting > 0, "it was stopped too late");
    assert!(told.lines().count() as u64 >= waiting, "{waiting} entries wait: {told}");
    println!("{waiting} entries in a spool that was stopped in mid-work, all read by Python");
}
