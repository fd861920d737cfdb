//! What must change nothing: answers of machines, what others do with somebody's notice, tokens that are not for this.
//!
//! *Nothing* is: the lists, their rosters, what is held, and the bans are the same before and after, as the program shows them, and no
//! copy of a post has left. Each test ends with the right thing, which works: what stands before it was refused for its own sake.

use listmill_core::Timestamp;
use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;
use listmill_tests::program::{PATIENCE, wait_for};

const DEV: &str = "dev@lists.example.org";
const TWO: &str = "two@lists.example.org";
const REQUEST: &str = "dev-request@lists.example.org";
const BOB: &str = "bob@example.net";
const ZOE: &str = "zoe@example.com";
const MONA: &str = "mona@example.org";
const MAX: &str = "max@example.com";

/// Two lists with the same people: Bob and Zoe are members, Mona and Max moderators.
fn office(settings: &[&str]) -> PostOffice {
    let office = PostOffice::open("clock = \"1s\"");
    for list in [DEV, TWO] {
        office.site.list(list, &[&["member_action=hold"], settings].concat(), [BOB, ZOE].map(str::to_owned));
        office.site.ok(&["member", "add", list, MONA, MAX, "--role", "moderator"]);
    }
    office
}

/// A post of Bob's waits; the notice to Mona.
fn held(office: &PostOffice, list: &str) -> Letter {
    office.write(&Mail::new(BOB, list).subject("one").text("The text of it.\n").proven());
    let notice = office.letter(MONA, &format!("{list}: post 1 waits: one"));
    office.rest();
    notice
}

/// Hands each of these in, one after the other; they change nothing. How many letters they have brought about.
fn change_nothing(office: &PostOffice, mails: impl IntoIterator<Item = Mail>) -> usize {
    office.rest();
    let (before, letters) = (office.state(), office.all().len());
    let mut last = Vec::new();
    for mail in mails {
        last = mail.bytes();
        let reply = office.lmtp().send(&mail.sender, &mail.to, &last);
        // Some are refused at the door, which changes nothing either.
        assert!(reply.starts_with("250") || reply.starts_with("55"), "{reply}");
        office.rest();
        assert_eq!(office.state(), before, "{}\n{:#?}", String::from_utf8_lossy(&last), office.subjects());
    }
    assert!(!last.is_empty(), "nothing was handed in");
    assert!(office.all().iter().all(|letter| !letter.is_copy()), "a copy of a post has left: {:#?}", office.subjects());
    office.all().len() - letters
}

/// The right thing: the notice's own moderator approves, and everybody has the post.
fn approve(office: &PostOffice, notice: &Letter) {
    office.write_and_rest(&notice.answer("approve").proven());
    assert_eq!(office.copies("one").into_keys().collect::<Vec<_>>(), [BOB, ZOE], "{:#?}", office.subjects());
    assert_eq!(office.held(DEV).len(), 0);
}

/// As a responder answers: marked in one way or another.
fn as_a_machine(mail: &Mail) -> Vec<Mail> {
    vec![
        mail.clone().field("Auto-Submitted: auto-replied"),
        mail.clone().field("Auto-Submitted: auto-replied (vacation)").sender(""),
        mail.clone().field("X-Autoreply: yes"),
        mail.clone().field("Precedence: bulk"),
        mail.clone().field("X-Auto-Response-Suppress: All"),
        mail.clone().subject("Automatic reply: post 1 waits"),
        mail.clone().subject("Out of Office: back on Monday"),
        mail.clone().sender(""),
    ]
}

#[test]
fn a_vacation_reply_to_a_notice() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let away = notice.answer("I am away until Monday.\napprove\n").proven();
    assert_eq!(change_nothing(&office, as_a_machine(&away)), 0, "and nobody answers it: {:#?}", office.subjects());
    // Nor at the addresses that stand in the notice, for which a message needs no words.
    for word in ["approve", "reject", "discard"] {
        let away = Mail::new(MONA, &notice.address(word)).text("I am away until Monday.\n").proven();
        assert_eq!(change_nothing(&office, as_a_machine(&away)), 0, "{:#?}", office.subjects());
    }
    approve(&office, &notice);
}

