//! The table is what it says.

use listmill_core::{Address, ListAddress, Member, Settings};
use listmill_mail::message::Message;
use listmill_queue_format::{Approval, Author, Entry, EntryId, Envelope, Subaddress, Timestamp};

use super::*;

/// A post as a test wants it: a sound one by a nonmember, unless it is changed.
struct Draft {
    head: &'static str,
    settings: Settings,
    member: bool,
    entry: Entry,
}

fn draft(head: &'static str, settings: &[(&str, &str)]) -> Draft {
    let mut all = Settings::default();
    for (key, text) in settings {
        all.set(key, text).unwrap();
    }
    let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [1; 10]);
    let envelope = Envelope { sender: "bob@example.net".into(), ..Envelope::default() };
    let mut entry = Entry::arrived(id, Timestamp::UNIX_EPOCH, envelope, [].into());
    entry.facts.author =
        Some(Author { address: "bob@example.net".into(), name: String::new(), other: Default::default() });
    Draft { head, settings: all, member: false, entry }
}

impl Draft {
    fn judge(&self) -> (Verdict, Vec<String>) {
        let bytes = format!("{}\n\nbody\n", self.head).replace('\n', "\r\n");
        let entry = Entry { message: bytes.as_bytes().into(), ..self.entry.clone() };
        let message = Message::parse(&entry.message);
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        let author: Option<Address> = entry.facts.author.as_ref().map(|author| author.address.parse().unwrap());
        let member = author.clone().filter(|_| self.member).map(|address| Member::new(address, 0));
        let post = Post {
            entry: &entry,
            message: &message,
            list: Some(&list),
            settings: &self.settings,
            author: author.as_ref(),
            member: member.as_ref(),
        };
        let (verdict, hits) = judge(&post);
        (verdict, hits.into_iter().map(|hit| hit.rule).collect())
    }

    fn verdict(&self) -> Verdict {
        self.judge().0
    }
}

const SOUND: &str = "From: bob@example.net\nTo: dev@lists.example.org\nSubject: hello";

#[test]
fn the_order_is_this() {
    let names: Vec<_> = chain().iter().map(Row::rule).collect();
    assert_eq!(
        names,
        [
            "banned",
            "loop",
            "approved",
            "emergency",
            "header-match",
            "administrivia",
            "automatic-reply",
            "max-size",
            "max-recipients",
            "implicit-destination",
            "no-subject",
            "doubtful-author",
            "member-moderation",
            "nonmember-moderation",
        ]
    );
    assert!(chain().iter().all(|row| !row.why.is_empty()));
}

#[test]
fn what_others_decide_says_what_is_done() {
    let saying = chain().iter().filter(|row| row.then == Then::AsSaid).map(Row::rule);
    assert_eq!(saying.collect::<Vec<_>>(), ["header-match", "member-moderation", "nonmember-moderation"]);
}

#[test]
fn a_sound_post_of_a_member_meets_no_rule() {
    let mut post = draft(SOUND, &[]);
    post.member = true;
    assert_eq!(post.judge(), (Verdict::Accept, vec![]));
}

#[test]
fn a_moderator_sees_every_reason() {
    let post = draft("From: bob@example.net\nTo: x@example.com", &[("emergency", "on")]);
    let reasons = ["emergency", "implicit-destination", "no-subject", "nonmember-moderation"];
    assert_eq!(post.judge(), (Verdict::Hold, reasons.map(str::to_owned).to_vec()));
}

#[test]
fn what_is_not_wanted_in_any_case_is_not_held() {
    assert_eq!(draft("To: x@example.com", &[("nonmember_action", "discard")]).verdict(), Verdict::Discard);
    let reject = draft("To: x@example.com", &[("nonmember_action", "reject")]);
    assert_eq!(reject.verdict(), Verdict::Reject { tell_author: true });
}

#[test]
fn an_emergency_outlasts_an_owners_accept() {
    let accepts = ("header_match", "Subject: hello => accept");
    assert_eq!(draft(SOUND, &[accepts]).judge(), (Verdict::Accept, vec!["header-match".to_owned()]));
    assert_eq!(draft(SOUND, &[accepts, ("emergency", "on")]).verdict(), Verdict::Hold);
    let discards = ("header_match", "Subject: hello => discard");
    assert_eq!(draft(SOUND, &[discards, ("emergency", "on")]).verdict(), Verdict::Discard);
}

#[test]
fn approval_ends_the_walk_but_for_bans_and_loops() {
    let mut post = draft("Subject:", &[("emergency", "on"), ("nonmember_action", "discard")]);
    post.entry.facts.approved =
        Some(Approval { by: "operator".into(), at: Timestamp::UNIX_EPOCH, other: Default::default() });
    assert_eq!(post.judge(), (Verdict::Accept, vec!["approved".to_owned()]));
    post.entry.facts.other.insert("banned".into(), "bob is banned".into());
    assert_eq!(post.judge(), (Verdict::Discard, vec!["banned".to_owned()]));
    post.entry.facts.other.clear();
    post.head = "List-Id: <dev.lists.example.org>";
    assert_eq!(post.judge(), (Verdict::Reject { tell_author: false }, vec!["loop".to_owned()]));
}

#[test]
fn mail_to_the_owners_meets_only_what_covers_everything() {
    let mut post = draft("From: x", &[("emergency", "on"), ("nonmember_action", "discard"), ("max_message_size", "1")]);
    post.entry.facts.author = None;
    post.entry.facts.subaddress =
        Some(Subaddress { word: "owner".into(), detail: String::new(), other: Default::default() });
    assert_eq!(post.judge(), (Verdict::Accept, vec![]));
}

#[test]
fn a_doubt_about_the_author_is_held_and_never_dropped() {
    let mut post = draft(SOUND, &[("nonmember_action", "discard"), ("member_action", "discard")]);
    post.entry.facts.author = None;
    assert_eq!(post.judge(), (Verdict::Hold, vec!["doubtful-author".to_owned()]));
}
