//! Every case decides as it says.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Table;

use crate::case::{Case, Step, directories};
use crate::expect::Expected;
use crate::files::root;
use crate::render::render;

/// What is wrong with a case, for a person who mends it: every difference, and what was decided in the words of `expect.toml`.
fn faults(folder: &Path) -> Result<(), String> {
    let mut case = Case::load(folder)?;
    let mut number = 1;
    while let Some(step) = case.step(number).map_err(|error| format!("step {number}: {error}"))? {
        let faults = decide(&mut case, &step);
        faults.map_err(|faults| format!("step {number}:\n  {faults}"))?;
        number += 1;
    }
    case.check_files()
}

fn decide(case: &mut Case, step: &Step) -> Result<(), String> {
    let decided = step.site.decide(&step.entry, &case.view, step.cx);
    let found: Vec<Table> = decided.iter().map(|disposition| render(disposition, &step.entry)).collect();
    let wrong = match case.finish(step, &decided) {
        Ok(expected) => Expected::faults(&expected, &found),
        Err(error) => vec![error],
    };
    if wrong.is_empty() {
        return Ok(());
    }
    let shown: Vec<_> = found.into_iter().map(toml::Value::Table).collect();
    let shown = Table::from_iter([("disposition".to_owned(), shown.into())]);
    Err(format!("{}\nit decided:\n{shown}", wrong.join("\n  ")))
}

#[test]
fn every_case_decides_as_it_says() {
    let directories = directories();
    let faulty: Vec<_> = directories
        .iter()
        .filter_map(|folder| faults(folder).err().map(|fault| format!("{}: {fault}", folder.display())))
        .collect();
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
            (2..=3).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && words.split('-').all(|word| {
                    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
                })
        });
        match name {
            _ if name.starts_with("private/") => {}
            _ if sound => {
                numbers.entry(format!("{stage}/{}", name.split('-').next().unwrap())).or_default().push(name.to_owned())
            }
            _ => wrong.push(format!("{below} is not of the form NN-some-words or NNN-some-words")),
        }
    }
    let twice = numbers.into_iter().filter(|(_, names)| names.len() > 1);
    wrong.extend(twice.map(|(number, names)| format!("{number} is given to {}", names.join(" and "))));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
