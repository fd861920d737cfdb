//! A person and a list, by mail alone: joining by command and by address, posting, asking, changing, leaving.

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;

const DEV: &str = "dev@lists.example.org";
const REQUEST: &str = "dev-request@lists.example.org";
const BOB: &str = "bob@example.net";
const ZOE: &str = "zoe@example.com";

fn office(settings: &[&str], members: &[&str]) -> PostOffice {
    let office = PostOffice::open("");
    office.site.list(DEV, settings, members.iter().map(|member| (*member).to_owned()));
    office
}

fn post(author: &str, subject: &str) -> Mail {
    Mail::new(author, DEV).subject(subject).text("It turns.\n")
}

/// One command in the subject.
fn command(author: &str, line: &str) -> Mail {
    Mail::new(author, REQUEST).subject(line)
}

/// What was said about the line that begins so, in the newest letter of results.
fn result(office: &PostOffice, to: &str, line: &str) -> String {
    let letters: Vec<Letter> = office.letters(to);
    let answer = letters.iter().rev().find(|letter| letter.subject.contains("your commands"));
    let text = answer.unwrap_or_else(|| panic!("no results: {:#?}", office.subjects())).text.clone();
    let mut lines = text.lines().skip_while(|one| !one.starts_with(&format!("> {line}")));
    assert!(lines.next().is_some(), "{text}");
    lines.take_while(|one| !one.is_empty()).map(|one| one.trim().to_owned() + "\n").collect()
}

#[test]
fn a_stranger_joins_by_command_and_another_by_address_and_both_get_the_posts_of_each() {
    let office = office(&["description=All that turns"], &[]);
    office.write(&command(BOB, "join"));
    office.write(&Mail::new(ZOE, "dev-join@lists.example.org"));
    for who in [BOB, ZOE] {
        let asked = office.letter(who, "Please confirm: join");
        assert!(asked.text.contains("All that turns") && asked.text.contains(who), "{}", asked.text);
        assert_eq!((asked.return_path.as_str(), asked.field("Auto-Submitted").as_str()), ("", "auto-replied"));
        assert!(asked.field("In-Reply-To").ends_with("mail@example.com>"), "{asked:?}");
        assert!(asked.answers_go_to().starts_with("dev-confirm+"), "{asked:?}");
        assert_eq!(
            office.roster(DEV),
            Vec::<String>::new().into_iter().chain((who == ZOE).then(|| BOB.into())).collect::<Vec<_>>()
        );
        // Most programs quote; nobody types a word.
        office.write(&if who == BOB { asked.answer("") } else { asked.bare_answer() });
        office.letter(who, "Welcome to dev@lists.example.org");
    }
    for who in [BOB, ZOE] {
        office.write(&post(who, &format!("from {who}")));
        assert!(
            office.sink.wait(listmill_tests::program::PATIENCE, |_| office.copies(&format!("from {who}")).len() == 2)
        );
    }
    office.rest();
    for who in [BOB, ZOE] {
        assert_eq!(
            office.copies(&format!("from {who}")).into_iter().collect::<Vec<_>>(),
            [(BOB.into(), 1), (ZOE.into(), 1)]
        );
        // Asked, welcomed, and nothing besides: no third letter says what the two have said.
        assert_eq!(office.letters(who).len(), 2, "{:#?}", office.subjects());
    }
    assert_eq!(office.sink.violations(), Vec::<String>::new());
}

#[test]
fn a_confirmation_works_by_command_too_and_behind_the_prefixes_of_any_language() {
    let office = office(&[], &[]);
    for (who, prefix) in [(BOB, "AW: Re: "), (ZOE, "Réf. : "), ("ines@example.com", "")] {
        office.write(&command(who, "Subscribe"));
        let asked = office.letter(who, "Please confirm");
        let token = asked.answers_go_to();
        let token = token.split(['+', '@']).nth(1).unwrap();
        // Some programs answer to From whatever Reply-To says.
        office.write(&command(who, &format!("{prefix}confirm {}", token.to_uppercase())));
        office.letter(who, "Welcome");
    }
    assert_eq!(office.roster(DEV).len(), 3);
}

#[test]
fn asked_for_twice_it_is_confirmed_once_and_mailed_once() {
    let office = office(&[], &[]);
    for _ in 0..3 {
        office.write_and_rest(&command(BOB, "join"));
    }
    let asked = office.letter(BOB, "Please confirm");
    office.write_and_rest(&asked.bare_answer());
    office.write_and_rest(&asked.bare_answer());
    assert_eq!(office.roster(DEV), [BOB]);
    office.letter(BOB, "Welcome");
}

