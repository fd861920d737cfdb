//! Mail that nobody here wrote, through every stage of a post.

use std::fs;
use std::sync::Arc;

use listmill_core::{Context, Disposition, StoreView, Timestamp};
use listmill_mail::message::Message;
use listmill_queue_format::{Approval, Entry, EntryId, Envelope, Queue};
use listmill_tests::corpus::{MIME, files};
use listmill_tests::view::MemoryView;

use crate::site::{Site, written};

/// A list that takes whatever comes, as far as a list can.
const STORE: &str = r#"
[[list]]
address = "dev@lists.example.org"
settings = { nonmember_action = "accept", implicit_destination = "accept", administrivia = "accept" }
members = ["bob@example.net", "carol@example.com"]
"#;

/// What is read besides the MIME folders.
const OTHERS: [&str; 7] = [
    "list-posts-dev-sample",
    "autoreply-discourse",
    "bounce-arf-kumomta",
    "bounce-flufl",
    "bounce-ruby-bounce_email",
    "bounce-schleuder",
    "list-mlmmj-dsn",
];

/// Follows one message through every stage, and says what became of it.
pub(crate) fn follow(message: Vec<u8>, number: u32, view: &MemoryView) -> Outcome {
    let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
    let mut chance = [0; 10];
    chance[..4].copy_from_slice(&number.to_be_bytes());
    let envelope = Envelope {
        sender: "mallory@example.com".to_owned(),
        recipients: vec!["dev@lists.example.org".to_owned()],
        ..Envelope::default()
    };
    let message: Arc<[u8]> = message.into();
    let mut entry = Entry::arrived(EntryId::fresh(now, chance), now, envelope, message.clone());
    let mut held = false;
    let (site, cx) = (Site::default(), Context { now, seed: u64::from(number) });
    while entry.queue != Queue::Outbound {
        let decided = site.decide(&entry, view, cx);
        let disposition = match decided.as_slice() {
            [one]
            | [one @ Disposition::Hold { .. }, Disposition::Forward { .. }]
            | [one @ Disposition::Reject { .. }, Disposition::Change(_)] => one,
            more => panic!("too much is decided: {more:?}"),
        };
        entry = match (disposition, written(disposition)) {
            // A moderator lets it through, so that whatever is odd about it meets the last stage too.
            (Disposition::Hold { .. }, _) => {
                held = true;
                approved(entry, now)
            }
            (Disposition::Forward { .. }, Some(next)) => next.clone(),
            _ => return Outcome::Ended,
        }
    }
    assert_eq!(entry.recipients.len(), 2);
    let list = view.list(&"dev@lists.example.org".parse().unwrap()).unwrap().unwrap();
    if list.settings.footer.is_empty() {
        assert_eq!(Message::parse(&entry.message).body(), Message::parse(&message).body(), "the body is unchanged");
    }
    assert!(Message::parse(&entry.message).has("List-Id"));
    if held { Outcome::HeldFirst } else { Outcome::Distributed }
}

fn approved(mut entry: Entry, at: Timestamp) -> Entry {
    assert!(entry.facts.approved.is_none(), "an approved post is not held");
    entry.facts.approved = Some(Approval { by: "operator".to_owned(), at, other: Default::default() });
    entry
}

#[derive(PartialEq)]
pub(crate) enum Outcome {
    Distributed,
    HeldFirst,
    Ended,
}

#[test]
fn every_message_is_distributed_with_its_body_unchanged_or_ends_for_a_reason() {
    let view = MemoryView::from_toml(STORE).unwrap();
    let (mut number, mut distributed, mut held) = (0, 0, 0);
    for path in files(&[&MIME[..], &OTHERS].concat()) {
        number += 1;
        match follow(fs::read(&path).unwrap(), number, &view) {
            Outcome::Distributed => distributed += 1,
            Outcome::HeldFirst => held += 1,
            Outcome::Ended => {}
        }
    }
    println!("{number} messages: {distributed} distributed, {held} held and then distributed");
}

/// The posts of people are all distributed: none of them is in doubt, in a loop or without a subject.
#[test]
fn the_sample_of_real_posts_reaches_everybody() {
    let view = MemoryView::from_toml(STORE).unwrap();
    let mut paths = files(&["list-posts-dev-sample"]);
    if paths.is_empty() {
        return; // skipped by name
    }
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
    let others: Vec<_> = (0..)
        .zip(&paths)
        .filter(|(number, path)| follow(fs::read(path).unwrap(), *number, &view) != Outcome::Distributed)
        .map(|(_, path)| path.display().to_string())
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(!paths.is_empty(), "the folder has messages");
}
