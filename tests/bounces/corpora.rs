//! The corpora: bounces with their labels, and mail that is no bounce.

use std::collections::BTreeSet;

use listmill_mail::bounce::{Report, read};
use listmill_mail::message::Message;
use listmill_tests::corpus::{MIME, files};

use crate::labels::{FOLDERS, Labelled, of};

/// How the lines of a file end.
pub(crate) const FORMS: [(&str, &str); 3] = [("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")];

pub(crate) fn with_endings(bytes: &[u8], ending: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(ending.as_bytes());
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn addresses(report: &Report) -> BTreeSet<String> {
    report.recipients.iter().map(|failure| failure.address.to_lowercase()).collect()
}

/// What was found in one folder, its lines ended in one way.
#[derive(Default)]
struct Tally {
    bounces: usize,
    exact: usize,
    wrong: Vec<String>,
    blamed: Vec<String>,
}

impl Tally {
    fn count(&mut self, file: &Labelled, report: &Report) {
        let found = addresses(report);
        let name = file.path.file_name().unwrap().to_string_lossy();
        if file.kind == "bounce" {
            self.bounces += 1;
            if found == file.addresses {
                self.exact += 1;
            } else {
                println!("  {name}: {found:?} by {}, not {:?}", report.form, file.addresses);
            }
        }
        if file.kind != "unlabelled" && !found.is_subset(&file.addresses) {
            self.wrong.push(format!("{name}: {found:?} by {}, not {:?}", report.form, file.addresses));
        }
        let score = report.recipients.iter().any(|failure| failure.scores);
        if !["bounce", "unlabelled"].contains(&file.kind.as_str()) && score {
            self.blamed.push(format!("{name}: {found:?} by {}, and it is {}", report.form, file.kind));
        }
    }
}

#[test]
fn bounces_name_whom_they_are_known_to_name() {
    let (mut bounces, mut exact) = (0, 0);
    println!("{:<26} {:>5} {:>8} {:>6} {:>6} {:>6}", "folder", "lines", "bounces", "exact", "wrong", "blamed");
    let mut faults = Vec::new();
    for folder in FOLDERS {
        let labelled = of(folder);
        for (form, ending) in FORMS {
            let mut tally = Tally::default();
            for file in &labelled {
                let bytes = with_endings(&std::fs::read(&file.path).unwrap(), ending);
                tally.count(file, &read(&Message::parse(&bytes)));
            }
            let (wrong, blamed) = (tally.wrong.len(), tally.blamed.len());
            println!("{folder:<26} {form:>5} {:>8} {:>6} {wrong:>6} {blamed:>6}", tally.bounces, tally.exact);
            bounces += tally.bounces;
            exact += tally.exact;
            faults.extend(tally.wrong.into_iter().chain(tally.blamed));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(exact * 100 >= bounces * 98, "{exact} of {bounces}");
}

/// Bounces that lie among other mail.
const BOUNCES: [&str; 1] = ["mime-python-email/msg_16.txt"];

#[test]
fn other_mail_scores_nobody() {
    let others: Vec<&str> =
        ["autoreply-discourse", "list-posts-dev-sample", "list-notmuch-corpora", "list-sympa-samples"]
            .into_iter()
            .chain(MIME)
            .collect();
    let mut blamed = Vec::new();
    for path in files(&others).into_iter().filter(|path| !BOUNCES.iter().any(|bounce| path.ends_with(bounce))) {
        for (form, ending) in FORMS {
            let bytes = with_endings(&std::fs::read(&path).unwrap(), ending);
            let report = read(&Message::parse(&bytes));
            if report.recipients.iter().any(|failure| failure.scores) {
                blamed.push(format!("{} ({form}): {:?} by {}", path.display(), addresses(&report), report.form));
            }
        }
    }
    assert!(blamed.is_empty(), "{}", blamed.join("\n"));
}
