//! One reply to a summary decides about eight posts, the same from every mail program.
//!
//! `mail_programs/*.eml` are replies as these programs write them: the fields that they add, where they put what is quoted, how they
//! quote, wrap and encode it. The summary itself stands in them as `{{…}}` and comes from the program under test.

use listmill_tests::letters::{Letter, Mail, TRUSTED};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::post_office::PostOffice;
use listmill_tests::program::{PATIENCE, wait_for};

const DEV: &str = "dev@lists.example.org";
const MONA: &str = "mona@example.org";
const MEMBERS: [&str; 3] = ["bob@example.net", "zoe@example.com", "ines@example.com"];

macro_rules! programs {
    ($($test:ident: $file:literal)+) => {$(
        #[test]
        fn $test() {
            decides(include_str!(concat!("mail_programs/", $file)));
        }
    )+};
}

programs! {
    mutt_with_the_answer_between_what_it_quotes: "mutt.eml"
    gmail: "gmail.eml"
    gmail_in_html_alone: "gmail-html.eml"
    outlook_in_text_that_it_does_not_mark: "outlook.eml"
    outlook_in_html: "outlook-html.eml"
    outlook_on_the_web: "outlook-web.eml"
    apple_mail: "apple-mail.eml"
    apple_mail_on_a_telephone_in_html: "apple-mail-html.eml"
    thunderbird_below_what_it_quotes: "thunderbird.eml"
    thunderbird_in_html: "thunderbird-html.eml"
}

fn decides(template: &str) {
    let office = office("");
    office.write(&Mail::new(MONA, "dev-request@lists.example.org").subject("held").proven());
    decide_by(&office, template, &office.letter(MONA, "waiting for a moderator: 8"));
}

#[test]
fn the_summary_that_the_clock_sends() {
    // Today's comes when the program starts, if its time is over; so it starts before there is anything to be summed up.
    let mut office = office("clock = \"1s\"\nsummary_at = \"23:59\"");
    assert_eq!(office.count(MONA, "waiting for a moderator"), 0);
    office.reopen("clock = \"1s\"\nsummary_at = \"00:00\"");
    assert!(office.sink.wait(PATIENCE, |_| office.count(MONA, "waiting for a moderator: 8") > 0));
    decide_by(&office, include_str!("mail_programs/gmail.eml"), &office.letter(MONA, "waiting for a moderator: 8"));
}

fn author(number: usize) -> String {
    format!("author{number}@example.com")
}

/// A list with three members, a moderator, and posts 1 to 8 of eight strangers, held.
fn office(command: &str) -> PostOffice {
    let office = PostOffice::open(command);
    office.site.list(DEV, &["moderator_notices=daily"], MEMBERS.map(str::to_owned));
    office.site.ok(&["member", "add", DEV, MONA, "--role", "moderator"]);
    for number in 1..=8 {
        let post = Mail::new(&author(number), DEV).subject(&format!("post {number}"));
        office.write(&post.text("I would like to say this to all of you.\n"));
        wait_for("the post to be held", || office.held(DEV).len() == number);
    }
    office.rest();
    let held = office.held(DEV);
    let numbers = held.iter().map(|post| (post["id"].as_u64().unwrap(), post["subject"].as_str().unwrap().to_owned()));
    assert_eq!(
        numbers.collect::<Vec<_>>(),
        (1..=8).map(|number| (number, format!("post {number}"))).collect::<Vec<_>>()
    );
    office
}

/// Hands in the reply to the summary; posts 1, 3, 4 and 5 are approved, 2 is rejected, 6 and 7 are discarded, 8 with its author.
fn decide_by(office: &PostOffice, template: &str, summary: &Letter) {
    assert!(summary.text.is_ascii() && (1..=8).all(|number| summary.text.contains(&format!("[{number}] "))));
    let reply =
        format!("Authentication-Results: {TRUSTED}; dmarc=pass header.from=example.org\n{}", filled(template, summary));
    let mut lmtp: Lmtp = office.lmtp();
    lmtp.post(MONA, &summary.answers_go_to(), encoded(&reply).as_bytes());
    office.rest();
    let everybody: Vec<_> = MEMBERS.map(str::to_owned).into_iter().map(|member| (member, 1)).collect();
    for number in 1..=8 {
        let mut expected = if [1, 3, 4, 5].contains(&number) { everybody.clone() } else { Vec::new() };
        expected.sort();
        let copies: Vec<_> = office.copies(&format!("post {number}")).into_iter().collect();
        assert_eq!(copies, expected, "post {number}; {reply}\n{:#?}", office.letters(MONA).pop());
        // Of what was sent to the author: the notice that it is held, and for one of them why it is rejected.
        let told: Vec<_> = office.letters(&author(number));
        assert_eq!(told.len(), if number == 2 { 2 } else { 1 }, "post {number}: {told:#?}");
    }
    let rejected = office.letter(&author(2), "not accepted");
    assert!(rejected.text.contains("Reason:  off topic\n"), "{}", rejected.text);
    assert_eq!(office.held(DEV).len(), 0);
    let bans = office.site.json(&["ban", "ls", "--list", DEV]);
    let banned: Vec<_> =
        bans.as_array().unwrap().iter().map(|ban| ban["pattern"].as_str().unwrap().to_owned()).collect();
    assert_eq!(banned, [author(8)]);
    assert_eq!(office.sink.violations(), Vec::<String>::new());
}