#[test]
fn members_leave_by_mail_by_address_and_by_the_field_of_a_post() {
    let office = office(&[], &[BOB, ZOE, "ines@example.com", "otto@example.com"]);
    // Proven: at once. Not proven: after a confirmation.
    office.write(&command(BOB, "leave").proven());
    office.letter(BOB, "No longer a member of");
    office.write(&Mail::new(ZOE, "dev-leave@lists.example.org"));
    let asked = office.letter(ZOE, "Please confirm: leave");
    assert_eq!(office.roster(DEV).len(), 3);
    office.write(&asked.answer(""));
    office.letter(ZOE, "No longer a member of");
    // By what stands in List-Unsubscribe: whoever sends it.
    office.write_and_rest(&post("otto@example.com", "one"));
    assert_eq!(office.copies("one").len(), 2);
    let copy = office.all().into_iter().find(|letter| letter.to == "ines@example.com" && letter.is_copy()).unwrap();
    let leave = copy.field("List-Unsubscribe");
    let leave = leave.trim_matches(['<', '>']).trim_start_matches("mailto:");
    office.write_and_rest(&Mail::new("postmaster@example.com", leave));
    assert_eq!(office.roster(DEV), ["otto@example.com"]);
    office.write_and_rest(&post("otto@example.com", "two"));
    assert_eq!(office.copies("two").into_keys().collect::<Vec<_>>(), ["otto@example.com"]);
}

#[test]
fn questions_are_answered_to_whom_they_are_about() {
    let office = office(&["description=All that turns"], &[BOB]);
    office.site.list("two@lists.example.org", &[], [BOB.to_owned()]);
    office.site.list("hidden@lists.example.org", &["advertised=off"], []);
    // To anybody.
    office.write(&command(ZOE, "help"));
    let help = office.letter(ZOE, "commands for dev@");
    for word in ["join", "leave", "set", "which", "info"] {
        assert!(help.text.contains(word), "{word}: {}", help.text);
    }
    office.write(&command(ZOE, "info"));
    assert!(office.letter(ZOE, "about dev@").text.contains("All that turns"));
    office.write_and_rest(&command(ZOE, "lists"));
    let lists = result(&office, ZOE, "lists");
    assert!(lists.contains(DEV) && lists.contains("two@") && !lists.contains("hidden@"), "{lists}");
    // Only to whom it is about.
    office.write_and_rest(&command(BOB, "which").proven());
    let which = result(&office, BOB, "which");
    assert!(which.starts_with("OK") && which.contains(DEV) && which.contains("two@"), "{which}");
    office.write_and_rest(&command(BOB, "shwo").proven());
    let unknown = result(&office, BOB, "shwo");
    assert!(unknown.starts_with("UNKNOWN") && unknown.contains("show"), "{unknown}");
    // By default the roster is for those in charge.
    office.write_and_rest(&command(BOB, "who").proven());
    let who = result(&office, BOB, "who");
    assert!(who.starts_with("REFUSED") && !who.contains(ZOE), "{who}");
}

#[test]
fn one_message_has_many_commands_and_each_its_result() {
    let office = office(&[], &[BOB]);
    let lines = "set ack on\nSET Lang de\nset delivery off until 2999-12-31\nfrobnicate\n\nend\nleave\n-- \nleave\n";
    office.write_and_rest(&Mail::new(BOB, REQUEST).subject("which").text(lines).proven());
    let answer = office.letters(BOB).pop().unwrap();
    assert_eq!(office.letters(BOB).len(), 1, "{:#?}", office.subjects());
    assert!(answer.text.contains("> which") && answer.text.contains("UNKNOWN"), "{}", answer.text);
    assert!(!answer.text.contains("> leave"), "{}", answer.text);
    let member = office.member(DEV, BOB).unwrap();
    assert_eq!(member["language"], "de", "{member}");
    assert!(member["delivery"].as_str().unwrap().starts_with("off"), "{member}");
    assert!(member.to_string().contains("2999-12-31"), "{member}");
}

