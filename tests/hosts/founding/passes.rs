//! Real posts and commands pass the three hosts.

use std::collections::BTreeMap;
use std::time::Instant;

use listmill_tests::corpus::{crlf, files};
use listmill_tests::estate::{CABLES, HOSTS, shared};
use listmill_tests::letters::{Letter, Mail};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::PATIENCE;

const MEMBERS: usize = 5;
const MESSAGES: usize = 100;

#[test]
fn a_hundred_posts_and_a_hundred_commands() {
    let Some(estate) = shared() else { return };
    let estate = estate.as_ref().unwrap();
    let posts = posts();
    let settings =
        ["nonmember_action=accept", "implicit_destination=accept", "administrivia=accept", "hold_notice=off"];
    let members = (0..MEMBERS).map(|number| format!("reader{number}@example.net"));
    estate.list("real@lists.example.org", &settings, members);
    estate.list("crew@lists.example.org", &["subscribe_policy=open"], []);
    let (mark, start) = (estate.sink.count(), Instant::now());
    let mut lmtp = estate.network.within("world", || Lmtp::connect(estate.intake()));
    posts.iter().for_each(|post| lmtp.post("somebody@example.net", "real@lists.example.org", post));
    for number in 0..MESSAGES {
        let mail = Mail::new(&format!("c{number:03}@example.com"), "crew-join@lists.example.org");
        lmtp.post(&mail.sender, &mail.to, &mail.bytes());
    }
    let accepted = start.elapsed();
    let expected = posts.len() * MEMBERS + MESSAGES;
    let there = estate.sink.wait(PATIENCE, |sink| sink.count() - mark >= expected);
    let took = start.elapsed();
    estate.rest();
    let mut copies: BTreeMap<(String, Vec<u8>), i64> = BTreeMap::new();
    let mut welcomes: BTreeMap<String, usize> = BTreeMap::new();
    for letter in estate.sink.received_after(mark).iter().flat_map(Letter::read) {
        if letter.is_copy() {
            *copies.entry((letter.to.clone(), body(&letter.data))).or_default() += 1;
        } else {
            *welcomes.entry(letter.to).or_default() += 1;
        }
    }
    assert!(there, "{} copies and {} welcomes, of {expected}", copies.len(), welcomes.len());
    for (number, post) in posts.iter().flat_map(|post| (0..MEMBERS).map(move |number| (number, post))) {
        *copies.entry((format!("reader{number}@example.net"), body(post))).or_default() -= 1;
    }
    let wrong: Vec<_> = copies.iter().filter(|(_, count)| **count != 0).map(|((to, _), count)| (to, count)).collect();
    assert_eq!(wrong, [], "copies that are missing (-1) or too many (1)");
    let once = (0..MESSAGES).map(|number| (format!("c{number:03}@example.com"), 1)).collect();
    assert_eq!(welcomes, once);
    let joined = |what: &String| what.starts_with("crew@lists.example.org: c") && what.contains(" added as");
    let done = estate.audit().iter().flat_map(|record| &record.what).filter(|what| joined(what)).count();
    assert_eq!(done, MESSAGES, "each command once in the store");
    println!(
        "{} posts to {MEMBERS} members and {MESSAGES} commands over three hosts: taken within {:.1} s, the last of {expected} messages out after {:.1} s",
        posts.len(),
        accepted.as_secs_f64(),
        took.as_secs_f64()
    );
}

/// A hundred posts that people have written, or where those are absent ones that are made here.
fn posts() -> Vec<Vec<u8>> {
    let real = files(&["list-posts-dev-sample"]);
    let mails = real.iter().filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    let mut posts: Vec<_> = mails.map(|path| crlf(&std::fs::read(path).unwrap())).take(MESSAGES).collect();
    posts.extend((posts.len()..MESSAGES).map(|number| {
        let mail = Mail::new("alice@example.net", "real@lists.example.org").subject("made here");
        mail.text(&format!("The body of post {number}.\n")).bytes()
    }));
    posts
}

fn body(message: &[u8]) -> Vec<u8> {
    let head = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    message[head..].to_vec()
}

/// Who reaches whom is what the founding test says: the store from HostB alone, the broker from all three, and no host another.
#[test]
fn the_broker_is_reached_from_all_three_hosts_and_the_database_from_one() {
    let Some(estate) = shared() else { return };
    let estate = estate.as_ref().unwrap();
    let services = [("mq", estate.rabbit.port), ("pg", estate.postgres.port()), ("mx1", estate.intake().port())];
    for from in HOSTS {
        for (to, port) in services {
            let cable = from == to || CABLES.contains(&(from, to)) || CABLES.contains(&(to, from));
            assert_eq!(
                estate.network.reaches(from, (estate.network.address(to), port).into()),
                cable,
                "{from} to {to}"
            );
        }
    }
    for host in HOSTS {
        let own = estate.host(host).site.dir();
        for other in HOSTS.into_iter().filter(|other| *other != host) {
            let seen = estate.ls(host, estate.host(other).site.dir());
            assert_eq!(seen, "", "what {host} sees of {other}");
        }
        assert!(estate.ls(host, own).contains("listmill.toml"));
    }
}
