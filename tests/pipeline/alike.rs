//! Whoever asks without a proof learns nothing about who is on a list: member and nonmember get the same letters.

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;

const DEV: &str = "dev@lists.example.org";
const REQUEST: &str = "dev-request@lists.example.org";

/// A way to ask: what asks in the name of `who`, on behalf of `asks`.
struct Way {
    name: &'static str,
    mail: fn(who: &str, asks: &str) -> Mail,
}

const WAYS: [Way; 14] = [
    Way { name: "join", mail: |who, _| Mail::new(who, REQUEST).subject("join") },
    Way { name: "join-address", mail: |who, _| Mail::new(who, "dev-join@lists.example.org") },
    Way { name: "leave", mail: |who, _| Mail::new(who, REQUEST).subject("leave") },
    Way { name: "leave-address", mail: |who, _| Mail::new(who, "dev-leave@lists.example.org") },
    Way { name: "leave-all", mail: |who, _| Mail::new(who, REQUEST).subject("leave *") },
    Way { name: "which", mail: |who, _| Mail::new(who, REQUEST).subject("which") },
    Way { name: "show", mail: |who, _| Mail::new(who, REQUEST).text("show\nwho\nset ack on\n") },
    Way { name: "held", mail: |who, _| Mail::new(who, REQUEST).subject("held") },
    Way { name: "help", mail: |who, _| Mail::new(who, REQUEST).subject("help") },
    Way { name: "unknown", mail: |who, _| Mail::new(who, REQUEST).subject("frobnicate") },
    Way { name: "query-address", mail: |who, _| Mail::new(who, "dev-query@lists.example.org") },
    Way { name: "leave-other", mail: |who, asks| Mail::new(asks, REQUEST).subject(&format!("leave address={who}")) },
    Way { name: "join-other", mail: |who, asks| Mail::new(asks, REQUEST).subject(&format!("join address={who}")) },
    Way {
        name: "join-other-proven",
        mail: |who, asks| Mail::new(asks, REQUEST).subject(&format!("join address={who}")).proven(),
    },
];

#[test]
fn a_stranger_cannot_tell_a_member_from_a_nonmember() {
    for policies in [[""; 2], ["subscribe_policy=moderate", "unsubscribe_policy=moderate"]] {
        let office = PostOffice::open("");
        let settings: Vec<&str> = policies.into_iter().filter(|policy| !policy.is_empty()).collect();
        office.site.list(DEV, &settings, WAYS.iter().map(|way| person("on", way.name)));
        for way in &WAYS {
            for kind in ["on", "no"] {
                office.write(&(way.mail)(&person(kind, way.name), &asker(kind, way.name)));
            }
        }
        office.rest();
        let mut told = 0;
        for way in &WAYS {
            let [member, nonmember] = ["on", "no"].map(|kind| {
                let letters = [person(kind, way.name), asker(kind, way.name)].map(|to| office.letters(&to));
                letters.concat().iter().map(|letter| masked(letter, kind)).collect::<Vec<_>>()
            });
            assert_eq!(member, nonmember, "{} {settings:?}", way.name);
            told += member.len();
        }
        assert!(told >= WAYS.len(), "they were answered: {:#?}", office.subjects());
    }
}

/// Of the same length, so that nothing is wrapped at another place.
fn person(kind: &str, way: &str) -> String {
    format!("{way}-{kind}@example.com")
}

fn asker(kind: &str, way: &str) -> String {
    format!("{way}-asks-{kind}@example.net")
}

/// The letter without what differs between any two: the person, the token, the ids and the second.
fn masked(letter: &Letter, kind: &str) -> String {
    let text = String::from_utf8(letter.data.clone()).unwrap();
    let lines = text.lines().filter(|line| {
        let field = line.split(':').next().unwrap_or_default();
        !["Message-ID", "In-Reply-To", "References", "Date"].contains(&field)
    });
    let lines = lines.map(|line| {
        let line = line.replace(&format!("-{kind}@"), "-WHO@");
        line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(without_token).collect::<String>() + "\n"
    });
    format!(
        "to {}, from <{}>\n{}",
        letter.to.replace(&format!("-{kind}@"), "-WHO@"),
        letter.return_path,
        lines.collect::<String>()
    )
}

/// A word of 26 digits is a token.
fn without_token(word: &str) -> String {
    let (digits, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
    if digits.len() == 26 { format!("TOKEN{end}") } else { word.to_owned() }
}