#[test]
fn a_vacation_reply_to_a_confirmation() {
    let office = office(&[]);
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    let away = asked.answer("I am away until Monday.");
    assert_eq!(change_nothing(&office, as_a_machine(&away)), 0, "and nobody answers it: {:#?}", office.subjects());
    office.write_and_rest(&asked.answer(""));
    assert!(office.roster(DEV).contains(&"ines@example.com".to_owned()));
}

#[test]
fn a_notice_in_the_hands_of_somebody_else() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    // The author, a member, a stranger, and a moderator who has a notice of their own: each is proven to be who they are.
    for who in [BOB, ZOE, "mallory@example.com", MAX] {
        let theirs = |mut mail: Mail| {
            who.clone_into(&mut mail.author);
            mail.from(&format!("<{who}>")).sender(who).proven()
        };
        let mails = vec![
            theirs(notice.answer("approve")),
            theirs(notice.answer("ban").subject("Fwd: post 1 waits")),
            theirs(Mail::new(who, &notice.address("approve")).subject("approve 1")),
            theirs(Mail::new(who, &notice.address("reject")).subject("reject 1").text("reject No.\n")),
            theirs(Mail::new(who, &notice.address("discard")).subject("discard 1")),
        ];
        change_nothing(&office, mails);
    }
    approve(&office, &notice);
}

#[test]
fn somebody_who_says_that_they_are_the_moderator() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let commands = "approve 1\ntrust bob@example.net\nban zoe@example.com\nadd mallory@example.com\nemergency on\n";
    let by_command = Mail::new(MONA, REQUEST).subject("held").text(commands);
    let forged = |mail: &Mail| {
        vec![
            mail.clone(),
            mail.clone().vouched_by("mx.elsewhere.example.com"),
            mail.clone().vouched_by("mx.example.org.elsewhere.example.com"),
            // The trusted host speaks for somebody else.
            mail.clone().field("Authentication-Results: mx.example.org; dmarc=pass header.from=example.com"),
            mail.clone().field("Authentication-Results: mx.example.org; dkim=pass header.d=elsewhere.example.com"),
            // It says that it is not hers.
            mail.clone().field("Authentication-Results: mx.example.org; dmarc=fail header.from=example.org"),
            mail.clone().field("Approved: secret"),
        ]
    };
    for mail in [by_command, notice.answer("approve"), Mail::new(MONA, &notice.address("approve"))] {
        change_nothing(&office, forged(&mail));
    }
    // What it brings about is letters to Mona alone, and few.
    let brought =
        office.all().iter().filter(|letter| letter.to != MONA && letter.to != MAX && letter.to != BOB).count();
    assert_eq!(brought, 0, "{:#?}", office.subjects());
    assert!(office.letters(MONA).len() <= 1 + 3, "{:#?}", office.subjects());
    approve(&office, &notice);
}

#[test]
fn a_token_that_was_used() {
    let office = office(&[]);
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    office.write_and_rest(&asked.bare_answer());
    office.site.ok(&["member", "remove", DEV, "ines@example.com"]);
    change_nothing(&office, [asked.bare_answer(), asked.answer("").proven()]);
    let notice = held(&office, DEV);
    let discard = Mail::new(MONA, &notice.address("discard")).proven();
    office.write_and_rest(&discard);
    assert_eq!(office.held(DEV).len(), 0);
    let words = ["approve", "reject Not about the mill.", "discard", "ban", "trust"];
    change_nothing(&office, words.map(|word| notice.answer(word).proven()));
    change_nothing(
        &office,
        ["approve", "reject", "discard"].map(|word| Mail::new(MONA, &notice.address(word)).proven()),
    );
    // The other way round: what was approved is not rejected, and not distributed again.
    office.write(&Mail::new(BOB, DEV).subject("two").proven());
    let notice = office.letter(MONA, "waits: two");
    let approve = Mail::new(MONA, &notice.address("approve")).proven();
    office.write_and_rest(&approve);
    let (copies, before) = (office.copies("two"), office.state());
    assert_eq!(copies.values().sum::<usize>(), 2);
    for mail in [approve, notice.answer("approve").proven(), notice.answer("reject Late.").proven()] {
        office.write_and_rest(&mail);
        assert_eq!((office.copies("two"), office.state()), (copies.clone(), before.clone()));
    }
    assert_eq!(office.count(BOB, "not accepted"), 0);
}

