//! The grammar, line by line: what is read as what, and what reads back.

use listmill_core::{ListAddress, Verdict};
use listmill_mail::message::Message;
use proptest::prelude::*;

use super::table::{Fault, command_of};
use super::{COMMANDS, Line, command, decision, lines, nearest};
use crate::ask::{Ask, Choice, Joining, Whom};

fn list() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}

/// The canonical form of a line to dev; none when it is no command.
fn canonical(line: &str) -> Option<String> {
    command_of(line, Some(&list())).ok().map(|ask| ask.to_string())
}

fn check(rows: &[(&str, &str)]) {
    for (line, expected) in rows {
        let found = canonical(line).unwrap_or_else(|| "-".to_owned());
        assert_eq!(found, *expected, "{line:?}");
        if *expected != "-" {
            assert_eq!(command(&found).unwrap().to_string(), found, "{line:?}");
        }
    }
}

#[test]
fn commands_of_anybody() {
    check(&[
        ("help", "help"),
        ("HELP!", "help"),
        ("sos", "help"),
        ("help Join.", "help join"),
        ("help <script>", "help script"),
        ("help me=please", "help"),
        ("\u{3000}join\u{3000}nomail\u{a0}", "join nomail"),
        ("info", "info"),
        ("info dev", "info"),
        ("About", "info"),
        ("info dev@lists.example.org", "info"),
        ("info please", "-"),
        ("lists", "lists"),
        ("join", "join"),
        ("\"join.\"", "join"),
        ("* join", "join"),
        ("SUBSCRIBE dev", "join"),
        ("subscribe DEV Bob Example", "join"),
        ("sub dev@Lists.Example.Org Bob", "join"),
        ("subscribe dev bob@example.net", "join address=bob@example.net"),
        ("subscribe Bob Example", "-"),
        ("join us at the meeting", "-"),
        ("join digest=MIME nomail address=<Bob@Example.NET>", "join nomail digest=mime address=Bob@example.net"),
        ("join address=\"bob@example.net\"", "join address=bob@example.net"),
        ("join address=\"a b\"@example.net", "join address=\"a b\"@example.net"),
        ("join digest=no", "join digest=no"),
        ("join digest=weekly", "-"),
        ("join address=nobody", "-"),
        ("leave", "leave"),
        ("Unsubscribe.", "leave"),
        ("signoff dev", "leave"),
        ("signoff *", "leave *"),
        ("SIG * (NETWIDE", "-"),
        ("unsub bob@example.net", "leave address=bob@example.net"),
        ("remove me from this list", "-"),
        ("leave * address=bob@example.net", "leave * address=bob@example.net"),
        ("confirm AbC234", "confirm AbC234"),
        ("ok abc", "confirm abc"),
        ("auth 0123-4567 subscribe dev bob@example.net", "confirm 0123-4567"),
        ("confirm", "-"),
        ("confirm http://evil.example/", "-"),
        ("cancel", "cancel"),
        ("cancel 12.abc", "cancel 12.abc"),
        ("end of the message", "-"),
        ("", "-"),
        ("Hello,", "-"),
    ]);
}

#[test]
fn commands_of_members() {
    check(&[
        ("which", "which"),
        ("status", "which"),
        ("query", "show"),
        ("review dev", "who"),
        ("who are you?", "-"),
        ("set delivery OFF", "set delivery off"),
        ("set delivery off until 2026-12-24", "set delivery off until 2026-12-24"),
        ("vacation until 2026-12-24.", "set delivery off until 2026-12-24"),
        ("vacation until tomorrow", "-"),
        ("nomail until 2026-13-24", "-"),
        ("nomail until 20261224T1", "-"),
        ("nomail", "set delivery off"),
        ("mail", "set delivery on"),
        ("set dev nomail", "set delivery off"),
        ("set dev noconceal", "set hide off"),
        ("set Ack On", "set ack on"),
        ("set myposts maybe", "-"),
        ("set digest plain", "set digest plain"),
        ("set language de", "set lang de"),
        ("set lang pt-BR", "set lang pt-br"),
        ("set lang buy my pills", "-"),
        ("set", "-"),
        ("changeaddr new@example.net", "changeaddr new@example.net"),
        ("changeaddr <Old@example.net> new@example.net", "changeaddr Old@example.net new@example.net"),
        (
            "changeaddr old@example.net <mailto:old@example.net> new@example.net <mailto:new@example.net>",
            "changeaddr old@example.net new@example.net",
        ),
        ("changeaddr a b", "-"),
        ("changeaddr", "-"),
    ]);
}

