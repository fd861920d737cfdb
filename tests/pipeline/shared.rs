//! A list whose copies are all the same, at a relay that makes the return paths: what leaves, what comes back, and what somebody can do who has a copy.

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{PATIENCE, Site, wait_for};
use listmill_tests::sink::{Script, Sink};

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 1_201;

fn member(number: usize) -> String {
    format!("member{number:04}@example.net")
}

const BODIES: [(&str, &str); 2] = [
    (
        "delivery-status",
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
         Final-Recipient: rfc822; somebody@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 call 0123 to win\r\n\r\n--b--\r\n",
    ),
    (
        "feedback-report",
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n--b--\r\n",
    ),
];

/// A report of this kind, to this return path.
fn report(to: &str, (kind, body): (&str, &str)) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example.org\r\nTo: {to}\r\nSubject: report\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={kind}; boundary=\"b\"\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A site with a large list, and its post delivered.
fn delivered(script: Script) -> (Sink, Site, listmill_tests::program::Running) {
    let sink = Sink::start(script);
    let site = Site::new(&sink.url("smtp"), "");
    let settings = ["copies=shared", "feedback_reports=leave", "nonmember_action=accept"];
    site.list(DEV, &settings, (0..MEMBERS).map(member));
    let running = site.run();
    let post = b"From: eve@example.net\r\nTo: dev@lists.example.org\r\nSubject: hello\r\n\r\nThe mill turns.\r\n";
    Lmtp::connect(running.lmtp.unwrap()).post("eve@example.net", DEV, post);
    assert!(sink.wait(PATIENCE, |sink| sink.served().len() == MEMBERS));
    assert!(sink.served().values().all(|times| *times == 1));
    assert_eq!(sink.violations(), [""; 0]);
    (sink, site, running)
}

#[test]
fn a_relay_that_makes_return_paths_gets_a_page_in_a_transaction_and_what_comes_back_finds_its_member() {
    let (sink, site, running) = delivered(Script::default().with("XVERP"));
    let mut sizes: Vec<usize> = sink.received().iter().map(|one| one.recipients.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [201, 500, 500]);
    let shared = sink.received()[0].return_path.clone();
    let first = sink.received()[0].data.clone();
    assert!(
        sink.received().iter().all(|one| one.return_path == shared && one.data == first),
        "all octets are the same"
    );
    let text = String::from_utf8_lossy(&first).into_owned();
    assert!(text.contains("\r\nList-Unsubscribe: <mailto:dev-leave@lists.example.org>\r\n"), "{text}");
    // What the relay makes of it comes back.
    let path = |member: &str| shared.replacen('@', &format!("+{}@", member.replacen('@', "=", 1)), 1);
    let mut lmtp = Lmtp::connect(running.lmtp.unwrap());
    for kind in BODIES {
        for who in [member(7), "nobody@example.com".to_owned()] {
            lmtp.post("", &path(&who), &report(&path(&who), kind));
        }
        let other = path(&member(8)).replace("dev-bounces+", "dev-bounces+x");
        lmtp.post("", &other, &report(&other, kind));
    }
    let shown = |who: &str| site.json(&["member", "show", DEV, who]);
    wait_for("the failure to be noted", || shown(&member(7))["bounces"]["events"][0]["cause"] == "gone");
    site.settle(&["bounce", "outbound"]);
    let seven = shown(&member(7));
    assert_eq!(
        (&seven["delivery"], &seven["bounces"]["events"][0]["weight"]),
        (&"each".into(), &0.5.into()),
        "{seven}"
    );
    assert!(!seven.to_string().contains("call 0123"), "words that anybody may have written: {seven}");
    assert!(shown(&member(8)).get("bounces").is_none_or(serde_json::Value::is_null), "{}", shown(&member(8)));
    assert_eq!(site.json(&["list", "show", DEV])["members"], MEMBERS, "nobody left because of a complaint");
    let said = site.ok(&["check"]);
    assert!(said.contains("offers PIPELINING, SIZE, 8BITMIME, SMTPUTF8, XVERP"), "{said}");
    assert!(said.contains("transactions of up to 500 recipients"), "{said}");
    running.stop();
}

#[test]
fn any_other_relay_gets_a_transaction_for_each_with_a_path_of_its_own() {
    let (sink, site, running) = delivered(Script::default());
    for copy in sink.received() {
        let [to] = copy.recipients.as_slice() else { panic!("each leaves alone: {:?}", copy.recipients) };
        let begin = format!("dev-bounces+{}.", to.replacen('@', "=", 1));
        assert!(copy.return_path.starts_with(&begin), "{} to {to}", copy.return_path);
    }
    let said = site.ok(&["check"]);
    assert!(said.contains("each copy is a transaction of its own: the relay does not offer XVERP"), "{said}");
    running.stop();
}
