//! A moderated list, by mail alone: the notice, the moderator's answers to it, and what the others learn.

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;
use listmill_tests::program::PATIENCE;

const DEV: &str = "dev@lists.example.org";
const BOB: &str = "bob@example.net";
const ZOE: &str = "zoe@example.com";
const MONA: &str = "mona@example.org";
const MAX: &str = "max@example.com";

/// Bob and Zoe are members, Mona and Max moderators.
fn office() -> PostOffice {
    let office = PostOffice::open("");
    office.site.list(DEV, &["member_action=hold"], [BOB, ZOE].map(str::to_owned));
    office.site.ok(&["member", "add", DEV, MONA, MAX, "--role", "moderator"]);
    office
}

fn post(subject: &str) -> Mail {
    Mail::new(BOB, DEV).subject(subject).text(&format!("The text of {subject}.\n")).proven()
}

/// Holds a post; the notice to a moderator.
fn held(office: &PostOffice, subject: &str, moderator: &str) -> Letter {
    office.write(&post(subject));
    office.letter(moderator, &format!("waits: {subject}"))
}

fn everybody() -> Vec<(String, usize)> {
    vec![(BOB.to_owned(), 1), (ZOE.to_owned(), 1)]
}

#[test]
fn a_post_is_held_and_goes_to_the_list_by_the_moderators_answer() {
    let office = office();
    let notice = held(&office, "one", MONA);
    let told = office.letter(BOB, "waiting for a moderator of dev@lists.example.org: one");
    assert!(!told.text.contains("The text of"), "{}", told.text);
    for there in [BOB, "one", "The text of one.", "Held by:", "approve", "reject REASON", "discard"] {
        assert!(notice.text.contains(there), "{there}: {}", notice.text);
    }
    assert_eq!((notice.return_path.as_str(), notice.field("Auto-Submitted").as_str()), ("", "auto-generated"));
    assert_eq!(office.held(DEV).len(), 1);
    office.write_and_rest(&notice.answer("approve").proven());
    assert_eq!(office.copies("one").into_iter().collect::<Vec<_>>(), everybody());
    assert_eq!(office.held(DEV).len(), 0);
    // The co-moderator learns of it in one letter, and the moderator in the answer.
    assert!(office.letter(MAX, "decided by").text.contains(MONA));
    assert_eq!(office.sink.violations(), Vec::<String>::new());
}

#[test]
fn a_post_is_rejected_with_a_reason_that_its_author_receives() {
    let office = office();
    let notice = held(&office, "one", MONA);
    office.write(&notice.answer("reject Not about the mill.").proven());
    let told = office.letter(BOB, "not accepted");
    assert!(told.text.contains("Not about the mill.") && !told.text.contains("The text of"), "{}", told.text);
    // By the address: the words of the message are the reason.
    let notice = held(&office, "two", MONA);
    office.write(
        &Mail::new(MONA, &notice.address("reject")).subject("reject 2").text("reject Twice is too often.\n").proven(),
    );
    let told = office.letter(BOB, "not accepted by dev@lists.example.org: two");
    assert!(told.text.contains("Twice is too often."), "{}", told.text);
    office.rest();
    assert_eq!(office.held(DEV).len(), 0);
    assert!(office.copies("one").is_empty() && office.copies("two").is_empty());
}

#[test]
fn a_post_is_discarded_and_another_approved_by_the_addresses_in_the_notice() {
    let office = office();
    let notice = held(&office, "one", MONA);
    office.write_and_rest(&Mail::new(MONA, &notice.address("discard")).subject("discard 1").proven());
    assert_eq!(office.held(DEV).len(), 0);
    assert_eq!(office.letters(BOB).len(), 1, "nobody is told: {:#?}", office.subjects());
    let notice = held(&office, "two", MONA);
    office.write_and_rest(&Mail::new(MONA, &notice.address("approve")).subject("approve 2").proven());
    assert_eq!(office.copies("two").into_iter().collect::<Vec<_>>(), everybody());
    assert!(office.copies("one").is_empty());
}

#[test]
fn a_moderator_for_whom_nothing_speaks_confirms_once_and_then_it_happens() {
    let office = office();
    let notice = held(&office, "one", MONA);
    office.write(&notice.answer("approve"));
    let asked = office.letter(MONA, "Please confirm: your commands");
    assert!(asked.text.contains("* approve 1"), "{}", asked.text);
    office.rest();
    assert_eq!((office.held(DEV).len(), office.copies("one").len()), (1, 0));
    // A bare answer is not enough: a program may have sent it that does not say so.
    office.write_and_rest(&asked.bare_answer().text("I am away until Monday.\n"));
    assert_eq!((office.held(DEV).len(), office.copies("one").len()), (1, 0));
    office.write_and_rest(&asked.answer("yes"));
    assert_eq!(office.copies("one").into_iter().collect::<Vec<_>>(), everybody());
    assert_eq!(office.held(DEV).len(), 0);
    // The same with the address that approves, and with one that rejects.
    let notice = held(&office, "two", MAX);
    office.write(&Mail::new(MAX, &notice.address("reject")).text("reject Not about the mill.\n"));
    let asked = office.letter(MAX, "Please confirm: your commands");
    office.rest();
    assert_eq!(office.held(DEV).len(), 1);
    office.write(&asked.answer("ok"));
    assert!(office.letter(BOB, "not accepted").text.contains("Not about the mill."));
}

