//! Whatever a subject, a name or an argument says: no letter of ours has a field that we did not write, and none carries a body.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use listmill_mail::message::Message;
use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;

const DEV: &str = "dev@lists.example.org";
const REQUEST: &str = "dev-request@lists.example.org";
const OLIVIA: &str = "olivia@example.org";

/// Stands in every body that is handed in.
const BODY: &str = "This sentence stands in the body alone.";

/// Fields of a letter of ours, and how many of each there may be.
const FIELDS: [(&str, usize, usize); 14] = [
    ("from", 1, 1),
    ("to", 1, 1),
    ("subject", 1, 1),
    ("date", 1, 1),
    ("message-id", 1, 1),
    ("auto-submitted", 1, 1),
    ("mime-version", 1, 1),
    ("content-type", 1, 1),
    ("content-transfer-encoding", 0, 1),
    ("list-id", 0, 1),
    ("reply-to", 0, 1),
    ("in-reply-to", 0, 1),
    ("references", 0, 1),
    ("precedence", 0, 0),
];

fn encoded_word(text: &str) -> String {
    format!("=?utf-8?B?{}?=", BASE64.encode(text.as_bytes()))
}

/// What somebody may put where a word is expected.
fn hostile() -> Vec<String> {
    let injected = [
        "x\r\nBcc: victim@example.com",
        "x\nBcc: victim@example.com",
        "x\rBcc: victim@example.com",
        "\r\n\r\nA body of mine",
        "x\r\n.\r\nMAIL FROM:<a@example.com>",
        "x\0y",
        "\u{85}Bcc: victim@example.com",
        "\u{2028}Bcc: victim@example.com",
        "\u{1b}[2J\u{7}",
        "\u{202e}gro.elpmaxe",
        "x\r\nReply-To: mallory@example.com\r\nX: ",
        "x\r\n\tfolded\r\n more",
    ];
    let mut all: Vec<String> = injected.iter().map(|text| encoded_word(text)).collect();
    all.extend(injected.iter().take(3).map(|text| format!("join {}", encoded_word(text))));
    all.extend(
        injected
            .iter()
            .take(3)
            .map(|text| format!("=?iso-8859-1?Q?{}?=", text.bytes().map(|b| format!("={b:02X}")).collect::<String>())),
    );
    let plain = [
        "{{list}} {{{owner}}} {{#each lines}}{{this}}{{/each}}",
        "{{> results}} {{lookup this \"x\"}} {{#if by}}",
        "{{!-- --}} {{else}} {{/if}}",
        "${jndi:ldap://example.com/a} %s%n%x `id` $(id)",
        "<script>alert(1)</script> <a href=\"x\">",
        "join address=\"a\r\n b\"@example.com",
        "join address=<victim@example.com>,mallory@example.com",
        "leave address=a@b@c.example.com",
        "set lang ../../../etc/passwd",
        "set lang de\u{202e}",
        "confirm =?utf-8?B?eA==?=",
        "confirm ../../../../x",
        "approve 1 2 3 18446744073709551616 -1 0x10",
        "reject 1 {{list}}",
        "changeaddr a@example.com b@example.com c@example.com",
        "add {{#each}} @example.com",
        "=?utf-8?Q?",
        "=?x?B?////?= =?utf-16?B?DQAKAEIA?=",
    ];
    all.extend(plain.map(str::to_owned));
    all.extend([
        "x".repeat(10_000),
        "join ".repeat(2_000),
        format!("help {}", "ä".repeat(5_000)),
        encoded_word(&"ü".repeat(5_000)),
    ]);
    all
}

