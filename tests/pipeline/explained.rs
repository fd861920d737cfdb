//! What `listmill explain` says is what then happens.

use listmill_queue_format::Queue;
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Running, Site, wait_for};
use serde_json::Value;

const DEV: &str = "dev@lists.example.org";

fn post(author: &str, subject: &str) -> Vec<u8> {
    format!(
        "From: {author}\r\nTo: {DEV}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n\r\nHello.\r\n"
    )
    .into_bytes()
}

/// The dispositions that `explain` prints for this post, one a stage.
fn explained(site: &Site, message: &[u8]) -> Vec<(String, String)> {
    let steps: Value = serde_json::from_str(&site.ok_with_input(&["explain", DEV, "--json"], message)).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut steps: Vec<_> =
        steps.as_array().unwrap().iter().map(|step| (text(&step["stage"]), text(&step["disposition"]))).collect();
    // The log has one line for each stage; it begins with what comes first.
    steps.dedup_by(|next, before| next.0 == before.0);
    steps
}

/// The dispositions that the log of the serving process has for this post.
fn logged(running: &Running, subject: &str) -> Vec<(String, String)> {
    let lines = running
        .log()
        .into_iter()
        .filter(|line| line.to_string().contains(&format!("{subject}@example.net")) && line["level"] == "INFO");
    let field = |line: &Value, name: &str| {
        line[name].as_str().or_else(|| line["span"][name].as_str()).unwrap_or_default().to_owned()
    };
    let mut steps: Vec<_> = lines
        .map(|line| {
            // "forward to moderation: …"
            let what = field(&line, "message").split([' ', ':']).next().unwrap_or_default().to_owned();
            (field(&line, "runner"), what)
        })
        .collect();
    // A runner says what it did when it is done; the next one may be faster.
    steps.sort_by_key(|(runner, _)| runner.parse::<Queue>().unwrap());
    steps
}

#[test]
fn for_an_accepted_a_held_a_rejected_and_a_discarded_post() {
    let site = Site::new("maildir:copies", "");
    let members = ["alice", "bob", "rita", "dora"].map(|name| format!("{name}@example.net"));
    site.list(DEV, &["hold_notice=off", "moderator_notices=off"], members);
    site.ok(&["member", "set", DEV, "rita@example.net", "moderation=reject"]);
    site.ok(&["member", "set", DEV, "dora@example.net", "moderation=discard"]);
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    for (author, last) in [
        ("alice@example.net", "deliver"),
        ("mallory@example.com", "hold"),
        ("rita@example.net", "reject"),
        ("dora@example.net", "discard"),
    ] {
        let message = post(author, last);
        let explained = explained(&site, &message);
        assert_eq!(explained.last().unwrap().1, last, "{explained:?}");
        lmtp.post(author, DEV, &message);
        wait_for("the log to say it all", || logged(&running, last).len() >= explained.len());
        assert_eq!(logged(&running, last), explained);
    }
    let copies = || std::fs::read_dir(site.dir().join("copies/new")).map_or(0, Iterator::count);
    // Four copies of the accepted post, and the notice to rita.
    wait_for("four copies and a notice", || copies() == 5);
    assert_eq!(site.json(&["held", "ls"]).as_array().unwrap().len(), 1);
    running.stop();
}
