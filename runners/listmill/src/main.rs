//! The one executable: it serves the runners, and it administrates.
//!
//! Reads: the site file, standard input. Writes: the store by commits, queues by entries, standard output.
//! Never: decides about a message; the stages do.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the executable: clock, files, sockets")]

mod backends;
mod cli;
mod commands;
mod demo;
mod failure;
mod office;
mod output;
mod placement;
mod roster;
mod serve;
mod texts;
mod watching;
mod wiring;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use listmill_runner::config::Site;
use listmill_runner::logs;

use cli::{Cli, Command};
use failure::{Failure, Outcome};
use office::Office;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => {
            let code = if help.use_stderr() { 64 } else { 0 };
            // Nobody is left to tell when the terminal is gone.
            let _ = help.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("listmill: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let level = if matches!(cli.command, Command::Run { .. }) { "info" } else { "warn" };
    logs::start(cli.log_format, cli.log_level.as_deref().unwrap_or(level)).map_err(Failure::usage)?;
    let is_given = cli.config.is_some();
    let config = cli.config.unwrap_or_else(default_site_file);
    let host = cli.host;
    let site = || Site::load(&config, host.as_deref());
    let office = || Office::of(site()?);
    match cli.command {
        Command::Init { dir } => commands::init::run(&dir.unwrap_or_else(|| PathBuf::from("."))),
        Command::Check => commands::check::run(&site()?),
        Command::Run { runners } => serve::run(site()?, runners),
        Command::Demo { dir } => demo::run(dir),
        Command::Inject { to, from } => commands::inject::run(&site()?, to, from),
        Command::List(command) => commands::list::run(&office()?, command),
        Command::Member(command) => commands::member::run(&office()?, command),
        Command::Held(command) => commands::held::run(&office()?, command),
        Command::Ban(command) => commands::ban::run(&office()?, command),
        Command::Bounce(command) => {
            let site = if is_given || config.exists() { Some(site()?) } else { None };
            let office = site.filter(|site| placement::must_have_store(site).is_ok()).map(Office::of).transpose()?;
            commands::bounce::run(command, office.as_ref())
        }
        Command::Queue(command) => commands::queue::run(&site()?, command),
        Command::Store(command) => commands::store::run(command),
        Command::Backup { file } => commands::backup::back_up(&site()?, &file),
        Command::Restore { file, check: true, .. } => commands::backup::check(&file),
        Command::Restore { file, replace, .. } => commands::backup::restore(&site()?, &file, replace),
        Command::Explain { list, from, json } => commands::explain::run(&office()?, &list, from, json),
        Command::Template(command) => commands::template::run(&site()?, command),
        Command::Trace { message_id, all, recipient, json } => {
            commands::trace::run(&site()?, &message_id, all, recipient.as_deref(), json)
        }
        Command::Status { json } => commands::status::run(&site()?, json),
        Command::Completions { shell } => commands::completions::shell(shell),
        Command::Man { dir } => commands::completions::man(&dir),
    }
}

/// `./listmill.toml` where there is one, else the system's.
fn default_site_file() -> PathBuf {
    let here = Path::new("listmill.toml");
    let system = Path::new("/etc/listmill/listmill.toml");
    if !here.exists() && system.exists() { system.to_owned() } else { here.to_owned() }
}