#[test]
fn who_is_away_until_a_day_gets_nothing_until_then() {
    let office = office(&[], &[BOB, ZOE]);
    office.write_and_rest(&command(BOB, "set delivery off until 2999-12-31").proven());
    office.write_and_rest(&post(ZOE, "one"));
    assert_eq!(office.copies("one").into_keys().collect::<Vec<_>>(), [ZOE]);
    office.write_and_rest(&command(BOB, "set delivery on").proven());
    office.write_and_rest(&post(ZOE, "two"));
    assert_eq!(office.copies("two").len(), 2);
    // What nothing speaks for waits for one confirmation, whatever it is.
    office.write(&Mail::new(BOB, REQUEST).text("set delivery off\nset ack on\n"));
    let asked = office.letter(BOB, "Please confirm: your commands");
    assert!(asked.text.contains("* set delivery off") && asked.text.contains("* set ack on"), "{}", asked.text);
    assert_eq!(office.member(DEV, BOB).unwrap()["delivery"], "each");
    // A machine may answer without a word; what acts in a person's name needs one.
    office.write_and_rest(&asked.answer(""));
    assert_eq!(office.member(DEV, BOB).unwrap()["delivery"], "each");
    office.write_and_rest(&asked.answer("yes"));
    let delivery = office.member(DEV, BOB).unwrap()["delivery"].clone();
    assert!(delivery.as_str().unwrap().starts_with("off"), "{:#?}", office.letters(BOB).pop());
}

#[test]
fn an_address_is_changed_when_both_have_said_so() {
    let office = office(&[], &[BOB, ZOE]);
    let new = "robert@example.com";
    // The old address by the mail's proof, the new one by its answer.
    office.write(&command(BOB, &format!("changeaddr {new}")).proven());
    let asked = office.letter(new, "Please confirm: your new address");
    assert!(office.roster(DEV).contains(&BOB.to_owned()));
    office.write_and_rest(&asked.answer("Yes."));
    assert_eq!(office.roster(DEV), [new, ZOE]);
    // Without a proof both answer.
    let newer = "rob@example.org";
    office.write(&command(new, &format!("changeaddr {newer}")));
    let first = office.letter(new, "Please confirm: your commands");
    office.rest();
    assert_eq!(office.letters(newer).len(), 0, "{:#?}", office.subjects());
    office.write(&first.answer("yes"));
    let second = office.letter(newer, "Please confirm: your new address");
    assert!(office.roster(DEV).contains(&new.to_owned()));
    office.write_and_rest(&second.answer("Ja, bitte"));
    assert_eq!(office.roster(DEV), [newer, ZOE]);
}

#[test]
fn somebody_joins_for_another_address_only_when_that_answers() {
    let office = office(&[], &[]);
    office.write(&command(BOB, &format!("join address={ZOE}")).proven());
    office.letter(ZOE, "Please confirm: join");
    office.write(&Mail::new(BOB, "dev-subscribe-ines=example.com@lists.example.org").proven());
    let asked = office.letter("ines@example.com", "Please confirm: join");
    assert!(asked.text.contains(BOB), "{}", asked.text);
    office.write_and_rest(&asked.bare_answer());
    assert_eq!(office.roster(DEV), ["ines@example.com"]);
}

#[test]
fn the_policies_of_joining() {
    let office = PostOffice::open("");
    let policies = ["open", "confirm", "moderate", "confirm+moderate"];
    for (number, policy) in policies.iter().enumerate() {
        let list = format!("l{number}@lists.example.org");
        office.site.list(&list, &[&format!("subscribe_policy={policy}")], []);
        office.write_and_rest(&Mail::new(BOB, &format!("l{number}-join@lists.example.org")).proven());
    }
    let (joined, asked) = (
        |list: usize| office.roster(&format!("l{list}@lists.example.org")).len(),
        |list: usize| office.count(BOB, &format!("Please confirm: join l{list}@")),
    );
    assert_eq!([0, 1, 2, 3].map(joined), [1, 0, 0, 0], "{:#?}", office.subjects());
    assert_eq!([0, 1, 2, 3].map(asked), [0, 1, 0, 1], "{:#?}", office.subjects());
    let held = |list: usize| office.held(&format!("l{list}@lists.example.org")).len();
    assert_eq!([0, 1, 2, 3].map(held), [0, 0, 1, 0]);
    // The owner moderates a list without moderators.
    let notice = office.letter("olivia@example.org", "l2@lists.example.org: request 1 waits");
    assert!(notice.text.contains(BOB), "{}", notice.text);
    office.write(&notice.answer("approve").proven());
    office.letter(BOB, "Welcome to l2@");
    office.write(&office.letter(BOB, "Please confirm: join l3@").bare_answer());
    let notice = office.letter("olivia@example.org", "l3@lists.example.org: request 1 waits");
    assert_eq!([0, 1, 2, 3].map(joined), [1, 0, 1, 0]);
    office.write(&notice.answer("reject Members of the guild only.").proven());
    let refused = office.letter(BOB, "you cannot join l3@");
    assert!(refused.text.contains("Members of the guild only."), "{}", refused.text);
    office.rest();
    assert_eq!([0, 1, 2, 3].map(joined), [1, 0, 1, 0]);
    assert_eq!([0, 1, 2, 3].map(held), [0, 0, 0, 0]);
}
