//! `listmill backup` and `listmill restore`: the whole store in one file, and back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use listmill_core::StoreView as _;
use listmill_core::settings::Cascade;
use listmill_queue_format::Timestamp;
use listmill_runner::config::{Site, StoreBackendKind};
use listmill_store::transfer::{Backup, BackupError, CopyError, Transfer, back_up as write_all};
use listmill_store::{OpenError, Opened, PostgresConfig, PostgresStore, SledStore, Store};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::failure::{Failure, Outcome};
use crate::{backends, office, output, placement};

/// Writes the backup beside its place, looks through what is on the disk, and moves it there.
pub(crate) fn back_up(site: &Site, file: &Path) -> Outcome {
    placement::must_have_store(site)?;
    office::own(site)?;
    if !backends::store_is_there(site) {
        return Err(Failure::data("there is no store yet, so there is nothing to keep"));
    }
    // One of its own: two who write to the same place do not spoil each other's.
    let unfinished = beside(file, &format!("unfinished-{}", std::process::id()));
    let done = write_and_check(site, &unfinished).and_then(|backup| {
        fs::rename(&unfinished, file).map_err(|error| Failure::io(format!("name it {}", file.display()), &error))?;
        sync_dir(file)?;
        Ok(backup)
    });
    if done.is_err() {
        // What is left of it is of no use; whether it goes or not, the reason is told.
        let _ = fs::remove_file(&unfinished);
    }
    let backup = done?;
    let size = fs::metadata(file).map_or(0, |metadata| metadata.len());
    output::line(format!("{}: {}, {size} octets, whole", file.display(), described(&backup)))
}

fn write_and_check(site: &Site, path: &Path) -> Outcome<Backup> {
    let wrong = |error: &io::Error| Failure::io(format!("write {}", path.display()), error);
    let mut options = OpenOptions::new();
    // It has the keys.
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = BufWriter::with_capacity(1 << 20, options.open(path).map_err(|error| wrong(&error))?);
    let (now, release) = (Timestamp::now(), env!("CARGO_PKG_VERSION"));
    match backends::store(site)? {
        Opened::Own(store) => write_all(&*store, now, release, &mut file).map(drop),
        Opened::Shared(store) => write_all(&*store, now, release, &mut file).map(drop),
        Opened::Remote(store) => store.back_up(&mut file),
    }
    .map_err(failure)?;
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(|error| wrong(&error))?;
    Backup::check(path).map_err(failure)
}

/// Says whether a backup is whole.
pub(crate) fn check(file: &Path) -> Outcome {
    let backup = Backup::check(file).map_err(failure)?;
    output::line(format!("{}: {}, whole", file.display(), described(&backup)))
}

fn described(backup: &Backup) -> String {
    format!("the store as it was at {}, {} records, made by listmill {}", backup.made, backup.records, backup.release)
}

/// Puts a backup in the place of the store.
pub(crate) fn restore(site: &Site, file: &Path, replace: bool) -> Outcome {
    placement::must_have_store(site)?;
    office::own(site)?;
    let backup = Backup::check(file).map_err(failure)?;
    let kept = match &site.store {
        StoreBackendKind::Sled(dir) => into_directory(&backup, dir, replace)?,
        StoreBackendKind::Postgres(database) => {
            into_database(&backup, &backends::database_config(database)?, replace)?;
            None
        }
    };
    output::line(format!("restored: {}", described(&backup)))?;
    if let Some(kept) = kept {
        output::line(format!("the store that was there is now {}", kept.display()))?;
    }
    Ok(())
}

/// Fills another directory and changes it for the one of the store; says where that is now.
fn into_directory(backup: &Backup, dir: &Path, replace: bool) -> Outcome<Option<PathBuf>> {
    // Nobody else may have it until the new one is in its place.
    let before = if dir.exists() { alone(dir, replace)? } else { None };
    let is_empty = before.as_ref().map_or(Ok(!dir.exists()), is_empty)?;
    if !is_empty && !replace {
        return Err(Failure::data(format!(
            "there is something in the store {}: with --replace it is set aside beside it",
            dir.display()
        )));
    }
    let unfinished = beside(dir, "unfinished");
    let moved = |from: &Path, to: &Path| {
        let doing = format!("rename {} to {}", from.display(), to.display());
        fs::rename(from, to).map_err(|error| Failure::io(doing, &error))
    };
    remove(&unfinished)?;
    fill(backup, &SledStore::open(&unfinished, Cascade::default())?)?;
    let kept = beside(dir, &format!("before-{}", Timestamp::now().as_second()));
    if dir.exists() {
        // At no moment is there none: whoever starts would make an empty one.
        exchange(&unfinished, dir)?;
        moved(&unfinished, &kept)?;
    } else {
        moved(&unfinished, dir)?;
    }
    sync_dir(dir)?;
    drop(before);
    if is_empty {
        remove(&kept)?;
    }
    Ok((!is_empty).then_some(kept))
}

/// The store that is to be replaced, with nobody else at it; none when it is damaged, which is what backups are for.
fn alone(dir: &Path, replace: bool) -> Outcome<Option<SledStore>> {
    match SledStore::open(dir, Cascade::default()) {
        Err(OpenError::Damaged { .. }) if replace => Ok(None),
        Err(error @ OpenError::Damaged { .. }) => {
            Err(Failure::from(error).and("; with --replace it is set aside, and the backup takes its place"))
        }
        Err(error @ OpenError::Owned { .. }) => {
            Err(Failure::try_again(format!("{error}: stop every `listmill run` of the site first")))
        }
        opened => Ok(Some(opened?)),
    }
}

fn exchange(one: &Path, other: &Path) -> Outcome {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
        .map_err(|errno| Failure::io(format!("exchange {} and {}", one.display(), other.display()), &errno.into()))
}

fn into_database(backup: &Backup, config: &PostgresConfig, replace: bool) -> Outcome {
    if replace {
        return Err(Failure::usage("--replace is for a store in a directory; name an empty database in the site file"));
    }
    fill(backup, &PostgresStore::open_alone(config, Cascade::default())?)
}

fn fill(backup: &Backup, store: &dyn Transfer) -> Outcome {
    for (table, count) in backup.fill(store, |_, _| {}).map_err(failure)? {
        output::line(format!("{count:>10}  {}", table.name()))?;
    }
    Ok(())
}

fn is_empty(store: &SledStore) -> Outcome<bool> {
    let figures = store.figures()?;
    Ok(figures.lists == 0 && store.audit(None, 1)?.is_empty())
}

/// A name beside another one, on the same file system.
fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.{what}"))
}

fn remove(dir: &Path) -> Outcome {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::io(format!("remove {}", dir.display()), &error))
        }
        _ => Ok(()),
    }
}

/// A rename is durable when its directory is.
fn sync_dir(of: &Path) -> Outcome {
    let dir = of.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Failure::io(format!("sync {}", dir.display()), &error))
}

fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Store(_) | BackupError::Fill(CopyError::Source(_) | CopyError::Target(_)) => {
            Failure::try_again(error)
        }
        BackupError::Write(error) => Failure::io("write the backup", &error),
        BackupError::Read { path, source } => Failure::io(format!("read {}", path.display()), &source),
        error => Failure::data(error),
    }
}
