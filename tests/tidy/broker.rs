//! `dist/rabbitmq/definitions.json` against what the program declares at a broker, and against `specs/queues.toml`: who reads and writes what.
//!
//! Why: an operator imports the file and gives each host a user that may do no more than its runners need. A queue that the file lacks is declared
//! by nobody there. `LISTMILL_TESTS_UPDATE=1` writes the file anew.

use listmill_queue::{AmqpHost, amqp_definitions};
use listmill_queue_format::Queue;
use serde_json::Value;

use crate::queues::{Topology, topology};
use crate::tree;

const FILE: &str = "dist/rabbitmq/definitions.json";

/// The hosts of the founding test, with their runners and the writers that are no stage.
const HOSTS: [(&str, &[&str], &[&str]); 3] = [
    ("mx1", &["inbound"], &["intake"]),
    ("db1", &["auth", "moderation", "pending", "bounce", "command"], &["clock", "operator"]),
    ("out1", &["outbound"], &[]),
];

fn host(topology: &Topology, (name, runners, others): (&str, &[&str], &[&str])) -> AmqpHost {
    let is_here = |word: &str| runners.contains(&word) || others.contains(&word);
    let queues = |wanted: &dyn Fn(&crate::queues::Row) -> bool| -> Vec<Queue> {
        topology.queue.iter().filter(|row| wanted(row)).map(|row| row.name.parse().expect("a queue")).collect()
    };
    AmqpHost {
        name: name.to_owned(),
        reads: queues(&|row| runners.contains(&row.name.as_str())),
        writes: queues(&|row| row.writers.iter().any(|writer| is_here(writer))),
        posts: runners.contains(&"command"),
    }
}

/// One thing a line.
fn rendered(definitions: &Value) -> String {
    let parts = definitions.as_object().expect("an object").iter().map(|(name, things)| {
        let things: Vec<String> = things.as_array().expect("an array").iter().map(Value::to_string).collect();
        format!("  \"{name}\": [\n    {}\n  ]", things.join(",\n    "))
    });
    format!("{{\n{}\n}}\n", parts.collect::<Vec<_>>().join(",\n"))
}

#[test]
fn the_shipped_definitions_are_what_the_program_declares() {
    let topology = topology();
    let all = rendered(&amqp_definitions(&HOSTS.map(|row| host(&topology, row))));
    if std::env::var_os("LISTMILL_TESTS_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(tree::root().join(FILE), &all).expect("it can be written");
    }
    assert!(tree::text(FILE) == all, "{FILE} is not what the program declares: LISTMILL_TESTS_UPDATE=1 writes it anew");
}
