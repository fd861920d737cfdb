//! Bounces end to end: they come in by LMTP, or as refusals of the smarthost, and what follows from them leaves by SMTP.

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::post_office::PostOffice;
use listmill_tests::program::{PATIENCE, Site, wait_for};
use listmill_tests::sink::{Answer, Script, Sink, Step};
use serde_json::Value;

const DEV: &str = "dev@lists.example.org";
const BOB: &str = "bob@example.net";
const CAROL: &str = "carol@example.com";
const OLIVIA: &str = "olivia@example.org";

fn office(settings: &[&str]) -> PostOffice {
    let office = PostOffice::open("clock = \"1s\"\n");
    office.site.list(DEV, settings, [BOB, CAROL].map(str::to_owned));
    office
}

/// What a mail server reports to the return path of this letter.
fn bounce_of(letter: &Letter) -> Mail {
    let text = format!(
        "--b\nContent-Type: text/plain\n\nIt could not be delivered.\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; {0}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 <{0}>: no such user\n\n--b--\n",
        letter.to
    );
    Mail::new("MAILER-DAEMON@mx.example.org", &letter.return_path)
        .sender("")
        .subject("Undelivered Mail Returned to Sender")
        .field("Auto-Submitted: auto-replied")
        .field("Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"")
        .text(&text)
}

/// A post reaches both; Bob's copy.
fn copy(office: &PostOffice, subject: &str) -> Letter {
    office.write(&Mail::new(CAROL, DEV).subject(subject).text("Hello.\n"));
    let copies = || office.all().into_iter().filter(|letter| letter.is_copy() && letter.subject == subject);
    assert!(office.sink.wait(PATIENCE, |_| copies().count() == 2));
    copies().find(|letter| letter.to == BOB).unwrap()
}

fn shown(site: &Site, who: &str) -> Value {
    site.json(&["member", "show", DEV, who])
}

/// Waits for a letter to Bob about this; the first one.
fn told(office: &PostOffice, about: &str) -> Letter {
    assert!(office.sink.wait(PATIENCE, |_| office.count(BOB, about) > 0), "{about}: {:#?}", office.subjects());
    office.letters(BOB).into_iter().find(|letter| letter.subject.contains(about)).unwrap()
}

#[test]
fn a_member_from_the_first_bounce_to_removal_and_back() {
    let office = office(&["bounce_threshold=1", "bounce_notices=2", "bounce_notice_interval=1s"]);
    let first = copy(&office, "one");
    office.write(&bounce_of(&first));
    // Only a failed probe disables.
    let probe = told(&office, "a test, nothing to do");
    assert!(probe.text.contains("no such user") && probe.return_path.starts_with("dev-bounces+bob=example.net."));
    let before = shown(&office.site, BOB);
    assert_eq!((before["delivery"].as_str(), before["bounces"]["state"].as_str()), (Some("each"), Some("probed")));
    assert_eq!(before["bounces"]["events"][0]["cause"], "gone");
    let history = office.site.ok(&["member", "show", DEV, BOB]);
    assert!(history.contains("gone") && history.contains("no such user"), "{history}");
    office.write(&bounce_of(&probe));
    let notice = told(&office, "we no longer send to you");
    assert_eq!((notice.return_path.as_str(), notice.field("Auto-Submitted").as_str()), ("", "auto-generated"));
    let out = told(&office, "you are no longer a member");
    wait_for("Bob to be removed", || office.roster(DEV) == [CAROL]);
    assert_eq!(office.count(BOB, "we no longer send to you"), 2, "{:#?}", office.subjects());
    // And back, in one reply.
    office.write(&out.bare_answer());
    wait_for("Bob to be back", || office.roster(DEV).contains(&BOB.to_owned()));
    assert_eq!(shown(&office.site, BOB)["delivery"], "each");
    let told_owner = || office.letters(OLIVIA).iter().map(|letter| letter.text.clone()).collect::<String>();
    wait_for("the owner to be told of each step", || {
        let told = told_owner().split_whitespace().collect::<Vec<_>>().join(" ");
        ["a test was sent", "delivery is switched off", "the membership has ended"]
            .iter()
            .all(|step| told.contains(step))
    });
    assert_eq!(office.sink.violations(), Vec::<String>::new());
}

#[test]
fn one_reply_to_the_notice_switches_delivery_on_again() {
    let office = office(&["bounce_threshold=1"]);
    office.write(&bounce_of(&copy(&office, "one")));
    office.write(&bounce_of(&told(&office, "a test, nothing to do")));
    let notice = told(&office, "we no longer send to you");
    assert_eq!(shown(&office.site, BOB)["delivery"], "off:bounces");
    office.write(&notice.bare_answer());
    wait_for("delivery to be on", || shown(&office.site, BOB)["delivery"] == "each");
    // The same bounce once more is another day's business, and the score began anew.
    let second = copy(&office, "two");
    assert_eq!(second.to, BOB);
    assert_eq!(office.count(BOB, "we no longer send to you"), 1);
}

/// What `bounce explain` says of this message, its lines ended in one way.
fn explained(site: &Site, message: &str, ending: &str) -> (Value, String) {
    let file = site.dir().join("bounce.eml");
    std::fs::write(&file, message.replace('\n', ending)).unwrap();
    let file = file.to_str().unwrap();
    (site.json(&["bounce", "explain", file]), site.ok(&["bounce", "explain", file]))
}

#[test]
fn explaining_a_bounce_says_what_it_would_do_and_does_nothing() {
    let office = office(&["bounce_threshold=3"]);
    let copy = copy(&office, "one");
    let message = |path: &str| {
        format!(
            "From: MAILER-DAEMON@mx.example.net\nTo: {path}\nSubject: failure notice\n\n\
             Hi. This is the qmail-send program at mx.example.net.\n\
             I'm afraid I wasn't able to deliver your message to the following addresses.\n\n\
             <{BOB}>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
        )
    };
    for ending in ["\n", "\r\n", "\r"] {
        let (said, told) = explained(&office.site, &message(&copy.return_path), ending);
        assert_eq!((said["kind"].as_str(), said["form"].as_str()), (Some("bounce"), Some("qmail")), "{ending:?}");
        assert_eq!(said["recipients"][0]["cause"], "gone");
        assert_eq!((&said["concerns"]["member"], &said["concerns"]["list"]), (&BOB.into(), &DEV.into()));
        let last = said["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(
            (last["stage"].as_str(), last["reason"].as_str()),
            (Some("bounce"), Some("bob@example.net: gone, score 1.00"))
        );
        assert!(told.contains(&format!("concerns: {BOB} on {DEV}, post ")) && told.contains("score 1.00"), "{told}");
    }
    assert_eq!(shown(&office.site, BOB)["bounces"], Value::Null, "it was only explained");
    let forged = copy.return_path.replace("bob=", "eve=");
    let (said, told) = explained(&office.site, &message(&forged), "\n");
    assert_eq!((&said["concerns"], said["steps"].as_array().unwrap().len()), (&Value::Null, 2));
    assert!(told.contains("none that we have signed") && told.contains("nobody is concerned"), "{told}");
    let (said, told) = explained(&office.site, &message("bob@example.net"), "\n");
    assert_eq!((&said["to"], said["kind"].as_str()), (&Value::Null, Some("bounce")));
    assert!(told.contains("--to says which"), "{told}");
    let file = office.site.dir().join("bounce.eml");
    let told = office.site.ok(&["bounce", "explain", "--to", &copy.return_path, file.to_str().unwrap()]);
    assert!(told.contains("score 1.00"), "{told}");
    // And then it does that.
    office.write(&bounce_of(&copy));
    wait_for("the failure to be noted", || shown(&office.site, BOB)["bounces"]["events"][0]["cause"] == "gone");
}

#[test]
fn forged_bounces_and_bounces_of_letters_change_nothing() {
    let office = office(&["bounce_threshold=1"]);
    let copy = copy(&office, "one");
    let (begin, end) = copy.return_path.split_at(copy.return_path.find('@').unwrap() - 1);
    let last = if end.starts_with('a') { "b" } else { "a" };
    let forged = Letter { return_path: format!("{begin}{last}{}", &end[1..]), ..copy };
    (0..20).for_each(|_| office.write(&bounce_of(&forged)));
    office.write(&bounce_of(&Letter { return_path: "dev-bounces@lists.example.org".to_owned(), ..forged }));
    wait_for("the bounces to be done with", || office.site.figure("bounce", "depth") == 0);
    assert_eq!(shown(&office.site, BOB)["bounces"], Value::Null);
    assert_eq!((office.letters(BOB).len(), office.letters(OLIVIA).len()), (0, 0), "{:#?}", office.subjects());
}

#[test]
fn of_a_dead_domain_thirty_are_probed_then_disabled_and_nobody_else() {
    let sink = Sink::start(Script::answering(|asked| match asked.step {
        Step::Rcpt if asked.argument.contains("@dead.example.com") => {
            Answer::say("550 5.1.2 Host or domain name not found")
        }
        _ => Answer::Usual,
    }));
    let site = Site::new(&sink.url("smtp"), "[command]\nclock = \"1s\"\n");
    let member = |number| format!("m{number:03}@{}", if number < 30 { "dead.example.com" } else { "example.net" });
    site.list(DEV, &["bounce_threshold=1"], (0..100).map(member));
    let running = site.run();
    let post = format!("From: {}\r\nTo: {DEV}\r\nSubject: x\r\nMessage-ID: <1@example.net>\r\n\r\nx\r\n", member(50));
    Lmtp::connect(running.lmtp.unwrap()).post(&member(50), DEV, post.as_bytes());
    let off = || -> Vec<String> {
        let members = site.json(&["member", "ls", DEV]);
        let off = members.as_array().unwrap().iter().filter(|member| member["delivery"] == "off:bounces");
        off.map(|member| member["address"].as_str().unwrap().to_owned()).collect()
    };
    wait_for("thirty to be disabled", || off().len() >= 30);
    assert_eq!(off(), (0..30).map(member).collect::<Vec<_>>());
    // Seventy copies, and what the owner was told; no probe to anybody who receives.
    site.settle(&["outbound", "bounce", "command"]);
    let to_living = sink.served().into_iter().filter(|(who, _)| who.ends_with("@example.net")).map(|(_, count)| count);
    assert_eq!(to_living.sum::<usize>(), 70);
    running.stop();
}
