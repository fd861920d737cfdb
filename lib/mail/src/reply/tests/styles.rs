//! Whatever our mail says, no line of it comes back, in whatever way a program quotes it.

use proptest::prelude::*;

use crate::message::Message;
use crate::reply::{MARK, written};

const ADDRESS: &str = "dev-request+s7-k3c5q2m4x6@lists.example.org";
const BLOCK: [&str; 4] = [
    "From: dev <dev-request@lists.example.org>",
    "Sent: Sunday, November 22, 2026 9:30 AM",
    "To: alice@example.com",
    "Subject: x",
];

/// How a program quotes: the Content-Type, and the body of own words and our mail.
type Style = (&'static str, fn(&str, &[String]) -> String);

const PLAIN: &str = "text/plain; charset=utf-8";
const FLOWED: &str = "text/plain; charset=utf-8; format=flowed";
const HTML: &str = "text/html; charset=utf-8";

const STYLES: [Style; 18] = [
    (PLAIN, |own, mail| format!("On Sun, Nov 22, 2026, dev wrote:\n{}\n{own}", marked("> ", mail))),
    (PLAIN, |own, mail| {
        format!("{own}\n\nOn Sun, 22 Nov 2026 at 09:30, dev <\n{ADDRESS}> wrote:\n\n{}", marked("> ", mail))
    }),
    (PLAIN, |own, mail| format!("{own}\n\ndev <{ADDRESS}> 于2026年11月22日周日 09:30写道：\n\n{}", marked("> ", mail))),
    (PLAIN, |own, mail| {
        format!("{own}\n-- \nSent from K-9 Mail.\n\nOn 22 Nov 2026, dev wrote:\n{}", marked(">", mail))
    }),
    (PLAIN, |own, mail| format!("{own}\n\n-----Original Message-----\n{}\n\n{}", BLOCK.join("\n"), mail.join("\n"))),
    (PLAIN, |own, mail| {
        format!("{own}\n\n________________________________\n{}\n\n{}", BLOCK.join("\n"), mail.join("\n"))
    }),
    (PLAIN, |own, mail| format!("{own}\n\n{}\n\n{}", BLOCK.join("\n").replace("From:", "*From:*"), mail.join("\n"))),
    (PLAIN, |own, mail| format!("{own}\n\nOn 22/11/2026, 09:30, dev <{ADDRESS}> wrote:\n\n{}", marked("    ", mail))),
    (PLAIN, |own, mail| format!("{own}\n\n{}", marked("dr> ", mail))),
    (PLAIN, |own, mail| format!("{own}\n\ndev wrote:\n{}", broken("> ", mail, 76))),
    (PLAIN, |own, mail| format!("{own}\n\ndev wrote:\n{}", broken("> ", mail, 72))),
    (FLOWED, |own, mail| format!("{own}\n\nAm 22.11.26 um 09:30 schrieb dev:\n{}", marked("> ", mail))),
    (FLOWED, |own, mail| format!("{own}\n\n> On 22 Nov 2026, at 09:30, dev wrote:\n> \n{}", marked("> ", mail))),
    (HTML, |own, mail| {
        let (own, mail) = (html(own), html(&mail.join("\n")));
        format!(
            "<div>{own}</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">On 22 Nov 2026 dev wrote:</div><blockquote class=\"gmail_quote\">{mail}</blockquote></div>"
        )
    }),
    (HTML, |own, mail| {
        let (own, mail) = (html(own), html(&mail.join("\n")));
        format!(
            "<blockquote type=\"cite\"><div>On 22 Nov 2026 dev wrote:</div><pre>{mail}</pre></blockquote><p>{own}</p>"
        )
    }),
    (HTML, |own, mail| {
        let (own, block, mail) = (html(own), html(&BLOCK.join("\n")), html(&mail.join("\n")));
        format!(
            "<p>{own}</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p>{block}</p></div></div><p>{mail}</p>"
        )
    }),
    (HTML, |own, mail| {
        let (own, block, mail) = (html(own), html(&BLOCK.join("\n")), html(&mail.join("\n")));
        format!(
            "<div>{own}</div><div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\">{block}</div><div>{mail}</div>"
        )
    }),
    (HTML, |own, mail| {
        let (own, mail) = (html(own), html(&mail.join("\n")));
        format!(
            "<div>{own}</div><div>On Sunday, November 22, 2026, dev &lt;{ADDRESS}&gt; wrote:</div><div>{mail}</div>"
        )
    }),
];

fn marked(mark: &str, mail: &[String]) -> String {
    mail.iter().map(|line| format!("{mark}{line}\n")).collect()
}

/// As [`marked`], then broken in this column by a program that forgets the mark.
fn broken(mark: &str, mail: &[String], columns: usize) -> String {
    let mut out = String::new();
    for line in marked(mark, mail).lines() {
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if column > mark.len() && column + length > columns {
                out.push('\n');
                column = 0;
            }
            out.push_str(word);
            column += word.chars().count();
        }
        out.push('\n');
    }
    out
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>\n")
}

/// Our mail: the mark on top, then lines of all kinds, such as hostile authors bring into a summary.
fn our_mail() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        "[ -~]{0,140}",
        "(a|d|r|ban|join|leave \\*) [0-9]{1,3}",
        Just(String::new()),
        Just("-- ".to_owned()),
        Just("> quoted".to_owned()),
        Just("On Sun, 22 Nov 2026, bob wrote:".to_owned()),
        Just("-----Original Message-----".to_owned()),
        Just("From: bob@example.net".to_owned()),
        Just("</blockquote></div></pre>".to_owned()),
        Just("&lt;/blockquote&gt;".to_owned()),
        Just(format!("{MARK} Write above this line")),
        "\\PC{0,60}",
        // Words that a program moves to a line of their own.
        ("[x ]{50,80}", 0..30_u8).prop_map(|(text, number)| format!("{text} a {number}")),
    ];
    let mark = format!("{MARK} Write above this line {MARK}");
    proptest::collection::vec(line, 1..12).prop_map(move |lines| std::iter::once(mark.clone()).chain(lines).collect())
}

fn lines(style: Style, own: &str, mail: &[String]) -> Vec<String> {
    let message = format!("In-Reply-To: <7@lists.example.org>\nContent-Type: {}\n\n{}", style.0, style.1(own, mail));
    written(&Message::parse(message.replace('\n', "\r\n").as_bytes())).lines
}

proptest! {
    #[test]
    fn no_line_of_ours_comes_back(mail in our_mail(), style in proptest::sample::select(&STYLES[..])) {
        prop_assert_eq!(lines(style, "a 1 3-5\nr 2 off topic", &mail), ["a 1 3-5", "r 2 off topic"]);
        prop_assert_eq!(lines(style, "", &mail), [""; 0]);
    }
}