#[test]
fn commands_of_those_in_charge() {
    check(&[
        ("held", "held"),
        ("modindex dev", "held"),
        ("approve 1 3-5,7", "approve 1 3-5 7"),
        ("accept #7.", "approve 7"),
        ("distribute dev 7", "approve 7"),
        ("approve", "-"),
        ("approve 5-3", "-"),
        ("approve 0", "-"),
        ("approve 1-600", "-"),
        ("approve 1-499 600-700", "-"),
        ("approve 18446744073709551616", "-"),
        ("approve 1 please", "-"),
        ("approve all", "-"),
        ("reject 2 off topic", "reject 2: off topic"),
        ("reject 2: 3 posts a day", "reject 2: 3 posts a day"),
        ("reject 2:spam!", "reject 2: spam!"),
        ("Reject 2, 3 - {{owner}} says no", "reject 2-3: {{owner}} says no"),
        ("reject 2", "reject 2"),
        ("reject off topic", "-"),
        ("drop 4", "discard 4"),
        ("discard 4 it is spam", "-"),
        ("defer 6", "defer 6"),
        ("undo", "undo"),
        ("undo 6", "undo 6"),
        ("trust 7 bob@example.net", "trust 7 bob@example.net"),
        ("ban 4-5, @spam.example", "ban 4 5 @spam.example"),
        ("ban bob", "-"),
        ("unban @spam.example,bob@example.net", "unban @spam.example bob@example.net"),
        ("unban 4", "-"),
        ("invite bob@example.net", "invite bob@example.net"),
        ("invite dev bob@example.net", "invite bob@example.net"),
        ("add a@example.net, b@example.net;A@example.net", "add a@example.net b@example.net"),
        ("add \"Bob, E\" <bob@example.net>", "add bob@example.net"),
        ("ADD dev bob@example.net Bob Example", "add bob@example.net"),
        ("add bob", "-"),
        ("del a@example.net", "del a@example.net"),
        ("emergency on", "emergency on"),
        ("emergency", "-"),
        ("config show", "config show"),
        ("config show Footer", "config show footer"),
        ("config set description All about  dev", "config set description All about  dev"),
        ("config set subject_prefix \"[dev] \"", "config set subject_prefix \"[dev] \""),
        ("config set footer = -- \\ndev", "config set footer -- \\ndev"),
        ("config set footer \"\"", "config set footer \"\""),
        ("config set footer", "-"),
        ("config unset footer", "config unset footer"),
        ("config", "-"),
        ("stats", "stats"),
    ]);
}

#[test]
fn a_list_may_be_called_like_an_argument() {
    let nomail: ListAddress = "nomail@lists.example.org".parse().unwrap();
    let ask = |line: &str| command_of(line, Some(&nomail)).unwrap().to_string();
    assert_eq!(ask("join nomail"), "join nomail");
    assert_eq!(ask("join nomail@lists.example.org"), "join");
    assert_eq!(ask("who nomail"), "who");
}

#[test]
fn no_keyword_is_twice_in_the_table() {
    let mut keywords: Vec<&str> =
        COMMANDS.iter().flat_map(|command| std::iter::once(&command.name).chain(command.aliases)).copied().collect();
    keywords.sort_unstable();
    let all = keywords.len();
    keywords.dedup();
    assert_eq!(keywords.len(), all);
    assert!(keywords.iter().all(|keyword| keyword.bytes().all(|byte| byte.is_ascii_lowercase())));
}

#[test]
fn every_command_has_its_words_and_its_row() {
    const PAGE: &str = include_str!("../../../../specs/runners/command.md");
    let templates = listmill_templates::Templates::new();
    for command in COMMANDS {
        let key = format!("help-{}", command.name);
        let scope = listmill_templates::Scope { list: None, language: "en" };
        assert_ne!(templates.phrase(&key, scope, &[]), key);
        for keyword in std::iter::once(&command.name).chain(command.aliases) {
            let stands = [format!("`{keyword}`"), format!("`{keyword} ")].iter().any(|form| PAGE.contains(form));
            assert!(stands, "specs/runners/command.md has no {keyword}");
        }
    }
}

#[test]
fn the_nearest_command() {
    for (word, expected) in [
        ("subscrieb", Some("subscribe")),
        ("jion", Some("join")),
        ("Leav", Some("leave")),
        ("aprove", Some("approve")),
        ("hlep", Some("help")),
        ("hi", None),
        ("Regards", None),
        ("xyzzy", None),
        ("joinjoinjoinjoinjoin", None),
    ] {
        assert_eq!(nearest(word), expected, "{word}");
    }
}

