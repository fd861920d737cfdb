//! The benchmark: the real program between an LMTP client and an SMTP sink, and what it took.
//!
//! It prints posts/s, deliveries/s, CPU per delivery and peak memory, beside what the sink takes from a trivial sender in the same run: a
//! figure without that ratio says more about the machine than about the program. Nothing timed decides. It fails when a copy is missing,
//! doubled or was asked for by nobody, and when a bounce is lost.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark: files, sockets, processes, the clock"
)]

mod bounces;
mod broker;
mod client;
mod commands;
mod hosts;
mod options;
mod program;
mod scenario;
mod sink;

use std::process::ExitCode;

use options::Options;

const IMPORT_HEAD: &str = "\
| members | import, nothing serving, members/s | peak memory of it | import while serving, members/s | peak memory of the command \
| of the serving process | the same after one post to all of them | deliveries/s |
| --- | --- | --- | --- | --- | --- | --- | --- |";

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

fn run(options: &Options) -> Result<(), Failure> {
    let limit = scenario::sink_limit(options)?;
    println!("The sink, from a lock-step sender: {limit}\n");
    if options.wants("a") || options.wants("b") {
        println!("| | posts/s accepted | deliveries/s | of the sink's limit | CPU per delivery | peak memory |");
        println!("| --- | --- | --- | --- | --- | --- |");
        if options.wants("a") {
            println!("{}", scenario::distribution(options, 1, options.members)?.row(&limit));
        }
        if options.wants("b") {
            println!("{}", scenario::distribution(options, options.posts, options.few)?.row(&limit));
        }
        println!();
    }
    if options.wants("import") {
        println!("{IMPORT_HEAD}");
        for members in &options.imports {
            println!("{}", scenario::import(options, *members)?);
        }
        println!();
    }
    if options.wants("commands") {
        println!("{}\n", commands::table(options)?);
    }
    if options.wants("bounces") {
        println!("{}\n", bounces::table(options)?);
    }
    if options.wants("hosts") {
        hosts::tables(options)?;
    }
    Ok(())
}