#[test]
fn a_token_on_another_list() {
    let office = office(&[]);
    let (notice, other) = (held(&office, DEV), held(&office, TWO));
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    let there = |address: &str| address.replace("dev-", "two-");
    let mut mails = vec![
        notice.answer("approve").readdressed(&there(&notice.answers_go_to())).proven(),
        asked.bare_answer().readdressed(&there(&asked.answers_go_to())),
        Mail::new("ines@example.com", "two-request@lists.example.org")
            .subject(&format!("confirm {}", token(&asked.answers_go_to()))),
    ];
    for word in ["approve", "reject", "discard"] {
        mails.push(Mail::new(MONA, &there(&notice.address(word))).proven());
    }
    change_nothing(&office, mails);
    approve(&office, &notice);
    office.write_and_rest(&other.answer("discard").proven());
    assert_eq!(office.held(TWO).len(), 0);
}

/// What stands between `+` and `@`.
fn token(address: &str) -> &str {
    address.split(['+', '@']).nth(1).unwrap()
}

#[test]
fn a_token_for_another_action() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let told = office.letter(BOB, "waiting for a moderator");
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    let tokens = [
        ("approve", token(&notice.address("approve")).to_owned()),
        ("reject", token(&notice.address("reject")).to_owned()),
        ("discard", token(&notice.address("discard")).to_owned()),
        ("request", token(&notice.answers_go_to()).to_owned()),
        ("cancel", token(&told.address("cancel")).to_owned()),
        ("confirm", token(&asked.answers_go_to()).to_owned()),
    ];
    let mut mails = Vec::new();
    for (is_for, token) in &tokens {
        // Whoever has the token of a request may also take the request back.
        let other = |word: &str| word != *is_for && (*is_for, word) != ("confirm", "cancel");
        for (word, _) in tokens.iter().filter(|(word, _)| other(word)) {
            let mail =
                |who: &str| Mail::new(who, &format!("dev-{word}+{token}@lists.example.org")).text("approve\n").proven();
            mails.extend([mail(MONA), mail(BOB)]);
        }
        mails.push(Mail::new(MONA, &format!("dev-leave+{token}@lists.example.org")));
    }
    change_nothing(&office, mails);
    approve(&office, &notice);
    office.write_and_rest(&asked.bare_answer());
    assert!(office.roster(DEV).contains(&"ines@example.com".to_owned()));
}

#[test]
fn a_token_that_is_cut_short_or_changed() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    let mut mails = Vec::new();
    for (word, address) in [
        ("approve", notice.address("approve")),
        ("discard", notice.address("discard")),
        ("request", notice.answers_go_to()),
        ("confirm", asked.answers_go_to()),
    ] {
        let (whole, who) = (token(&address), if word == "confirm" { "ines@example.com" } else { MONA });
        let last = if whole.ends_with('a') { 'b' } else { 'a' };
        let first = if whole.starts_with('x') { 'y' } else { 'x' };
        let mut wrong: Vec<String> =
            [1, 2, whole.len() / 2, whole.len() - 1].map(|end| whole[..end].to_owned()).to_vec();
        wrong.extend([
            format!("{whole}a"),
            format!("{}{last}", &whole[..whole.len() - 1]),
            format!("{first}{}", &whole[1..]),
        ]);
        wrong.extend(whole.strip_prefix("1.").map(|mac| format!("2.{mac}")));
        for token in wrong {
            mails.push(Mail::new(who, &format!("dev-{word}+{token}@lists.example.org")).text("approve\n").proven());
        }
    }
    // A confirmation address without its token: there is nothing that it could be for.
    mails.push(asked.bare_answer().readdressed("dev-confirm@lists.example.org").proven());
    mails.push(Mail::new(MONA, "dev-approve@lists.example.org").proven());
    change_nothing(&office, mails);
    approve(&office, &notice);
    office.write_and_rest(&asked.bare_answer());
    assert!(office.roster(DEV).contains(&"ines@example.com".to_owned()));
}