#[test]
fn decisions_with_short_words() {
    let said = |line: &str, about| decision(line, about).ok().map(|ask| ask.to_string());
    for (line, expected) in [
        ("a 1 3-5", Some("approve 1 3-5")),
        ("A 1,2.", Some("approve 1-2")),
        ("r 2 off topic", Some("reject 2: off topic")),
        ("* r 2 off topic", None),
        ("d 4", Some("discard 4")),
        ("ban 4", Some("ban 4")),
        ("defer 6", Some("defer 6")),
        ("trust 7", Some("trust 7")),
        ("a", None),
        ("approve", None),
        ("a new post", None),
        ("join", None),
        ("Thanks", None),
        ("config set footer x", None),
    ] {
        assert_eq!(said(line, None).as_deref(), expected, "{line}");
    }
    for (line, expected) in [
        ("approve", Some("approve 5")),
        ("Approve!", Some("approve 5")),
        ("approve 5", Some("approve 5")),
        ("approve 6", None),
        ("approve 5 6", None),
        ("approve this, please", None),
        ("reject", Some("reject 5")),
        ("reject 3 posts a day", Some("reject 5: 3 posts a day")),
        ("reject 5: off topic", Some("reject 5: off topic")),
        ("r 5 off topic", Some("reject 5: off topic")),
        ("discard", Some("discard 5")),
        ("ban", Some("ban 5")),
        ("ban 6", None),
        ("ban bob@example.net", None),
        ("trust", Some("trust 5")),
        ("I approve", None),
        ("A", None),
        ("D.", None),
        ("R u sure we should?", None),
        ("* discard           nobody is told", None),
    ] {
        assert_eq!(said(line, Some(5)).as_deref(), expected, "{line}");
    }
}

/// What becomes of the lines of a message, in one line.
fn read(message: &str) -> String {
    let message = message.replace('\n', "\r\n");
    let shown = lines(&Message::parse(message.as_bytes()), &list()).into_iter().map(|line| match line {
        Line::Ask(ask) => ask.to_string(),
        Line::Usage(line, command) => format!("{line}?{}", command.name),
        Line::Unknown(line) => format!("{line}?"),
        Line::Rest => "…".to_owned(),
    });
    shown.collect::<Vec<_>>().join("|")
}

#[test]
fn subject_and_body() {
    for (message, expected) in [
        ("Subject: join\n\n", "join"),
        ("Subject: Join\n\nhelp\n-- \nlists\n", "join|help"),
        ("Subject: AW: Re: [dev] confirm AbC\n\n", "confirm AbC"),
        ("Subject: =?utf-8?b?5Zue5aSN77yaIGNvbmZpcm0gQWJD?=\n\n", "confirm AbC"),
        ("Subject: =?utf-8?q?join=0D=0ABcc:_x@example.net?=\n\n", "join  Bcc: x@example.net?join"),
        ("Subject: join\n nomail\n\n", "join nomail"),
        ("Subject: a question\n\njoin\n", "join"),
        ("Subject: a question\n\n", "a question?"),
        ("Subject: a question\n\nHello\n", "a question?|Hello?"),
        ("Subject: Re: Please confirm\nIn-Reply-To: <1@example.org>\n\nyes\n", "yes?"),
        ("Subject: Re: Please confirm\nIn-Reply-To: <1@example.org>\n\n", ""),
        ("Subject:\n\n", "help"),
        ("Subject: stop\n\n", "help"),
        ("Subject: x\n\nend\njoin\n", "x?"),
        ("Subject: x\n\njoin\nend\nleave\n", "join"),
        ("Subject: x\n\njoin\nSTOP dev\nleave\n", "join"),
        ("Subject: x\n\njoin\n--\nleave\n", "join"),
        ("Subject: x\n\na\nb\nhelp\nc\nd\ne\nf\n", "a?|b?|help|c?|d?|e?|…"),
        ("Subject: subscrieb\n\n", "subscrieb?"),
        ("Subject: {{owner}}\n\n", "{{owner}}?"),
    ] {
        assert_eq!(read(message), expected, "{message}");
    }
}

#[test]
fn the_limits() {
    let message = |line: &str, times| format!("Subject: x\n\n{}", format!("{line}\n").repeat(times));
    assert_eq!(read(&message("help", 20)), vec!["help"; 20].join("|"));
    assert_eq!(read(&message("help", 21)), format!("{}|…", vec!["help"; 20].join("|")));
    assert_eq!(read(&message("Hello there", 30)), "x?|Hello there?|Hello there?|…");
    let mixed = read(&message("one\ntwo\nhelp", 30));
    assert!(mixed.ends_with("|…") && mixed.matches('|').count() == 25, "{mixed}");
    assert_eq!(read(&format!("Subject: {}\n\n", "join ".repeat(2000))), "help");
    assert_eq!(read(&format!("Subject: add {}\n\nlists\n", "a@example.net ".repeat(100_000))), "lists");
}

fn addresses() -> impl Strategy<Value = listmill_core::Address> {
    "[a-z]{1,5}[+.=_-]?[a-z0-9]{1,5}@[a-z]{1,8}\\.example".prop_map(|text| text.parse().unwrap())
}

fn ids() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::btree_set(1u64..600, 1..20).prop_shuffle_vec()
}

