//! Every case decides as it says.

use std::collections::BTreeMap;

use crate::case::{Case, directories, root};
use crate::expect::differences;
use crate::render::render;

/// What is wrong with a case, for a person who mends it: every difference, and what was decided in the words of `expect.toml`.
fn faults(case: &Case) -> Option<String> {
    let decided = case.site.decide(&case.entry, &case.view, case.cx);
    let found: Vec<_> = decided.iter().map(|disposition| render(disposition, &case.entry)).collect();
    let mut wrong = Vec::new();
    if found.len() != case.expect.len() {
        wrong.push(format!("there are {} dispositions, expected {}", found.len(), case.expect.len()));
    }
    for (number, (want, is)) in case.expect.iter().zip(&found).enumerate() {
        wrong.extend(differences(want, is).into_iter().map(|fault| format!("disposition {}: {fault}", number + 1)));
    }
    if wrong.is_empty() {
        return None;
    }
    let shown: Vec<_> = found.iter().map(|table| format!("[[disposition]]\n{table}")).collect();
    Some(format!("{}:\n  {}\nit decided:\n{}", case.name, wrong.join("\n  "), shown.join("\n")))
}

#[test]
fn every_case_decides_as_it_says() {
    let mut faulty = Vec::new();
    let directories = directories();
    for folder in &directories {
        match Case::load(folder) {
            Ok(case) => faulty.extend(faults(&case)),
            Err(error) => faulty.push(format!("{}: {error}", folder.display())),
        }
    }
    assert!(faulty.is_empty(), "{} of {} cases:\n\n{}", faulty.len(), directories.len(), faulty.join("\n\n"));
    println!("{} cases", directories.len());
}

#[test]
fn cases_are_numbered_and_named() {
    let mut numbers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for folder in directories() {
        let below = folder.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let (stage, name) = below.split_once('/').unwrap();
        let sound = name.split_once('-').is_some_and(|(number, words)| {
            number.len() == 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && words.split('-').all(|word| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                })
        });
        match name {
            _ if name.starts_with("private/") => {}
            _ if sound => numbers.entry(format!("{stage}/{}", &name[..2])).or_default().push(name.to_owned()),
            _ => wrong.push(format!("{below} is not of the form NN-some-words")),
        }
    }
    let twice = numbers.into_iter().filter(|(_, names)| names.len() > 1);
    wrong.extend(twice.map(|(number, names)| format!("{number} is given to {}", names.join(" and "))));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