#[test]
fn forty_hostile_subjects_names_and_arguments() {
    let office = PostOffice::open("");
    office.site.list(DEV, &["subscribe_policy=confirm+moderate"], ["bob@example.net".to_owned()]);
    let hostile = hostile();
    assert!(hostile.len() >= 40, "{}", hostile.len());
    let mut lmtp = office.lmtp();
    let mut taken = 0;
    let mut hand_in = |mail: Mail| {
        let reply = lmtp.send(&mail.sender, &mail.to, &mail.bytes());
        // What is malformed beyond repair is refused at the door, and then there is no letter.
        assert!(reply.starts_with("250") || reply.starts_with('5'), "{reply}");
        taken += usize::from(reply.starts_with("250"));
    };
    for (number, text) in hostile.iter().enumerate() {
        // RFC 5322 §2.1.1: a line has 998 octets at most; a subject has as many lines as it likes.
        let folded = folded(text);
        let who = |way: &str| format!("{way}{number}@example.com");
        let body = format!("{text}\nend\n{BODY}\n").replace('\r', " ").replace('\0', " ");
        hand_in(Mail::new(&who("subject"), REQUEST).subject(&folded).text(&format!("end\n{BODY}\n")));
        hand_in(Mail::new(&who("proven"), REQUEST).subject(&folded).text(&format!("end\n{BODY}\n")).proven());
        hand_in(Mail::new(&who("line"), REQUEST).text(&body).proven());
        // Not even as commands that nobody knows: what is not proven may be forged, and its reader a victim.
        hand_in(Mail::new(&who("stranger"), REQUEST).text(&format!("{BODY}\nhelp {BODY}\nset {BODY}\n")));
        let lines = format!("reject 1 {BODY}\nconfig description {BODY}\nconfig set description {BODY}\nban {BODY}\n");
        hand_in(Mail::new(&who("forged"), REQUEST).text(&lines));
        let name =
            |way: &str| format!("{} <{}>", folded.replace(['<', '>', ',', ';', ':', '"', '(', ')'], " "), who(way));
        hand_in(Mail::new(&who("name"), REQUEST).from(&name("name")).subject("join").text(&format!("end\n{BODY}\n")));
        hand_in(Mail::new(&who("post"), DEV).from(&name("post")).subject(&folded).text(&format!("{BODY}\n")).proven());
        let id = format!("References: <a@example.com> {folded}");
        hand_in(Mail::new(&who("field"), REQUEST).subject("join").field(&id).text(&format!("end\n{BODY}\n")));
    }
    office.rest();
    check(&office);
    // The same through confirmations, decisions with a reason, and the daily summary.
    // (What was forged is confirmed by nobody; who confirms has proven that the words are theirs, and may read them.)
    let asks = |letter: &Letter| letter.subject.contains("Please confirm") && !letter.to.starts_with("forged");
    let asked: Vec<Letter> = office.all().into_iter().filter(asks).collect();
    asked.iter().for_each(|letter| office.write(&letter.bare_answer().text(&format!("{BODY}\n"))));
    office.rest();
    office.write_and_rest(&Mail::new(OLIVIA, REQUEST).subject("held").proven());
    for (post, text) in office.held(DEV).iter().zip(hostile.iter().cycle()) {
        let line = format!("reject {} {}", post["id"], text.replace(['\r', '\n', '\0'], " "));
        office.write(&Mail::new(OLIVIA, REQUEST).text(&format!("{line}\n")).proven());
    }
    office.rest();
    assert!(check(&office) > 4 * hostile.len(), "{taken} were taken: {:#?}", office.subjects());
    println!("{taken} hostile messages were taken, {} letters written", office.all().len());
}

/// A line break with a space behind it wherever one is needed.
fn folded(text: &str) -> String {
    let mut line = 0;
    let mut out = String::new();
    for c in text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')) {
        if line > 900 {
            out.push_str("\r\n ");
            line = 1;
        }
        line += c.len_utf8();
        out.push(c);
    }
    out
}

/// Looks at every letter that has left; how many there are.
fn check(office: &PostOffice) -> usize {
    let letters = office.all();
    for letter in &letters {
        check_letter(letter);
    }
    assert_eq!(office.sink.violations(), Vec::<String>::new());
    letters.len()
}

fn check_letter(letter: &Letter) {
    let shown = String::from_utf8_lossy(&letter.data);
    assert_eq!(letter.return_path, "", "{shown}");
    assert_ne!(letter.to, "victim@example.com", "{shown}");
    let message = Message::parse(&letter.data);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for field in message.fields() {
        *counts.entry(field.name.to_ascii_lowercase()).or_default() += 1;
    }
    for (name, least, most) in FIELDS {
        let count = counts.remove(name).unwrap_or(0);
        assert!((least..=most).contains(&count), "{count} times {name}:\n{shown}");
    }
    assert!(counts.is_empty(), "foreign fields {counts:?}:\n{shown}");
    assert!(["auto-replied", "auto-generated"].contains(&letter.field("Auto-Submitted").as_str()), "{shown}");
    assert!(letter.field("From").ends_with("@lists.example.org>"), "{shown}");
    assert!(letter.field("To").contains(&letter.to), "{shown}");
    // RFC 5322 §2.1.1 and §2.3.
    assert!(shown.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])), "{shown}");
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!letter.subject.contains(control) && !letter.text.contains(control), "{:?}", letter.text);
    // Two programs that read the same fields see the same person.
    let parsed = mail_parser::MessageParser::default().parse(&letter.data).unwrap();
    let to: Vec<_> = parsed.to().unwrap().iter().filter_map(|to| to.address()).collect();
    assert_eq!(to, [letter.to.as_str()], "{shown}");
    // Those in charge see the post that waits; nobody else sees a body.
    assert!(letter.to == OLIVIA || !letter.text.contains(BODY), "{shown}");
    assert!(shown.len() < 80 << 10, "{} octets", shown.len());
}
