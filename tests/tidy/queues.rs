//! The topology: `specs/queues.toml` against `Queue::ALL`, every stage's `READS` and `WRITES`, and every stage's contract.
//!
//! Why: operators reason with the file, the shell enforces the constants, people read the contract. If one of the three is wrong,
//! somebody looks for a message in a queue that it can never have reached.

use std::collections::{BTreeMap, BTreeSet};

use listmill_queue_format::Queue;
use serde::Deserialize;

use crate::{contract, none_of, tree};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topology {
    pub(crate) queue: Vec<Row>,
    /// Writers that are no stage, each with what it is.
    writer: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    question: String,
    /// The stage that serves it; absent where no stage does yet.
    reader: Option<String>,
    pub(crate) writers: BTreeSet<String>,
    failures: String,
}

pub(crate) fn topology() -> Topology {
    toml::from_str(&tree::text("specs/queues.toml")).expect("specs/queues.toml has its form")
}

/// What the source of one stage declares.
#[derive(Debug, PartialEq)]
struct Declared {
    reads: String,
    writes: BTreeSet<String>,
}

/// `const READS` and `const WRITES` of the stage in `runners/<name>`.
fn declared(name: &str) -> Declared {
    let files = tree::files(&format!("runners/{name}/src"), &[".rs"]);
    let source = files.iter().map(|file| file.without_tests()).collect::<Vec<_>>().join("\n");
    read_constants(&source).unwrap_or_else(|missing| panic!("runners/{name} declares no {missing}"))
}

fn read_constants(source: &str) -> Result<Declared, &'static str> {
    let queues = |constant: &'static str| -> Result<BTreeSet<String>, &'static str> {
        let (_, behind) = source.split_once(constant).ok_or(constant)?;
        let (value, _) = behind.split_once('=').and_then(|(_, value)| value.split_once(';')).ok_or(constant)?;
        let names = value.split("Queue::").skip(1);
        Ok(names
            .map(|name| name.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase())
            .collect())
    };
    let reads = queues("const READS: Queue")?;
    let reads = reads.into_iter().next().ok_or("const READS: Queue")?;
    Ok(Declared { reads, writes: queues("const WRITES: &'static [Queue]")? })
}

#[test]
fn the_constants_are_read_as_they_are_written() {
    let source = "impl Stage for X {\n const READS: Queue = Queue::Auth;\n const WRITES: &'static [Queue] = &[Queue::Moderation, Queue::Bounce];\n";
    let expected = Declared { reads: "auth".into(), writes: ["moderation".into(), "bounce".into()].into() };
    assert_eq!(read_constants(source), Ok(expected));
    assert!(read_constants("fn main() {}").is_err());
}

#[test]
fn the_file_has_every_queue_once_in_the_order_of_the_code() {
    let rows: Vec<_> = topology().queue.into_iter().map(|row| row.name).collect();
    assert_eq!(rows, Queue::ALL.map(Queue::name));
}

#[test]
fn every_row_is_filled_in_and_every_name_in_it_is_known() {
    let (topology, stages) = (topology(), tree::stages());
    let mut found = Vec::new();
    for row in &topology.queue {
        if row.question.is_empty() || row.failures.is_empty() || row.writers.is_empty() {
            found.push(format!("{}: question, writers or failures is empty", row.name));
        }
        for name in row.writers.iter().filter(|name| !stages.contains(name) && !topology.writer.contains_key(*name)) {
            found.push(format!("{}: writer {name} is neither a stage nor in [writer]", row.name));
        }
        for name in row.reader.iter().filter(|name| !stages.contains(name)) {
            found.push(format!("{}: reader {name} is not in runners/", row.name));
        }
    }
    none_of(found);
}

#[test]
fn the_file_says_what_the_stages_declare() {
    let topology = topology();
    let mut found = Vec::new();
    for stage in tree::stages() {
        let declared = declared(&stage);
        for row in &topology.queue {
            let (in_file, in_code) = (row.reader.as_ref() == Some(&stage), declared.reads == row.name);
            if in_file != in_code {
                found.push(format!("{stage} reads {}: {in_file} in specs/queues.toml, {in_code} in READS", row.name));
            }
            let (in_file, in_code) = (row.writers.contains(&stage), declared.writes.contains(&row.name));
            if in_file != in_code {
                found.push(format!("{stage} writes {}: {in_file} in specs/queues.toml, {in_code} in WRITES", row.name));
            }
        }
    }
    none_of(found);
}

#[test]
fn a_stage_carries_the_name_of_the_queue_that_it_reads() {
    let wrong = tree::stages().into_iter().filter(|stage| declared(stage).reads != *stage);
    none_of(wrong.map(|stage| format!("runners/{stage} reads another queue")).collect());
}

#[test]
fn the_contract_names_the_queues_that_the_stage_writes() {
    let mut found = Vec::new();
    for stage in tree::stages() {
        let doc = contract::module_doc(&tree::text(&format!("runners/{stage}/src/lib.rs")));
        let writes =
            doc.split_once("Writes:").map_or("", |(_, behind)| behind.split("Never:").next().unwrap_or(behind));
        let unnamed = declared(&stage).writes.into_iter().filter(|queue| !writes.contains(queue.as_str()));
        found.extend(unnamed.map(|queue| format!("runners/{stage}: its contract's \"Writes:\" does not name {queue}")));
    }
    none_of(found);
}

#[test]
fn the_readme_and_the_architecture_page_show_every_queue() {
    let mut found = Vec::new();
    for page in ["README.md", "specs/architecture.md"] {
        let text = tree::text(page);
        found.extend(
            Queue::ALL
                .into_iter()
                .filter(|queue| !text.contains(queue.name()))
                .map(|queue| format!("{page} lacks {queue}")),
        );
    }
    none_of(found);
}

#[test]
fn every_queue_has_a_page() {
    none_of(
        Queue::ALL
            .into_iter()
            .filter(|queue| tree::files("specs/runners", &[&format!("{queue}.md")]).is_empty())
            .map(|queue| format!("specs/runners/{queue}.md is missing"))
            .collect(),
    );
}
