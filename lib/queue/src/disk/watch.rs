//! Hearing of entries that other processes put: inotify, through `notify`. The slow poll finds what it misses.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::line::Line;
use super::spool::Spool;
use crate::lineup::Place;

/// Watches `new` of every queue for as long as it lives.
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to watch; `None` when the system does not let us, which is reported and harmless.
    pub(super) fn begin(spools: &[Spool]) -> Option<Self> {
        let lines: HashMap<PathBuf, Arc<Line>> =
            spools.iter().map(|spool| (spool.new.path().to_owned(), Arc::clone(&spool.line))).collect();
        let watched = notify::recommended_watcher(move |event| heard(&lines, event)).and_then(|mut watcher| {
            for spool in spools {
                watcher.watch(spool.new.path(), RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        match watched {
            Ok(watcher) => Some(Watch { _watcher: watcher }),
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be watched: entries of other processes are found by polling");
                None
            }
        }
    }
}

fn heard(lines: &HashMap<PathBuf, Arc<Line>>, event: notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => lines.values().for_each(|line| line.unsure()),
        Ok(event) if brings_a_file(event.kind) => event.paths.iter().for_each(|path| arrived(lines, path)),
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "watching the spool failed for once");
            lines.values().for_each(|line| line.unsure());
        }
    }
}

/// A rename into the directory, as every writer should do it, or the end of writing in place.
fn brings_a_file(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Any))
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}

fn arrived(lines: &HashMap<PathBuf, Arc<Line>>, path: &Path) {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Some(line) = lines.get(dir) else { return };
    match Place::parse(name.as_encoded_bytes()) {
        Some(place) => line.arrived([place]),
        None => line.unsure(),
    }
}
