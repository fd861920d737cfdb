//! Message files: of held posts, and of entries in the outbox.
//!
//! A record holds a short one itself. A longer one is a file of its own: hundreds of megabytes of held posts would not fit into
//! sled's cache, and it does not sync what it keeps in files. Such a file is durable before the batch that names it, and goes
//! after the batch that no longer does; one that no record names was left by a crash and is removed when the store is opened.
//!
//! ```text
//! record = 0 message file | 1 name of the file
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use listmill_core::{MessageFile, Unavailable};
use listmill_queue_format::EntryId;

use super::maps::damaged;

/// A longer message file does not stand in its record.
const SHORT: usize = 4 << 10;
const INLINE: u8 = 0;
const NAMED: u8 = 1;

/// The directory of message files.
pub(super) struct MessageFiles {
    dir: PathBuf,
}

impl MessageFiles {
    /// The directory `dir`, which is there.
    pub(super) fn new(dir: PathBuf) -> Self {
        MessageFiles { dir }
    }

    /// Makes message files durable; gives the record of each. `id` is that of the batch.
    pub(super) fn keep<'a>(
        &self,
        id: EntryId,
        files: impl Iterator<Item = &'a MessageFile>,
    ) -> Result<Vec<Vec<u8>>, Unavailable> {
        let mut records = Vec::new();
        let mut written = false;
        for (ordinal, file) in files.enumerate() {
            if file.0.len() <= SHORT {
                records.push([&[INLINE], file.0.as_slice()].concat());
                continue;
            }
            // The same batch writes the same files again.
            let name = format!("{id}-{ordinal}.entry");
            let path = self.dir.join(&name);
            write_durable(&path, &file.0).map_err(|error| cannot("written", &path, &error))?;
            records.push([&[NAMED], name.as_bytes()].concat());
            written = true;
        }
        if written {
            sync_dir(&self.dir).map_err(|error| cannot("synced", &self.dir, &error))?;
        }
        Ok(records)
    }

    /// The message file of a record; none when its file is gone, as it is when the record went a moment ago.
    pub(super) fn read(&self, record: &[u8]) -> Result<Option<MessageFile>, Unavailable> {
        let path = match (record.split_first(), name(record)) {
            (Some((&INLINE, bytes)), _) => return Ok(Some(MessageFile(bytes.to_vec()))),
            (_, Some(name)) => self.dir.join(name),
            _ => return Err(damaged("message file", "it is neither here nor in a file")),
        };
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(MessageFile(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("read", &path, &error)),
        }
    }

    /// The message file of a held post with this record; why it is lost, when it is. It is not where the directory cannot be read: then
    /// nothing is known of any file.
    pub(super) fn read_held(&self, record: Option<&[u8]>) -> Result<Result<MessageFile, String>, Unavailable> {
        let why = match record.map(|record| self.read(record)) {
            Some(Ok(Some(file))) => return Ok(Ok(file)),
            Some(Ok(None)) => "it is gone".to_owned(),
            Some(Err(error)) => error.reason,
            None => "it is not on record".to_owned(),
        };
        fs::read_dir(&self.dir).map_err(|error| cannot("read", &self.dir, &error))?;
        Ok(Err(why))
    }

    /// This record names a file.
    pub(super) fn is_named(record: &[u8]) -> bool {
        name(record).is_some()
    }

    /// Removes the files of records that are gone.
    pub(super) fn forget<'a>(&self, records: impl IntoIterator<Item = &'a Vec<u8>>) {
        for name in records.into_iter().filter_map(|record| name(record)) {
            self.remove(&self.dir.join(name));
        }
    }

    /// Removes every file that none of these records names.
    pub(super) fn sweep(&self, records: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let named: HashSet<String> = records.filter_map(|record| name(&record).map(str::to_owned)).collect();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| named.contains(name)) {
                self.remove(&entry.path());
            }
        }
        Ok(())
    }

    /// What cannot be removed now is swept when the store is opened next.
    fn remove(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "message file of the store cannot be removed");
        }
    }
}

fn name(record: &[u8]) -> Option<&str> {
    let name = record.strip_prefix(&[NAMED])?;
    std::str::from_utf8(name).ok().filter(|name| !name.contains('/'))
}

/// Whoever reads the file meanwhile, or after a crash, finds all of it or nothing.
fn write_durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let part = path.with_extension(format!("part{}", WRITES.fetch_add(1, Ordering::Relaxed)));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().inspect_err(|_| {
        // Best effort: what stays is swept.
        let _ = fs::remove_file(&part);
    })
}

/// Makes durable which files a directory has.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Unavailable {
    Unavailable { reason: format!("{} cannot be {what}: {error}", path.display()) }
}
