//! The cases (`cases/`): bounces in the style of many programs, providers and languages, and mail that only looks like them, written by hand. They were
//! written without a look at the recognisers, half of them after the first half had been worked off; `specs/decisions/0036-recognition-is-measured-on-what-was-not-seen.md` has what each half showed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use listmill_mail::bounce::{Report, read};
use listmill_mail::message::Message;
use listmill_tests::program::workspace;

use crate::corpora::{FORMS, with_endings};

const HALVES: [&str; 2] = ["first", "second"];

/// One line of an index: `NAME KIND[|KIND] [ADDRESS CAUSE[|CAUSE]; ...]`.
struct Case {
    path: PathBuf,
    name: String,
    kinds: Vec<String>,
    /// By address, the causes that may be read from the message.
    recipients: BTreeMap<String, Vec<String>>,
}

fn words(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

fn cases(half: &str) -> Vec<Case> {
    let folder = workspace().join("tests/bounces/cases");
    let index = std::fs::read_to_string(folder.join(format!("{half}.txt"))).unwrap();
    let case = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap();
        let (kinds, people) = rest.split_once(' ').unwrap_or((rest, ""));
        let recipients = people.split(';').filter_map(|one| one.trim().split_once(' '));
        Case {
            path: folder.join(half).join(format!("{name}.eml")),
            name: format!("{half}/{name}"),
            kinds: words(kinds),
            recipients: recipients.map(|(address, causes)| (address.to_owned(), words(causes))).collect(),
        }
    };
    index.lines().map(case).collect()
}

/// What a reading is worth.
#[derive(Default)]
struct Score {
    bounces: usize,
    exact: usize,
    causes: usize,
    others: usize,
    misread: Vec<String>,
    /// Worse than not read: somebody is named who must not be, or is to pay for what is no bounce.
    harmful: Vec<String>,
}

impl Score {
    fn count(&mut self, case: &Case, report: &Report) {
        let found: BTreeMap<_, _> =
            report.recipients.iter().map(|failure| (failure.address.to_lowercase(), failure.cause.name())).collect();
        let said = format!("{}: {} by {}, {found:?}", case.name, report.kind.name(), report.form);
        let exact = found.keys().eq(case.recipients.keys());
        let kind = case.kinds.iter().any(|kind| kind == report.kind.name());
        let cause = |(address, causes): (&String, &Vec<String>)| {
            found.get(address).is_some_and(|cause| causes.iter().any(|allowed| allowed == cause))
        };
        let causes = exact && case.recipients.iter().all(cause);
        if case.recipients.is_empty() {
            self.others += 1;
            if report.recipients.iter().any(|failure| failure.scores) {
                self.harmful.push(said);
            } else if !kind {
                self.misread.push(said);
            }
            return;
        }
        self.bounces += 1;
        self.exact += usize::from(exact);
        self.causes += usize::from(causes);
        if found.keys().any(|address| !case.recipients.contains_key(address)) {
            self.harmful.push(said);
        } else if !(kind && causes) {
            self.misread.push(said);
        }
    }
}

#[test]
fn cases_are_read_as_their_index_says() {
    let mut faults = Vec::new();
    for half in HALVES {
        let cases = cases(half);
        let folder = std::fs::read_dir(workspace().join("tests/bounces/cases").join(half)).unwrap();
        assert_eq!(folder.count(), cases.len(), "{half}: files that the index has not, or the other way around");
        for (form, ending) in FORMS {
            let mut score = Score::default();
            for case in &cases {
                let bytes = with_endings(&std::fs::read(&case.path).unwrap(), ending);
                score.count(case, &read(&Message::parse(&bytes)));
            }
            let Score { bounces, exact, causes, others, misread, harmful } = score;
            println!(
                "{half:<7} {form:>5}: of {bounces} bounces {exact} with exactly the right addresses, {causes} with the right causes too; of {others} others {} misread; harmful {}",
                misread.iter().filter(|line| line.contains("/lure-")).count(),
                harmful.len()
            );
            faults.extend(harmful.into_iter().map(|line| format!("HARMFUL {line}")).chain(misread));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
