//! Administration works while `run` runs and when it does not; what is wrong is refused with a reason.

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Site, wait_for};
use serde_json::Value;

const DEV: &str = "dev@lists.example.org";

fn people(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("u{number:05}@example.net"))
}

fn post(author: &str, subject: &str) -> Vec<u8> {
    format!(
        "From: {author}\r\nTo: {DEV}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.net>\r\n\r\nHello.\r\n"
    )
    .into_bytes()
}

/// The copies that a maildir relay has received.
fn copies(site: &Site) -> usize {
    std::fs::read_dir(site.dir().join("copies/new")).map_or(0, Iterator::count)
}

#[test]
fn init_writes_a_site_that_check_accepts_and_writes_nothing_over() {
    let site = Site::new("maildir:copies", "");
    let dir = site.dir().join("fresh");
    let at = dir.to_str().unwrap();
    site.ok(&["init", at]);
    let told = site.fails(65, &["init", at], b"");
    assert!(told.contains("left as it is"), "{told}");
    assert!(site.ok(&["check"]).contains("no mail leaves"));
    assert!(!site.dir().join("data").exists(), "check makes nothing");
}

#[test]
fn a_wrong_site_file_is_a_configuration_error_that_names_the_key() {
    for (more, named) in [
        ("[inbound2]\nx = 1\n", "inbound2"),
        ("connexions = 5\n", "connexions"),
        ("connections = 0\n", "outbound.connections"),
        ("[defaults]\nmember_action = \"maybe\"\n", "member_action"),
        ("[queue]\nbackend = \"carrier pigeon\"\n", "queue.backend"),
        ("[hosts]\na = [\"inbound\", \"outbond\"]\n", "hosts.a"),
    ] {
        let told = Site::new("maildir:copies", more).fails(78, &["list", "ls"], b"");
        assert!(told.contains(named), "{more}: {told}");
    }
    let told = Site::new("carrier:pigeon", "").fails(78, &["list", "ls"], b"");
    assert!(told.contains("outbound.relay"), "{told}");
}

#[test]
fn hostile_list_names_are_refused_and_leave_nothing_behind() {
    let site = Site::new("maildir:copies", "");
    let long = format!("{}@lists.example.org", "a".repeat(60));
    for name in [
        "../../x",
        "a/b",
        "..",
        ".",
        "-rf",
        "a b",
        "a\u{7f}b",
        "dév",
        "dev-request",
        "owner",
        "dev-bounces",
        "a+b",
        "%2e%2e",
        "",
        "a\u{202e}b",
    ] {
        site.fails(
            if name == "dev-request" || name == "owner" || name == "dev-bounces" { 65 } else { 64 },
            &["list", "create", "--owner", "olivia@example.org", "--", &format!("{name}@lists.example.org")],
            b"",
        );
    }
    site.fails(64, &["list", "create", &long, "--owner", "olivia@example.org"], b"");
    site.fails(65, &["list", "create", "dev@elsewhere.example.org", "--owner", "olivia@example.org"], b"");
    assert_eq!(site.json(&["list", "ls"]), Value::Array(Vec::new()));
    site.list(DEV, &[], []);
    let told = site.fails(65, &["list", "create", "DEV@Lists.Example.ORG", "--owner", "olivia@example.org"], b"");
    assert!(told.contains("already"), "{told}");
}

#[test]
fn an_import_with_bad_lines_imports_nobody_and_names_each() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], []);
    let roster = b"bob@example.net\nnot an address\nCarol <carol@example.com>\ndave@@example.net\n";
    let told = site.fails(65, &["member", "import", DEV, "-"], roster);
    assert!(told.contains("-:2:") && told.contains("-:4:") && told.contains("nobody was imported"), "{told}");
    assert_eq!(site.json(&["list", "show", DEV])["members"], 0);
    let told = site.ok_with_input(
        &["member", "import", DEV, "-"],
        b"address,name\nbob@example.net,\"B, Bob\"\nBOB@example.net,\n",
    );
    assert!(told.starts_with("1 imported"), "{told}");
    assert_eq!(site.json(&["member", "show", DEV, "bob@example.net"])["name"], "B, Bob");
    // The same again changes nothing; an owner in the file becomes a member, too.
    let told = site.ok_with_input(&["member", "import", DEV, "-"], b"bob@example.net\nolivia@example.org\n");
    assert!(told.starts_with("1 imported, 1 were members already"), "{told}");
    assert_eq!(
        site.json(&["member", "show", DEV, "olivia@example.org"])["roles"],
        serde_json::json!(["member", "owner"])
    );
}

