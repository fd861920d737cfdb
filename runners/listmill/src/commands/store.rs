//! `listmill store`: a whole store, moved to another backend.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use listmill_core::settings::Cascade;
use listmill_store::transfer::{CopyError, Transfer, copy};
use listmill_store::{PostgresConfig, PostgresStore, SledStore};

use crate::cli::{StoreCommand, StorePlace};
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) fn run(command: StoreCommand) -> Outcome {
    let StoreCommand::Copy { from, to, password_file, ca_file } = command;
    let access = Access { password: password_file.as_deref().map(password).transpose()?, ca_file };
    if let StorePlace::Sled(path) = &from
        && !path.exists()
    {
        return Err(Failure::data(format!("there is no store in {}", path.display())));
    }
    let (source, target) = (open(&from, &access)?, open(&to, &access)?);
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let copied = copy(&*source, &*target, |table, count| {
        bar.set_message(format!("{}: {count}", table.name()));
        bar.tick();
    });
    bar.finish_and_clear();
    for (table, count) in copied.map_err(failure)? {
        output::line(format!("{count:>10}  {}", table.name()))?;
    }
    output::line("copied and compared; name the new store in the site file before anything is started")
}

/// How databases are reached.
struct Access {
    password: Option<String>,
    ca_file: Option<PathBuf>,
}

/// A store with which nobody else works meanwhile.
fn open(place: &StorePlace, access: &Access) -> Outcome<Box<dyn Transfer>> {
    match place {
        StorePlace::Sled(path) => {
            own(path)?;
            Ok(Box::new(SledStore::open(path, Cascade::default())?))
        }
        StorePlace::Postgres(url) => {
            let (url, password, ca_file) = (url.clone(), access.password.clone(), access.ca_file.clone());
            let config = PostgresConfig { url, password, ca_file, ..PostgresConfig::default() };
            Ok(Box::new(PostgresStore::open_alone(&config, Cascade::default())?))
        }
    }
}

/// What root leaves in a store its user cannot read.
fn own(path: &Path) -> Outcome {
    let me = rustix::process::geteuid().as_raw();
    match std::fs::metadata(path) {
        Ok(meta) if meta.uid() != me => Err(Failure::config(format!(
            "{} belongs to user {}, and this is user {me}: run listmill as the user that it belongs to",
            path.display(),
            meta.uid()
        ))),
        _ => Ok(()),
    }
}

/// The first line of a file.
fn password(file: &Path) -> Outcome<String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::io(format!("read the password in {}", file.display()), &error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn failure(error: CopyError) -> Failure {
    match error {
        CopyError::Source(_) | CopyError::Target(_) => Failure::try_again(error),
        CopyError::NotEmpty { .. } | CopyError::Differs { .. } => Failure::data(error),
    }
}
