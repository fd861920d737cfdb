//! A thousand people join at the same time: none is lost, none is doubled.

use std::collections::BTreeMap;

use listmill_tests::letters::{Letter, Mail};
use listmill_tests::post_office::PostOffice;
use listmill_tests::program::PATIENCE;

const DEV: &str = "dev@lists.example.org";
const PEOPLE: usize = 1_000;

#[test]
fn a_thousand_requests_and_their_thousand_confirmations() {
    let office = PostOffice::open("");
    office.site.list(DEV, &[], []);
    let person = |number: usize| format!("person{number:04}@example.com");
    let requests: Vec<Mail> = (0..PEOPLE)
        .map(|number| match number % 2 {
            0 => Mail::new(&person(number), "dev-join@lists.example.org"),
            _ => Mail::new(&person(number), "dev-request@lists.example.org").subject("join"),
        })
        .collect();
    office.write_all(10, &requests);
    assert!(office.sink.wait(PATIENCE, |sink| sink.count() >= PEOPLE), "{} of {PEOPLE}", office.sink.count());
    let answers: Vec<Mail> = office.all().iter().map(Letter::bare_answer).collect();
    office.write_all(10, &answers);
    assert!(office.sink.wait(PATIENCE, |sink| sink.count() >= 2 * PEOPLE), "{} of {PEOPLE}", office.sink.count());
    office.rest();
    assert_eq!(office.site.json(&["list", "show", DEV])["members"], PEOPLE);
    let mut letters: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for letter in office.all() {
        let kind = if letter.subject.starts_with("Please confirm: join") { "confirmation" } else { "welcome" };
        assert!(kind == "confirmation" || letter.subject.starts_with("Welcome to"), "{letter:?}");
        letters.entry(letter.to).or_default().push(kind);
    }
    let expected: BTreeMap<_, _> =
        (0..PEOPLE).map(|number| (person(number), vec!["confirmation", "welcome"])).collect();
    assert_eq!(letters, expected);
    assert_eq!(office.roster(DEV), (0..PEOPLE).map(person).collect::<Vec<_>>());
    assert_eq!(office.sink.violations(), Vec::<String>::new());
}
