//! `listmill queue drain`: a runner finishes what it has in hand and stops, while the rest of its process goes on.

use std::time::Duration;

use listmill_queue_format::Queue;
use listmill_runner::config::Site;
use listmill_store::control::{Draining, RemoteStore};

use crate::commands::status;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How often a process is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(site: &Site, runner: Queue) -> Outcome {
    let mut drained = 0;
    for (process, status) in status::processes(site) {
        let is_meant = site.placed.is_none() || status["placed"].as_str() == site.placed.as_deref();
        if is_meant && status["runners"].get(runner.name()).is_some() {
            drain(&process, runner)?;
            output::line(format!("process {} serves {runner} no more", status["pid"]))?;
            drained += 1;
        }
    }
    if drained == 0 {
        return Err(Failure::unavailable(format!(
            "no process of this site serves {runner} on this host: see `listmill status`"
        )));
    }
    Ok(())
}

/// Until it is done, however long what is in hand takes.
fn drain(process: &RemoteStore, runner: Queue) -> Outcome {
    loop {
        match process.drain(runner) {
            Ok(Draining::Working(_)) => std::thread::sleep(LOOK),
            Ok(Draining::Absent) => return Ok(()),
            // Its last runner was drained, and it ended with it.
            Err(_) if process.status().is_err() => return Ok(()),
            Err(error) => return Err(Failure::try_again(error.reason)),
        }
    }
}
