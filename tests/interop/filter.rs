//! A filter in Python between moderation and pending, with posts flowing: stopped, killed and started again in mid-stream.

use std::collections::HashMap;

use listmill_tests::lmtp::Lmtp;
use listmill_tests::needs::needs;
use listmill_tests::program::{PATIENCE, Site, wait_for};
use listmill_tests::sink::{Script, Sink};

use crate::outbound::copies;
use crate::python;

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 5;
/// Posts of one round; every fourth says of itself that it is spam.
const POSTS: usize = 20;

fn start(site: &Site) -> python::Running {
    let [via, spool] = ["data/scanned", "data/spool"].map(|path| site.dir().join(path).to_string_lossy().into_owned());
    let rules = ["--mark", "X-Scanned: by filter.example.org", "--discard", "X-Spam-Flag: yes"];
    python::Running::start(&[&["listmill_filter.py", "--via", &via, "--spool", &spool], rules.as_slice()].concat())
}

#[test]
fn a_filter_between_moderation_and_pending_comes_and_goes() {
    let Some(_) = needs("python3") else { return };
    let sink = Sink::start(Script::default());
    let site = Site::new(&sink.url("smtp"), "chunk = 2\n[queue.pending]\nvia = \"data/scanned\"\n");
    site.list(DEV, &[], (0..MEMBERS).map(|number| format!("u{number}@example.net")));
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    let (mut posts, mut good) = (0, 0);
    for by_force in [true, false, true] {
        let filter = start(&site);
        for _ in 0..POSTS {
            let flag = if posts % 4 == 0 { "YES" } else { "NO" };
            good += usize::from(posts % 4 != 0);
            let post = format!(
                "From: u1@example.net\r\nTo: {DEV}\r\nSubject: x\r\nX-Spam-Flag:\r\n {flag}\r\nMessage-ID: <{posts}@x>\r\n\r\nx\r\n"
            );
            lmtp.post("u1@example.net", DEV, post.as_bytes());
            posts += 1;
        }
        let some = (good - POSTS / 2) * MEMBERS;
        assert!(sink.wait(PATIENCE, |sink| sink.count() >= some), "{} of {some}", sink.count());
        if by_force { filter.kill() } else { filter.stop() }
    }
    // Nobody stands there: what comes waits, and is seen to wait.
    let post = format!("From: u1@example.net\r\nTo: {DEV}\r\nSubject: x\r\nMessage-ID: <{posts}@x>\r\n\r\nx\r\n");
    lmtp.post("u1@example.net", DEV, post.as_bytes());
    wait_for("a post to wait in front", || {
        site.figure("moderation", "depth") == 0 && site.figure("pending", "depth") > 0
    });
    let filter = start(&site);
    site.settle(&["auth", "moderation", "pending", "outbound"]);
    filter.stop();
    let _ = running.stop();

    let expected: HashMap<(String, String), usize> = (0..=posts)
        .filter(|number| number % 4 != 0 || *number == posts)
        .flat_map(|number| {
            (0..MEMBERS).map(move |member| ((format!("<{number}@x>"), format!("u{member}@example.net")), 1))
        })
        .collect();
    assert_eq!(copies(&sink), expected, "what is good reached everybody once, what is spam nobody");
    let marks =
        sink.received().iter().map(|one| String::from_utf8_lossy(&one.data).matches("X-Scanned:").count()).max();
    assert_eq!(marks, Some(1), "later pages of a post do not pass the filter again");
    println!(
        "{posts} posts through a filter that came and went: {good} reached {MEMBERS} members once, the others nobody"
    );
}