#[test]
fn what_is_exported_can_be_imported() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], people(250));
    site.list("two@lists.example.org", &[], []);
    site.ok(&[
        "member",
        "set",
        DEV,
        "u00007@example.net",
        "name=Seven, 7",
        "delivery=off",
        "moderation=hold",
        "language=de",
        "myposts=off",
        "resumes=2026-12-01",
    ]);
    let csv = site.ok(&["member", "export", DEV]);
    site.ok_with_input(&["member", "import", "two@lists.example.org", "-"], csv.as_bytes());
    assert_eq!(site.json(&["list", "show", "two@lists.example.org"])["members"], 250);
    assert_eq!(
        site.ok(&["member", "export", "two@lists.example.org"]).lines().map(without_joined).collect::<Vec<_>>(),
        csv.lines().map(without_joined).collect::<Vec<_>>()
    );
    let told = site.fails(65, &["member", "import", DEV, "-"], b"address,delivery\nnew@example.net,sometimes\n");
    assert!(told.contains("-:2:"), "{told}");
}

#[test]
fn what_a_member_has_chosen_is_set_shown_and_exported() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], people(3));
    site.ok(&["member", "set", DEV, "u00002@example.net", "ack=on", "hide=on", "resumes=2026-12-01", "delivery=off"]);
    site.fails(64, &["member", "set", DEV, "u00001@example.net", "resumes=2026-12-01"], b"");
    let chosen = site.json(&["member", "show", DEV, "u00002@example.net"]);
    let preferences = serde_json::json!({ "ack": true, "myposts": true, "duplicates": true, "hide": true });
    assert_eq!((&chosen["preferences"], &chosen["resumes"]), (&preferences, &"2026-12-01T00:00:00Z".into()));
    let csv = site.ok(&["member", "export", DEV]);
    let row = csv.lines().find(|line| line.starts_with("u00002@")).unwrap();
    assert!(row.contains(",off:owner,default,,ack=on hide=on,2026-12-01T00:00:00Z,"), "{row}");
    site.ok(&["member", "set", DEV, "u00002@example.net", "ack=off", "hide=off", "delivery=each"]);
    assert_eq!(site.json(&["member", "show", DEV, "u00002@example.net"])["resumes"], serde_json::Value::Null);
}

/// The day of the import is when they joined the second list.
fn without_joined(line: &str) -> &str {
    line.rsplit_once(',').unwrap().0
}

#[test]
fn every_command_works_beside_a_serving_process() {
    let site = Site::new("maildir:copies", "");
    let running = site.run();
    site.list(DEV, &["description=Development"], people(2));
    site.ok(&["list", "set", DEV, "emergency=on", "max_message_size=500 KiB"]);
    site.ok(&["member", "set", DEV, "u00001@example.net", "delivery=off", "moderation=hold"]);
    site.ok(&["ban", "add", "@.example.com", "--reason", "spam"]);
    let shown = site.json(&["list", "show", DEV]);
    assert_eq!(shown["settings"]["emergency"], serde_json::json!({"value": "on", "from": "list"}));
    assert_eq!(shown["settings"]["member_action"]["from"], "built-in");
    let status = site.json(&["status"]);
    assert_eq!(status["running"][0]["pid"].as_u64(), Some(u64::from(running.pid())));
    running.stop();
    // The same questions without it.
    assert_eq!(site.json(&["list", "show", DEV]), shown);
    assert_eq!(site.json(&["status"])["running"], Value::Array(Vec::new()));
    assert_eq!(site.json(&["member", "show", DEV, "u00001@example.net"])["delivery"], "off:owner");
    assert_eq!(site.json(&["ban", "ls"])[0]["pattern"], "@.example.com");
    site.ok(&["list", "set", DEV, "--unset", "emergency"]);
    assert_eq!(site.json(&["list", "show", DEV])["settings"]["emergency"]["from"], "built-in");
    site.ok(&["list", "remove", DEV]);
    site.fails(65, &["list", "show", DEV], b"");
}