/// The template with the summary in it.
fn filled(template: &str, summary: &Letter) -> String {
    let text = summary.text.trim_end();
    let (head, items) = text.split_at(text.find("[1] ").unwrap());
    let html: Vec<String> = text.lines().map(in_html).collect();
    let paragraphs: Vec<_> =
        html.iter().map(|line| format!("<p class=\"MsoPlainText\">{}<o:p></o:p></p>", or_nbsp(line))).collect();
    let id = summary.field("Message-ID");
    let values = [
        ("to", summary.answers_go_to()),
        ("subject", summary.subject.clone()),
        ("message-id", id.clone()),
        ("bare-id", id.trim_matches(['<', '>']).to_owned()),
        ("plain", text.to_owned()),
        ("quoted", quoted(text, "> ", "> ")),
        ("quoted-head", quoted(head.trim_end(), "> ", "> ")),
        ("quoted-items", quoted(items, "> ", "> ")),
        ("quoted-wrapped", quoted(&wrapped(text, 74, ""), "> ", ">")),
        ("quoted-flowed", quoted(&wrapped(text, 70, " "), "> ", ">")),
        ("html-br", html.join("<br>\n")),
        ("html-span", html.join("</span><br><span>")),
        ("html-p", paragraphs.join("\n")),
        ("html-pre", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")),
    ];
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    assert!(!filled.contains("{{"), "{filled}");
    filled
}

fn quoted(text: &str, mark: &str, mark_alone: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { mark_alone.to_owned() } else { format!("{mark}{line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Lines of at most `columns`, each that goes on ended by `soft`.
fn wrapped(text: &str, columns: usize, soft: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) =
            rest.char_indices().nth(columns).and_then(|(end, _)| rest[..end].rfind(' ')).filter(|at| *at > 8)
        {
            lines.push(format!("{}{soft}", &rest[..at]));
            rest = &rest[at + 1..];
        }
        lines.push(rest.to_owned());
    }
    lines.join("\n")
}

/// A line in HTML, with a link where there is an address, and what stands at its beginning kept there.
fn in_html(line: &str) -> String {
    let inner = line.trim_start();
    let escaped = inner.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let linked = |word: &str| match word.split_once('@') {
        Some((local, domain))
            if !local.is_empty()
                && domain.contains('.')
                && word.chars().all(|c| c.is_alphanumeric() || "@.-_+".contains(c)) =>
        {
            format!("<a href=\"mailto:{word}\">{word}</a>")
        }
        _ => word.to_owned(),
    };
    "&nbsp; ".repeat((line.len() - inner.len()) / 2) + &escaped.split(' ').map(linked).collect::<Vec<_>>().join(" ")
}

fn or_nbsp(line: &str) -> &str {
    if line.is_empty() { "<o:p>&nbsp;</o:p>" } else { line }
}

/// The message with CRLF, and each part in the encoding that its header section names.
fn encoded(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while !rest.is_empty() {
        let (head, behind) = rest.split_once("\n\n").unwrap_or((rest, ""));
        // A part ends at the next line that begins as a boundary does.
        let boundary = behind.find("\n--0000").map_or(behind.len(), |at| at + 1);
        let end = if behind.starts_with("--0000") { 0 } else { boundary };
        let (body, next) = behind.split_at(end);
        let encoding = head.lines().find_map(|line| line.strip_prefix("Content-Transfer-Encoding: ")).unwrap_or("7bit");
        out.push_str(&format!("{head}\n\n").replace('\n', "\r\n"));
        match encoding {
            "quoted-printable" => out.push_str(&quoted_printable(body)),
            "base64" => out.push_str(&base64(body)),
            _ => out.push_str(&body.replace('\n', "\r\n")),
        }
        rest = next;
    }
    out
}

fn base64(body: &str) -> String {
    let digits = data_encoding::BASE64.encode(body.replace('\n', "\r\n").as_bytes());
    digits.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect()
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &str) -> String {
    let mut out = String::new();
    for line in body.lines() {
        let mut column = 0;
        for (at, byte) in line.bytes().enumerate() {
            let last = at + 1 == line.len();
            let plain = (b' '..=b'~').contains(&byte) && byte != b'=' && !(last && byte == b' ');
            let piece = if plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
            if column + piece.len() > 75 {
                out.push_str("=\r\n");
                column = 0;
            }
            column += piece.len();
            out.push_str(&piece);
        }
        out.push_str("\r\n");
    }
    out
}
