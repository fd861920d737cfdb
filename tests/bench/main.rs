//! The benchmark: the real program between LMTP clients and an SMTP sink, a real Postfix, a broker and a database; and what it took.
//!
//! It prints one table: a row for each target of the project, ours beside the limit of this machine in the same run. A figure without that
//! says more about the machine than about the program. Nothing timed decides. It fails when a copy is missing, doubled or was asked for by
//! nobody, and when a bounce is lost.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark: files, sockets, processes, the clock"
)]

mod bounces;
mod broker;
mod client;
mod commands;
mod database;
mod fanout;
mod growth;
mod hosts;
mod idle;
mod imports;
mod lines;
mod log;
mod options;
mod postfix;
mod posts;
mod process;
mod program;
mod relay;
mod row;
mod scenario;
mod sender;
mod sink;
mod tally;

use std::process::ExitCode;

use options::Options;
use row::Table;

/// Why there are no figures.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("bench: {wrong}; --help names the options");
            return ExitCode::from(64);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What measures the rows of a part.
type Part = fn(&Options, &mut Table) -> Result<(), Failure>;

/// The parts by their names, in the order in which they are measured.
const PARTS: [(&str, Part); 11] = [
    ("fanout", fanout::rows),
    ("slow", fanout::slow),
    ("postfix", relay::rows),
    ("posts", posts::delivered),
    ("accepts", posts::accepted),
    ("commands", commands::rows),
    ("bounces", bounces::rows),
    ("import", imports::rows),
    ("hosts", hosts::rows),
    ("start", idle::rows),
    ("growth", growth::rows),
];

fn run(options: &Options) -> Result<(), Failure> {
    let mut table = Table::default();
    for (name, part) in PARTS {
        if options.wants(name) {
            part(options, &mut table).map_err(|failure| format!("{name}: {failure}"))?;
        }
    }
    table.end();
    Ok(())
}