trait Shuffled {
    fn prop_shuffle_vec(self) -> BoxedStrategy<Vec<u64>>;
}

impl<S: Strategy<Value = std::collections::BTreeSet<u64>> + 'static> Shuffled for S {
    fn prop_shuffle_vec(self) -> BoxedStrategy<Vec<u64>> {
        self.prop_map(|ids| ids.into_iter().collect::<Vec<_>>()).prop_shuffle().boxed()
    }
}

fn whom() -> impl Strategy<Value = Vec<Whom>> {
    let named = addresses().prop_map(|address| Whom::Named(address.to_string()));
    let domain = "@\\.?[a-z]{1,8}\\.example".prop_map(Whom::Named);
    proptest::collection::vec(prop_oneof![(1u64..999).prop_map(Whom::AuthorOf), named, domain], 1..5)
}

fn asks() -> impl Strategy<Value = Ask> {
    let join = (proptest::option::of(addresses()), any::<bool>(), proptest::option::of("no|mime|plain|index|summary"))
        .prop_map(|(address, nomail, digest)| Ask::Join(Joining { address, nomail, digest }));
    let leave = (proptest::option::of(addresses()), any::<bool>())
        .prop_map(|(address, everywhere)| Ask::Leave { address, everywhere });
    let until = proptest::option::of((0i64..60_000).prop_map(|day| day * 86_400));
    let set = prop_oneof![
        until.prop_map(|until| Choice::Delivery { on: false, until }),
        Just(Choice::Delivery { on: true, until: None }),
        ("ack|myposts|duplicates|hide", any::<bool>()).prop_map(|(name, on)| Choice::Preference { name, on }),
        "[a-z]{2,3}(-[a-z]{2,4})?".prop_map(Choice::Language),
        "no|mime|plain".prop_map(Choice::Digest),
    ];
    let reject = (ids(), "([a-z0-9{}\":-]{1,8} ?){0,5}").prop_map(|(ids, reason)| Ask::Decide {
        verdict: Verdict::Reject,
        ids,
        reason: reason.trim().to_owned(),
    });
    let config = ("[a-z_]{1,20}", proptest::option::of("([a-z=\" {}:.]|\n){0,20}"))
        .prop_map(|(key, value)| Ask::ConfigSet { key, value });
    prop_oneof![
        join,
        leave,
        set.prop_map(Ask::Set),
        reject,
        config,
        ids().prop_map(|ids| Ask::Decide { verdict: Verdict::Accept, ids, reason: String::new() }),
        ids().prop_map(Ask::Defer),
        ids().prop_map(Ask::Undo),
        whom().prop_map(Ask::Trust),
        whom().prop_map(Ask::Ban),
        proptest::collection::hash_set(addresses(), 1..6).prop_map(|all| Ask::Add(all.into_iter().collect())),
        (proptest::option::of(addresses()), addresses())
            .prop_filter("two addresses", |(old, new)| old.as_ref() != Some(new))
            .prop_map(|(old, new)| Ask::ChangeAddress { old, new }),
        "[A-Za-z0-9._=-]{0,40}[a-z2-7]".prop_map(Ask::Confirm),
        proptest::option::of("[0-9]{1,3}\\.[a-z2-7]{26}").prop_map(Ask::Cancel),
        proptest::option::of("[a-z]{1,10}").prop_map(Ask::Help),
    ]
}

proptest! {
    #[test]
    fn a_command_reads_back_as_it_is_written(ask in asks()) {
        let line = ask.to_string();
        let back = command(&line).map_err(|_| TestCaseError::fail(line.clone()))?;
        prop_assert_eq!(back, ask, "{}", line);
    }

    #[test]
    fn whatever_is_read_reads_back(line in "(join|leave|set|reject|add|ban|config set|confirm|help|a|r|approve) ?([a-z@.0-9=\"'<>:,;*{}\\-\\\\ ]|ä|\u{3000}|address=|x@y\\.example|until ){0,30}") {
        if let Ok(ask) = command_of(&line, Some(&list())) {
            let back = command(&ask.to_string()).ok();
            prop_assert_eq!(back.as_ref(), Some(&ask), "{}: {}", line, ask);
            prop_assert!(!ask.brief().contains(char::is_control));
        }
        if let Ok(ask) = decision(&line, Some(7)) {
            let other = |ids: &[u64]| ids.iter().any(|id| *id != 7);
            prop_assert!(!matches!(&ask, Ask::Decide { ids, .. } if other(ids)), "{}", line);
        }
    }

    #[test]
    fn whatever_is_written_is_read(line in "\\PC{0,200}") {
        if let Err(Fault::Usage(found)) = command_of(&line, Some(&list())) {
            prop_assert!((1..=72).contains(&found.usage.chars().count()));
        }
        let _ = (decision(&line, None).is_ok(), nearest(&line));
    }
}
