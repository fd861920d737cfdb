//! Whoever forges a victim's address gets the victim three letters a day, over all lists, and nobody else is kept waiting.

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;

const VICTIM: &str = "victim@example.com";

/// Lists and requests: 50 and 2,000, which take seconds; with `LISTMILL_TESTS_FULL` in the environment 500 and 10,000, which take
/// a minute or more without optimisation.
fn numbers() -> (usize, usize) {
    if std::env::var_os("LISTMILL_TESTS_FULL").is_some() { (500, 10_000) } else { (50, 2_000) }
}

fn list(number: usize) -> String {
    format!("l{number:03}@lists.example.org")
}

fn at(number: usize, word: &str) -> String {
    list(number).replace('@', &format!("-{word}@"))
}

/// Forms in which one address can stand in a From field.
const FORMS: [&str; 10] = [
    "victim@example.com",
    "<victim@example.com>",
    "Victim <victim@example.com>",
    "\"V. Ictim\" <VICTIM@Example.COM>",
    "=?utf-8?Q?V=C3=ADctim?= <victim@EXAMPLE.com>",
    "victim@example.com (Victim)",
    "(Victim) Victim@example.com",
    "\"victim@example.com\" <Victim@Example.com>",
    "Victim\r\n <victim@example.com>",
    "<viCtim@eXample.cOm>",
];

/// A request in the name of the victim, each by another way than the one before.
fn forged(number: usize, lists: usize) -> Mail {
    let l = number % lists;
    let mail = match number / lists % 6 {
        0 => Mail::new(VICTIM, &at(l, "request")).subject("join"),
        1 => Mail::new(VICTIM, &at(l, "join")),
        2 => Mail::new(VICTIM, &at(l, "request")).text("leave\nwhich\nset ack on\n"),
        3 => Mail::new(VICTIM, &at(l, "leave")),
        4 => Mail::new(VICTIM, &at(l, "request")).subject("help"),
        // Somebody asks for the victim.
        _ => Mail::new(&format!("asks{number}@example.net"), &at(l, "request"))
            .subject(&format!("join address={VICTIM}")),
    };
    if mail.author != VICTIM {
        return mail;
    }
    let sender = ["victim@example.com", "other@example.net", "prvs=1234567890=victim@example.com"][number % 3];
    mail.from(FORMS[(number + number / lists) % FORMS.len()]).sender(sender)
}

#[test]
fn thousands_of_forged_requests_over_many_lists_bring_the_victim_three_letters() {
    let (lists, requests) = numbers();
    let office = PostOffice::open("");
    office.lists((0..lists).map(list), &[]);
    let forged: Vec<Mail> = (0..requests).map(|number| forged(number, lists)).collect();
    let others: Vec<Mail> = (0..20)
        .map(|number| Mail::new(&format!("person{number}@example.com"), &at(number * 7 % lists, "join")))
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| office.write_all(8, &forged));
        // Somebody at the victim's own host, on the same lists, at the same time.
        for other in &others {
            office.write(other);
            let asked = office.letter(&other.author, "Please confirm: join");
            office.write(&asked.bare_answer());
            office.letter(&other.author, "Welcome");
        }
    });
    office.rest();
    // A host that marks its envelope senders takes our letters only at the mark, so those count, too.
    let all = office.all();
    let letters: Vec<&Letter> = all.iter().filter(|letter| letter.to.to_lowercase().ends_with(VICTIM)).collect();
    assert!((1..=3).contains(&letters.len()), "{} letters: {letters:#?}", letters.len());
    assert!(letters.iter().all(|letter| letter.return_path.is_empty()));
    println!(
        "{requests} forged requests over {lists} lists: {} letters, {} others joined meanwhile",
        letters.len(),
        others.len()
    );
}
