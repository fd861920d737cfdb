//! `listmill completions` and `listmill man`: generated from the command line's own description.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) fn shell(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "listmill", &mut script);
    output::bytes(&script)
}

pub(crate) fn man(dir: &Path) -> Outcome {
    fs::create_dir_all(dir).map_err(|error| Failure::io(format!("make {}", dir.display()), &error))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .map_err(|error| Failure::io(format!("write manual pages into {}", dir.display()), &error))?;
    output::line(format!(
        "wrote the manual pages into {}; read one with `man -l {}/listmill.1`",
        dir.display(),
        dir.display()
    ))
}