#[test]
fn two_moderators_at_once_make_one_decision_and_both_learn_whose() {
    for round in 0..4 {
        let office = office();
        let notices = [MONA, MAX]
            .map(|who| if who == MONA { held(&office, "one", who) } else { office.letter(who, "waits: one") });
        let told = [MONA, MAX].map(|who| office.letters(who).len());
        let answers = [notices[0].answer("approve").proven(), notices[1].answer("reject Not about the mill.").proven()];
        // Both sessions are open and both messages lie ready, so that the two end points come together.
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for answer in &answers {
                let (mut lmtp, barrier) = (office.lmtp(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    lmtp.post(&answer.sender, &answer.to, &answer.bytes());
                });
            }
        });
        office.rest();
        assert_eq!(office.held(DEV).len(), 0);
        let (copies, rejected) = (office.copies("one"), office.count(BOB, "not accepted"));
        let approved = !copies.is_empty();
        assert_eq!(rejected, usize::from(!approved), "round {round}: one decision: {:#?}", office.subjects());
        if approved {
            assert_eq!(copies.into_iter().collect::<Vec<_>>(), everybody());
        }
        let (first, late) = if approved { (MONA, MAX) } else { (MAX, MONA) };
        for (who, before) in [MONA, MAX].iter().zip(told) {
            let after: Vec<_> = office.letters(who).into_iter().skip(before).collect();
            let knows = after.iter().any(|letter| letter.text.contains(first) || *who == first);
            assert!(!after.is_empty() && knows, "round {round}: {who} is not told who decided: {after:#?}");
        }
        // Who came late is told so in the answer to their own mail.
        let answer = office.letters(late).into_iter().find(|letter| letter.subject.contains("your commands"));
        let answer = answer.unwrap_or_else(|| panic!("{:#?}", office.subjects()));
        assert!(answer.text.contains("REFUSED") && answer.text.contains(first), "{}", answer.text);
    }
}

#[test]
fn a_late_second_answer_is_told_who_decided_what_and_when() {
    let office = office();
    let notice = held(&office, "one", MONA);
    let other = office.letter(MAX, "waits: one");
    office.write_and_rest(&notice.answer("discard").proven());
    office.write_and_rest(&other.answer("approve").proven());
    let late = office.letters(MAX).pop().unwrap();
    for there in ["REFUSED", MONA, "discard", &year()] {
        assert!(late.text.contains(there), "{there}: {}", late.text);
    }
    assert!(office.copies("one").is_empty());
}

/// The year in which the program runs, as its answers write it.
fn year() -> String {
    listmill_core::Timestamp::now().strftime("%Y-").to_string()
}

#[test]
fn a_decision_is_taken_back_while_that_is_possible() {
    let office = office();
    let notice = held(&office, "one", MONA);
    office.write_and_rest(&notice.answer("discard").proven());
    assert_eq!(office.held(DEV).len(), 0);
    office.write_and_rest(&Mail::new(MONA, "dev-request@lists.example.org").subject("undo").proven());
    assert_eq!(office.held(DEV).len(), 1, "{:#?}", office.letters(MONA).pop());
    office.write_and_rest(&Mail::new(MONA, "dev-request@lists.example.org").subject("approve 1").proven());
    assert_eq!(office.copies("one").into_iter().collect::<Vec<_>>(), everybody());
    // What has left cannot be taken back.
    office.write_and_rest(&Mail::new(MONA, "dev-request@lists.example.org").subject("undo 1").proven());
    assert!(office.letters(MONA).pop().unwrap().text.contains("REFUSED"));
    assert_eq!(office.held(DEV).len(), 0);
}

#[test]
fn the_author_takes_a_held_post_back() {
    let office = office();
    held(&office, "one", MONA);
    let told = office.letter(BOB, "waiting for a moderator");
    office.write_and_rest(&Mail::new(BOB, &told.address("cancel")));
    assert_eq!(office.held(DEV).len(), 0);
    assert!(office.copies("one").is_empty());
}

#[test]
fn a_ban_a_trust_and_a_longer_wait_by_the_moderators_answer() {
    let office = office();
    let notice = held(&office, "one", MONA);
    office.write_and_rest(&notice.answer("defer").proven());
    assert_eq!(office.held(DEV).len(), 1);
    office.write_and_rest(&Mail::new(MONA, "dev-request@lists.example.org").subject("trust 1").proven());
    assert_eq!(office.copies("one").into_iter().collect::<Vec<_>>(), everybody());
    office.write_and_rest(&post("two"));
    assert_eq!(office.copies("two").into_iter().collect::<Vec<_>>(), everybody(), "whom a moderator trusts passes");
    office.write(&Mail::new("mallory@example.com", DEV).subject("spam").text("Buy!\n"));
    let notice = office.letter(MONA, "waits: spam");
    office.write_and_rest(&notice.answer("ban").proven());
    assert_eq!(office.held(DEV).len(), 0);
    let bans = office.site.json(&["ban", "ls", "--list", DEV]);
    assert_eq!(bans[0]["pattern"], "mallory@example.com", "{bans}");
}

#[test]
fn held_posts_lapse_by_the_clock_and_their_author_is_told() {
    let mut office = PostOffice::open("clock = \"1s\"");
    office.site.list(DEV, &["member_action=hold", "moderation_expiry=1s"], [BOB, ZOE].map(str::to_owned));
    office.write(&post("one"));
    assert!(office.sink.wait(PATIENCE, |_| office.count(BOB, "not sent to dev@lists.example.org: one") == 1));
    office.rest();
    assert_eq!((office.held(DEV).len(), office.copies("one").len()), (0, 0));
    office.close();
}
