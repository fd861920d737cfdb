//! The samples of the recognisers (`lib/mail/data/bounces/samples/`), written by hand: each is read as its data says.

use std::collections::BTreeSet;
use std::path::PathBuf;

use listmill_mail::bounce::{Failure, Report, read};
use listmill_mail::message::Message;
use listmill_tests::program::workspace;
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    workspace().join("lib/mail/data/bounces").join(name)
}

fn sample(name: &str) -> String {
    let path = data("samples").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files that are there.
fn names() -> BTreeSet<String> {
    let files = std::fs::read_dir(data("samples")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// What the data says of one sample.
struct Expected {
    file: String,
    kind: String,
    form: String,
    recipients: Vec<String>,
}

fn expected() -> Vec<Expected> {
    let table = |name: &str| -> toml::Table { toml::from_str(&std::fs::read_to_string(data(name)).unwrap()).unwrap() };
    let forms = table("forms.toml")["form"].as_array().unwrap().clone();
    let mut rows: Vec<toml::Table> = forms.iter().map(|form| form.as_table().unwrap().clone()).collect();
    let mut general = table("general.toml");
    general.insert("name".to_owned(), "general".into());
    rows.push(general);
    rows.iter().flat_map(of_form).collect()
}

fn of_form(row: &toml::Table) -> Vec<Expected> {
    let text = |key: &str| row.get(key).and_then(|value| value.as_str());
    let (name, kind) = (text("name").unwrap(), text("kind").unwrap_or("bounce"));
    let samples = row["samples"].as_array().unwrap().iter().enumerate();
    let expected = |(at, recipients): (usize, &toml::Value)| Expected {
        file: if at == 0 { format!("{name}.eml") } else { format!("{name}-{}.eml", at + 1) },
        kind: kind.to_owned(),
        form: name.to_owned(),
        recipients: recipients.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect(),
    };
    samples.map(expected).collect()
}

/// As the data writes it: address, status, cause.
fn shown(report: &Report) -> Vec<String> {
    let show = |failure: &Failure| {
        let status = failure.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{} {status} {}", failure.address, failure.cause)
    };
    report.recipients.iter().map(show).collect()
}

#[test]
fn each_form_reads_its_samples() {
    let mut wrong = Vec::new();
    for Expected { file, kind, form, recipients } in expected() {
        for ending in ["\n", "\r\n", "\r"] {
            let report = read(&Message::parse(sample(&file).replace('\n', ending).as_bytes()));
            if (report.kind.name(), report.form, shown(&report)) != (kind.as_str(), form.as_str(), recipients.clone()) {
                wrong.push(format!(
                    "{file} with {ending:?}: {} {} {:?}",
                    report.kind.name(),
                    report.form,
                    shown(&report)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sample_is_some_forms() {
    assert_eq!(names(), expected().into_iter().map(|row| row.file).collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_becomes_of_a_bounce_is_read(
        which in any::<prop::sample::Index>(),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..40, any::<Vec<u8>>()), 0..6),
    ) {
        let files: Vec<_> = names().into_iter().collect();
        let mut bytes = sample(&files[which.index(files.len())]).into_bytes();
        for (at, length, instead) in cuts {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, instead.into_iter().take(30));
        }
        let report = read(&Message::parse(&bytes));
        let kind = report.kind.name();
        prop_assert!(report.recipients.iter().all(|failure| failure.text.len() <= 512 && failure.address.len() <= 512));
        prop_assert!(!report.recipients.iter().any(|failure| failure.scores && (failure.delayed || kind != "bounce")));
    }
}