#[test]
fn a_token_that_has_expired() {
    let office = office(&["moderation_expiry=1s", "request_expiry=1s"]);
    office.write(&Mail::new(BOB, DEV).subject("one").text("The text of it.\n").proven());
    let notice = office.letter(MONA, "post 1 waits: one");
    assert!(office.sink.wait(PATIENCE, |_| office.count(BOB, "not sent to") == 1));
    assert_eq!(office.held(DEV).len(), 0);
    change_nothing(&office, ["approve", "reject Late.", "trust", "ban"].map(|word| notice.answer(word).proven()));
    change_nothing(
        &office,
        ["approve", "reject", "discard"].map(|word| Mail::new(MONA, &notice.address(word)).proven()),
    );
    office.write(&Mail::new("ines@example.com", "dev-join@lists.example.org"));
    let asked = office.letter("ines@example.com", "Please confirm");
    let asked_at = Timestamp::now().as_second();
    wait_for("the request to expire", || Timestamp::now().as_second() > asked_at + 1);
    change_nothing(&office, [asked.bare_answer()]);
}

#[test]
fn a_bare_reply() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let plain = notice.answer("").proven();
    let empty = notice.bare_answer().proven();
    let thanks = notice.answer("Thank you, I shall look at it tonight.").proven();
    let html: String =
        notice.text.lines().map(|line| line.replace('&', "&amp;").replace('<', "&lt;") + "<br>\n").collect();
    let in_html = notice
        .bare_answer()
        .field("Content-Type: text/html; charset=utf-8")
        .text(&format!("<div><br></div><blockquote type=\"cite\">{html}</blockquote>"))
        .proven();
    let unmarked = notice
        .bare_answer()
        .text(&format!(
            "\n\n-----Original Message-----\nFrom: dev <{REQUEST}>\nSent: Sunday\nTo: {MONA}\nSubject: post 1\n\n{}",
            notice.text
        ))
        .proven();
    let at_the_bottom = notice.bare_answer().text(&format!("{}\n\nThank you!\n", notice.text)).proven();
    change_nothing(&office, [plain, empty, thanks, in_html, unmarked, at_the_bottom]);
    approve(&office, &notice);
}

#[test]
fn a_reply_that_only_quotes_the_word() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let quotes = [
        "> approve\n",
        "On Sun, 22 Nov 2026 at 09:30, dev wrote:\n> approve\n> \n> reject no\n",
        "> > approve 1\n> ban\n",
        "-- \napprove\n",
        "=~=~= <Write above this line> =~=~=\napprove\n",
        "-----Original Message-----\nFrom: Max <max@example.com>\nSent: Sunday\n\napprove\n",
        "Do not\napprove of such things.\n",
    ];
    change_nothing(&office, quotes.map(|text| notice.bare_answer().text(text).proven()));
    approve(&office, &notice);
}

#[test]
fn a_post_that_pretends_to_be_a_decision() {
    let office = office(&[]);
    let notice = held(&office, DEV);
    let before = office.held(DEV).len();
    // To the list itself, from whom nobody vouches for: it is a post, and is held as one.
    office.write_and_rest(&Mail::new(MONA, DEV).subject("approve 1").text("approve 1\n"));
    assert_eq!(office.held(DEV).len(), before + 1);
    assert!(office.copies("one").is_empty());
    approve_first(&office, &notice);
}

fn approve_first(office: &PostOffice, notice: &Letter) {
    office.write_and_rest(&notice.answer("approve").proven());
    assert_eq!(office.copies("one").len(), 2);
}