#[test]
fn held_posts_are_accepted_rejected_and_discarded_by_number() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &["hold_notice=off", "moderator_notices=off"], people(3));
    let running = site.run();
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    for subject in ["one", "two", "three"] {
        lmtp.post("mallory@example.com", DEV, &post("mallory@example.com", subject));
    }
    wait_for("three held posts", || site.json(&["held", "ls"]).as_array().unwrap().len() == 3);
    let held = site.json(&["held", "ls", DEV]);
    let id = |subject: &str| {
        let post = held.as_array().unwrap().iter().find(|post| post["subject"] == subject).unwrap();
        post["id"].to_string()
    };
    assert_eq!(held[0]["reasons"][0]["rule"], "nonmember-moderation");
    assert!(site.ok(&["held", "show", DEV, &id("one"), "--message"]).contains("\r\n\r\nHello.\r\n"));
    site.ok(&["held", "accept", DEV, &id("one")]);
    wait_for("the copies of the accepted post", || copies(&site) == 3);
    let told = site.fails(65, &["held", "reject", DEV, &id("two"), "--reason", "\u{1b}[2J"], b"");
    assert!(told.contains("U+001B"), "{told}");
    site.ok(&["held", "reject", DEV, &id("two"), "--reason", "Not about the mill."]);
    wait_for("the notice to the author", || copies(&site) == 4);
    site.ok(&["held", "discard", DEV, &id("three")]);
    assert_eq!(site.json(&["held", "ls"]), Value::Array(Vec::new()));
    let told = site.fails(65, &["held", "accept", DEV, &id("one")], b"");
    assert!(told.contains("holds no post"), "{told}");
    let notice = notice_to(&site, "mallory@example.com");
    assert!(notice.contains("Not about the mill.") && notice.contains("Auto-Submitted: auto-replied"), "{notice}");
    assert!(notice.starts_with("Return-Path: <>") && !notice.contains("Hello."), "{notice}");
    running.stop();
}

fn notice_to(site: &Site, address: &str) -> String {
    let files = std::fs::read_dir(site.dir().join("copies/new")).unwrap().map(|file| file.unwrap().path());
    let mut texts = files.map(|file| String::from_utf8(std::fs::read(file).unwrap()).unwrap());
    texts.find(|text| text.contains(&format!("Delivered-To: {address}"))).expect("the author got a notice")
}

#[test]
fn a_paused_queue_waits_and_a_resumed_one_goes_on() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], people(2));
    site.ok(&["queue", "pause", "pending"]);
    let running = site.run();
    Lmtp::connect(running.lmtp.unwrap()).post("u00000@example.net", DEV, &post("u00000@example.net", "one"));
    wait_for("the post to reach pending", || site.figure("pending", "depth") == 1);
    let entry = site.json(&["queue", "show", "pending"])[0]["entry"].as_str().unwrap().to_owned();
    assert!(site.ok(&["queue", "cat", &entry]).starts_with("{\"format\":\"listmill/1\""));
    assert!(site.ok(&["queue", "cat", &entry, "--message"]).ends_with("\r\n\r\nHello.\r\n"));
    site.ok(&["queue", "resume", "pending"]);
    wait_for("the copies", || copies(&site) == 2);
    running.stop();
}

#[test]
fn inject_is_durable_when_it_exits_with_0_and_says_no_to_what_cannot_be() {
    let site = Site::new("maildir:copies", "");
    site.list(DEV, &[], people(2));
    site.ok_with_input(&["inject", "--to", DEV, "--from", "u00000@example.net"], &post("u00000@example.net", "one"));
    assert_eq!(site.figure("auth", "depth"), 1);
    let told = site.fails(65, &["inject", "--to", "nobody@lists.example.org"], b"Subject: x\n\nx\n");
    assert!(told.contains("nobody@lists.example.org"), "{told}");
    site.fails(65, &["inject", "--to", DEV], b"");
    site.fails(64, &["inject", "--to", "dev"], b"Subject: x\n\nx\n");
    let running = site.run();
    wait_for("the copies", || copies(&site) == 2);
    running.stop();
}

#[test]
fn usage_errors_exit_with_64_and_help_with_0() {
    let site = Site::new("maildir:copies", "");
    site.fails(64, &["list", "creat"], b"");
    site.fails(64, &["queue", "show", "no-such-queue"], b"");
    site.fails(64, &["list", "set", DEV, "colour=red"], b"");
    site.fails(64, &["run", "archive"], b"");
    assert!(site.ok(&["--help"]).contains("listmill demo"));
    assert!(site.ok(&["completions", "bash"]).contains("listmill"));
    let man = site.dir().join("man");
    site.ok(&["man", man.to_str().unwrap()]);
    assert!(man.join("listmill.1").exists() && man.join("listmill-list-create.1").exists());
}
